"""Eye-line alignment: the eyes of each person level, and at the same places in every image.

Where the eyes of the set's people lie too far apart or off the middle for that, images are enlarged
around the point between the eyes, all of the set alike, so that none shows what lies beyond its
edges.

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
from synfer_core.facekit.scene import FRAMINGS
from synfer_core.faces.align import EYE_LEFT_X, EYE_RIGHT_X, EYES_Y
from synfer_core.faces.landmarks import Face
from synfer_core.report import Pixels

Detect = Callable[[Pixels], Sequence[Face]]
Points = NDArray[np.float32]
Floats = NDArray[np.float64]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]
_CLOSEST = 2.0


@dataclass(frozen=True)
class Places:
    """Where the eyes lie in aligned images, as shares of the sides."""

    left_x: float
    right_x: float
    y: float

    @property
    def middle(self) -> Floats:
        """(2,) the point between them."""
        return np.array([(self.left_x + self.right_x) / 2, self.y])

    def enlarged(self, factor: float) -> Places:
        """The places once images are enlarged around the point between the eyes."""
        half = (self.right_x - self.left_x) / 2 * factor
        x = float(self.middle[0])
        return Places(x - half, x + half, self.y)


FACE = Places(EYE_LEFT_X, EYE_RIGHT_X, EYES_Y)
"""Those of a picture that holds the face, as networks know it."""


def places(framing: str | None) -> Places:
    """Where the eyes go in pictures of a framing, one of `facekit.scene.FRAMINGS`; None: a face."""
    face_y = FRAMINGS["face"][1]
    wider, middle_y = FRAMINGS[framing or "face"]
    shrunk = FACE.enlarged(1 / wider)
    return Places(shrunk.left_x, shrunk.right_x, middle_y - (face_y - FACE.y) / wider)


def enlargement(eyes: Points, size: int, wanted: Places = FACE) -> float:
    """How far the images of a person must be enlarged to cover the frame once they are moved.

    Args:
        eyes, size: As `find_move` takes them.
        wanted: Where the eyes are brought.

    Returns:
        1 or more.
    """
    across, middle = _between(eyes), eyes.astype(np.float64).mean(0)
    sides = np.array([[0, 0], [size, 0], [0, size], [size, size]]) - size * wanted.middle
    x, y = across / (size * (wanted.right_x - wanted.left_x))
    reach = sides @ np.array([[x, y], [-y, x]])  # from the middle, in pixels of the image
    room = np.where(reach > 0, size - middle, middle).clip(_CLOSEST)
    return max(1.0, float((np.abs(reach) / room).max()))


@dataclass(frozen=True)
class Move:
    """How the images of one person are moved.

    Attributes:
        matrix: (2, 3) takes pixels to pixels of the aligned image of the same size.
        tilt: Degrees by which the line of the eyes was off level.
        shift: Pixels by which the point between the eyes was off.
        places: Where the eyes were brought.
    """

    matrix: Matrix
    tilt: float
    shift: float
    places: Places = FACE


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


def find_move(eyes: Points, size: int, places: Places = FACE) -> Move:
    """How a person's images are moved.

    Args:
        eyes: (2, 2) x and y of each eye on the neutral image, in pixels from its edge, left in the
            image first.
        size: Pixels on a side of the images.
        places: Where the eyes are brought.

    Raises:
        ImageError: The eyes are not apart.
    """
    across = _between(eyes)
    if float(np.hypot(*across)) < _CLOSEST:
        raise _no_eyes()
    middle = eyes.astype(np.float64).mean(0)
    wanted = size * places.middle
    tilt = float(np.degrees(np.arctan2(across[1], across[0])))
    shift = float(np.hypot(*(wanted - middle)))
    scale = size * (places.right_x - places.left_x) / float(np.hypot(*across))
    matrix = _matrix(across, middle, wanted, scale)
    return Move(matrix, round(tilt, 3), round(shift, 3), places)


def _between(eyes: Points) -> Floats:
    """(2,) from the left eye in the image to the right one."""
    across: Floats = (eyes[1] - eyes[0]).astype(np.float64)
    return across


def _matrix(across: Floats, middle: Floats, wanted: Floats, scale: float) -> Matrix:
    """The similarity that brings both eyes to their places, in numbers that a table keeps."""
    cos, sin = scale * across / float(np.hypot(*across))
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
