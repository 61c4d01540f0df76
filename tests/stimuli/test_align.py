from __future__ import annotations

from dataclasses import astuple

import cv2
import numpy as np
import pytest

from synfer_core.errors import ImageError
from synfer_core.faces.align import EYE_LEFT_X, EYE_RIGHT_X, EYES_Y
from synfer_core.report import Pixels
from synfer_core.stimuli.align import FACE, aligned, enlargement, eyes_seen, find_move, places
from tests.stimuli.drawn import EYES, SIZE, find_eyes


def marked() -> Pixels:
    """Black with a blurred dot at each eye, so that its centre can be found below a pixel."""
    image = np.zeros((SIZE, SIZE), np.float32)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    for eye_x, eye_y in EYES:
        image += 250 * np.exp(-((x - eye_x) ** 2 + (y - eye_y) ** 2) / 8)
    return np.repeat(image.round().astype(np.uint8)[..., None], 3, axis=2)


def centres(image: Pixels) -> list[tuple[float, float]]:
    """The dots, as shares of the frame, left one first."""
    size, half = len(image), len(image) // 2
    found = []
    for start in (0, half):
        moments = cv2.moments(image[:, start : start + half, 0])
        x, y = moments["m10"] / moments["m00"] + start, moments["m01"] / moments["m00"]
        found.append(((x + 0.5) / size, (y + 0.5) / size))
    return found


@pytest.mark.parametrize("size", [SIZE, 100])
def test_the_eyes_end_level_and_in_their_places(size: int) -> None:
    image = marked()
    move = find_move(eyes_seen(image, find_eyes), len(image))
    assert move.tilt == pytest.approx(np.degrees(np.arctan2(-2, 22)), abs=0.01)
    assert move.shift > 0.5
    left, right = centres(aligned(image, move.matrix, size))
    assert left == pytest.approx((EYE_LEFT_X, EYES_Y), abs=0.006)
    assert right == pytest.approx((EYE_RIGHT_X, EYES_Y), abs=0.006)


def test_nothing_is_moved_without_a_matrix() -> None:
    assert (aligned(marked(), None, SIZE) == marked()).all()


def test_a_face_without_eyes_is_named() -> None:
    with pytest.raises(ImageError) as caught:
        eyes_seen(marked(), lambda _: ())
    assert caught.value.field == "treatment.align"
    with pytest.raises(ImageError, match="no eyes"):
        find_move(np.full((2, 2), 30, np.float32), SIZE)


@pytest.mark.parametrize("eyes", [((20, 25), (44, 24)), ((23, 20), (41, 28)), ((15, 34), (36, 30))])
def test_an_image_enlarged_as_far_as_needed_covers_its_frame(
    eyes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    seen = np.array(eyes, np.float32)
    factor = enlargement(seen, SIZE)
    inside = np.full((SIZE, SIZE, 3), 200, np.uint8)

    def least(wanted: float) -> int:
        move = find_move(seen, SIZE, FACE.enlarged(wanted))
        shown = cv2.warpAffine(inside, np.array(move.matrix), (SIZE, SIZE), flags=cv2.INTER_NEAREST)
        return int(shown.min())

    assert factor >= 1
    assert least(factor * 1.02) == 200, "no pixel from beyond the image"
    assert factor == 1 or least(factor * 0.9) == 0, "and no farther than needed"


def test_eyes_go_where_a_framing_has_them() -> None:
    head = places("head")
    assert astuple(places(None)) == astuple(places("face")) == pytest.approx(astuple(FACE))
    assert head.right_x - head.left_x == pytest.approx((EYE_RIGHT_X - EYE_LEFT_X) / 1.78)
    assert head.y == pytest.approx(0.519, abs=0.001)
