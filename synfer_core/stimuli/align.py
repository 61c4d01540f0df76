"""Eye-line alignment: the eyes of each person level, and at the same places in every image.

The eyes are those of the person's neutral image, where the backbone has them or MediaPipe finds
them, and all images of that person are moved by the same similarity: lids that close or a jaw that
drops would otherwise move the whole face.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import ImageError
from synfer_core.faces.align import EYE_LEFT_X, EYE_RIGHT_X, EYES_Y
from synfer_core.faces.landmarks import Face
from synfer_core.report import Pixels

Detect = Callable[[Pixels], Sequence[Face]]
Points = NDArray[np.float32]
Floats = NDArray[np.float64]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]
_CLOSEST = 2.0


@dataclass(frozen=True)
class Move:
    """How the images of one person are moved.

    Attributes:
        matrix: (2, 3) takes pixels to pixels of the aligned image of the same size.
        tilt: Degrees by which the line of the eyes was off level.
        shift: Pixels by which the point between the eyes was off.
    """

    matrix: Matrix
    tilt: float
    shift: float


def eyes_seen(neutral: Pixels, detect: Detect) -> Points:
    """Where the eyes of the largest face in an image (S, S, 3) are seen; see `find_move`.

    Args:
        neutral: The image.
        detect: Finds faces, such as ``Landmarker.detect``.

    Raises:
        ImageError: No face is found.
    """
    faces = detect(neutral)
    if not faces:
        raise _no_eyes()
    return faces[0].eyes


def _no_eyes() -> ImageError:
    return ImageError(
        "no eyes are found on the neutral image",
        field="treatment.align",
        allowed="none, or another person",
    )


def find_move(eyes: Points, size: int) -> Move:
    """How a person's images are moved.

    Args:
        eyes: (2, 2) x and y of each eye on the neutral image, in pixels from its edge, left in the
            image first.
        size: Pixels on a side of the images.

    Raises:
        ImageError: The eyes are not apart.
    """
    across = _between(eyes)
    if float(np.hypot(*across)) < _CLOSEST:
        raise _no_eyes()
    middle = eyes.astype(np.float64).mean(0)
    wanted = size * np.array([(EYE_LEFT_X + EYE_RIGHT_X) / 2, EYES_Y])
    tilt = float(np.degrees(np.arctan2(across[1], across[0])))
    shift = float(np.hypot(*(wanted - middle)))
    return Move(_matrix(across, middle, wanted, size), round(tilt, 3), round(shift, 3))


def _between(eyes: Points) -> Floats:
    """(2,) from the left eye in the image to the right one."""
    across: Floats = (eyes[1] - eyes[0]).astype(np.float64)
    return across


def _matrix(across: Floats, middle: Floats, wanted: Floats, size: int) -> Matrix:
    """The similarity that brings both eyes to their places, in numbers that a table keeps."""
    distance = float(np.hypot(*across))
    scale = size * (EYE_RIGHT_X - EYE_LEFT_X) / distance
    cos, sin = scale * across / distance
    turn = np.array([[cos, sin], [-sin, cos]])
    # Landmarks count from the edge of the first pixel, OpenCV from its centre.
    shift = wanted - turn @ middle + turn @ np.full(2, 0.5) - 0.5
    rows = np.column_stack([turn, shift]).round(6).tolist()
    return (tuple(rows[0]), tuple(rows[1]))


def aligned(image: Pixels, matrix: Matrix | None, size: int) -> Pixels:
    """An image (S, S, 3) moved and brought to (size, size, 3); edges repeat what lies at them."""
    if matrix is not None:
        image = cv2.warpAffine(
            image,
            np.array(matrix),
            (image.shape[1], image.shape[0]),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.uint8)
    if len(image) == size:
        return image
    way = cv2.INTER_AREA if size < len(image) else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=way).astype(np.uint8)
