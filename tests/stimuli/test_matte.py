from __future__ import annotations

import cv2
import numpy as np
import pytest

from synfer_core.errors import ImageError
from synfer_core.report import Pixels
from synfer_core.stimuli import masks, matte

SIZE = 96


def before_a_backdrop(hair: bool) -> tuple[Pixels, np.ndarray]:
    """A head before a graded backdrop, with hair of two tones that fills the upper corners; and
    where the person is."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    image = np.stack([120 + 40 * y, 90 + 20 * x, 130 - 20 * y], axis=-1)
    truth = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(truth, (48, 52), (36, 46), 0, 0, 360, 1, -1)
    image[truth > 0] = (205, 165, 140)
    if hair:
        band = np.zeros_like(truth)
        band[:14] = 1
        image[band > 0] = (40, 30, 25)
        image[:14:2] = (95, 70, 50)
        truth |= band
    noise = np.random.default_rng(0).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), truth > 0


@pytest.mark.parametrize("hair", [False, True])
def test_the_outline_is_the_persons(hair: bool) -> None:
    image, truth = before_a_backdrop(hair)
    found = masks.inside_of(matte.outline(image), SIZE) > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.95
    assert (found & ~truth).sum() < 0.01 * truth.sum(), "no fringe of the backdrop"


def test_a_person_like_the_background_is_refused() -> None:
    plain = np.full((SIZE, SIZE, 3), 120, np.uint8)
    with pytest.raises(ImageError) as caught:
        matte.outline(plain)
    assert caught.value.field == "treatment.crop"


def test_a_busy_background_is_refused() -> None:
    busy = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    with pytest.raises(ImageError):
        matte.outline(busy)
