from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from synfer_core.annotations.reading import Failed, Read, Source, read_all
from synfer_core.errors import CancelledError
from synfer_core.synthesizer import Synthesizer
from tests.faces.photo import needs_landmarker, portrait


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_one_bad_image_ends_nothing(synthesizer: Synthesizer) -> None:
    good = partial(png, np.full((128, 128, 3), 90, np.uint8))
    sources = (Source("a", good), Source("b", lambda: b"text"), Source("c", good))
    first, second, third = read_all(synthesizer, sources, patience=0.0)
    assert isinstance(first, Read)
    assert isinstance(third, Read)
    assert isinstance(second, Failed)
    assert (first.file, second.file, second.error.field) == ("a", "b", "b")
    assert first.opinion.reading is None, "there is no face"
    assert first.face is None
    assert first.aus is None, "these weights have no reader"


def test_cancelling_ends_it(synthesizer: Synthesizer) -> None:
    def cancelled() -> bytes:
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        next(read_all(synthesizer, [Source("a", cancelled)]))


@needs_landmarker
def test_points_are_in_the_file_s_own_pixels(synthesizer: Synthesizer) -> None:
    photo = np.full((300, 400, 3), 200, np.uint8)
    photo[40:240, 150:350] = portrait(200)
    (read,) = read_all(synthesizer, [Source("photo", lambda: png(photo))], "happiness")
    assert isinstance(read, Read)
    assert read.face is not None
    centre = read.face.points.mean(axis=0)
    assert np.abs(centre - (250, 140)).max() < 25
    assert read.opinion.face is not None
    assert read.opinion.face.points.max() < 140, "in the crop's pixels"
    assert read.said == "happiness"
