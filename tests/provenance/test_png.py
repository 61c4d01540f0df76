"""PNG files with texts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from synfer_core.provenance.png import to_png


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7)])
def test_pixels_and_texts_come_back(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    texts = {"recipe": '{"text": "ein Lächeln, 微笑"}', "seconds": "1.5"}
    data = to_png(image, texts)
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        assert np.array_equal(np.array(picture), image)
        assert picture.text == texts
    assert to_png(image, texts) == data


def test_without_texts_there_is_no_text_chunk() -> None:
    assert b"iTXt" not in to_png(np.zeros((2, 2, 3), np.uint8), {})
