"""A photo brought to the built-in model's crop: eyes level, the face filling the frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import DependencyError, ImageError, WeightsError
from synfer_core.faces.landmarks import Face, explain, shared_landmarker

READ_SIZE = 128
"""Pixels on a side at which faces are read: what the readers, judges and gauges learned from."""

# Where renders of the calm distribution have them, as shares of the frame: means over 2,000
# renders of 1,000 people by `synfer_core.faces.fit` (standard deviations: 0.009, eyes' height
# 0.007, mouth's height 0.028, which is the open jaws).
EYES_Y = 0.379
EYE_LEFT_X = 0.342
EYE_RIGHT_X = 0.659
MOUTH_Y = 0.723

MUCH_OUTSIDE = 0.1
OUTSIDE_NOTE = "The built-in model knows renders only: a photo lies outside what it was trained on."

NOT_ALIGNED = (
    "Not aligned: the middle of the picture was read, and that reading holds only where a face "
    "fills it. Faces made here need no aligning and are read as ever."
)
PATIENCE = 6.0
"""Seconds a photo waits for MediaPipe to be loaded or its model fetched, the first time."""

_EYE_DISTANCE = EYE_RIGHT_X - EYE_LEFT_X
_MOUTH_DROP = MOUTH_Y - EYES_Y
_CENTRE = np.array([(EYE_LEFT_X + EYE_RIGHT_X) / 2, EYES_Y])


@dataclass(frozen=True)
class Aligned:
    """A face in the model's crop.

    Attributes:
        image: (size, size, 3) uint8.
        matrix: (2, 3) float64; takes pixels of the photo to pixels of the crop.
        outside: Share of the crop that lies beyond the photo's edge and repeats it.
    """

    image: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    outside: float


def align(image: NDArray[np.uint8], face: Face, size: int) -> Aligned:
    """Rotate, scale and shift an image (H, W, 3) so that the face sits as in the renders.

    Rotation levels the eyes; the scale is the geometric mean of those that the eyes' distance and
    the drop to the mouth ask for, so that a turned head or an open jaw shifts it by half.

    Raises:
        ImageError: The eyes or the mouth fall on one point.
    """
    matrix = _similarity(face, size)
    scale = float(np.hypot(*matrix[:, 0]))
    shrunk, ready = _shrunk(image, matrix, scale)
    crop = cv2.warpAffine(
        shrunk, ready, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return Aligned(crop.astype(np.uint8), matrix, _outside(image, matrix, size))


def prepare(image: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """An image (H, W, 3) as the built-in model's readers take it, and what to know about it.

    An image of the model's own size is taken to have its crop. Any other is a photo: its largest
    face is aligned, or, where MediaPipe is absent, its middle is cut out.

    Returns:
        (size, size, 3) uint8, and notes in plain words.

    Raises:
        ImageError: No face is found.
    """
    if image.shape[:2] == (size, size):
        return image, ()
    face, notes = crop(image, size)
    return face, (OUTSIDE_NOTE, *notes)


_NEAR = 0.04
"""Shift of a corner, as a share of the frame, within which a face has the crop already."""


def framed(image: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The same to be edited: an image of that size whose face has the crop stays as it is.

    Raises:
        ImageError: No face is found.
    """
    if image.shape[:2] != (size, size):
        return prepare(image, size)
    try:
        faces = shared_landmarker(PATIENCE).detect(image)
    except (DependencyError, WeightsError):
        return image, ()
    if faces and _moved(_similarity(faces[0], size), size) < _NEAR:
        return image, ()
    face, notes = crop(image, size)
    return face, (OUTSIDE_NOTE, *notes)


def _moved(matrix: NDArray[np.float64], size: int) -> float:
    """How far a matrix (2, 3) moves the corners of a frame at most, as a share of its side."""
    corners = np.array([[x, y, 1.0] for x in (0, size) for y in (0, size)])
    return float(np.abs(corners @ matrix.T - corners[:, :2]).max()) / size


def crop(image: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The largest face of a photo (H, W, 3) in the model's crop, and what to know about it.

    Where MediaPipe is absent, the photo's middle is cut out.

    Returns:
        (size, size, 3) uint8, and notes in plain words.

    Raises:
        ImageError: No face is found.
    """
    try:
        landmarker = shared_landmarker(PATIENCE)
    except (DependencyError, WeightsError) as error:
        return middle(image, size), (" ".join((NOT_ALIGNED, *explain(error))),)
    faces = landmarker.detect(image)
    if not faces:
        raise ImageError("shows no face", field="image", allowed="a photo of a face from the front")
    aligned = align(image, faces[0], size)
    return aligned.image, tuple(_remarks(aligned, len(faces)))


def _remarks(aligned: Aligned, faces: int) -> Iterator[str]:
    if faces > 1:
        yield f"{faces} faces were found; the largest was read."
    if aligned.outside > MUCH_OUTSIDE:
        yield f"The face is at the photo's edge: {aligned.outside:.0%} of the crop is made up."


def middle(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle square of an image (H, W, 3), resized to (size, size, 3)."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    square = image[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(square, (size, size), interpolation=way).astype(np.uint8)


def _similarity(face: Face, size: int) -> NDArray[np.float64]:
    left, right = face.eyes.astype(np.float64)
    across = right - left
    middle = (left + right) / 2
    distance = float(np.hypot(*across))
    drop = float(np.hypot(*(face.mouth - middle)))
    if min(distance, drop) < 1.0:
        raise ImageError("shows a face too small to read", field="image", allowed="a larger face")
    scale = size * np.sqrt(_EYE_DISTANCE * _MOUTH_DROP / (distance * drop))
    cos, sin = scale * across / distance
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = size * _CENTRE - turn @ middle
    # Landmarks count from the edge of the first pixel, OpenCV from its centre.
    return np.column_stack([turn, shift + turn @ np.full(2, 0.5) - 0.5])


def _shrunk(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The image averaged down to about the crop's resolution, so that warping does not alias."""
    if scale >= 1:
        return image, matrix
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    back = np.diag([image.shape[1] / width, image.shape[0] / height])
    offset = back @ np.full(2, 0.5) - 0.5
    return smaller, np.column_stack([matrix[:, :2] @ back, matrix[:, :2] @ offset + matrix[:, 2]])


def _outside(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> float:
    ones = np.ones(image.shape[:2], np.uint8)
    inside = cv2.warpAffine(ones, matrix, (size, size), flags=cv2.INTER_NEAREST)
    return 1.0 - float(inside.mean())
