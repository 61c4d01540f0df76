"""The quality gate: one sharp, large enough face from about the front, or a reason why not.

Poses are MediaPipe's (`faces.landmarks.HeadPose`); sharpness is the share of a face's contrast that
lies in its finest detail (variance of the Laplacian, Pech-Pacheco et al. 2000,
https://doi.org/10.1109/ICPR.2000.903548, divided by the variance of the grey levels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RejectedError, RequestError
from synfer_core.faces.align import READ_SIZE, Aligned, align
from synfer_core.faces.landmarks import Face

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "label": "its label is none of the eight expressions",
        "unreadable": "the file is missing, damaged or not an image",
        "blank": "the picture shows nothing",
        "no_face": "no face is found",
        "several_faces": "several faces are about as large",
        "small_face": "the face has too few pixels",
        "cut_face": "the face is cut off by the picture's edge",
        "pose": "the head is turned away",
        "blurred": "the face is blurred",
        "no_aus": "the file of action units has no row for it",
        "failed": "a model gave no usable answer",
    }
)
"""Why an image is left out."""


@dataclass(frozen=True)
class Gate:
    """The thresholds.

    Attributes:
        min_contrast: Standard deviation of grey levels (0-255) below which a picture is blank.
        min_face: Pixels of the photo on a side of the aligned crop.
        max_bystander: Area of the second largest face as a share of the largest, 0 to 1.
        max_cut: Share of the face's 478 landmarks beyond the picture's edge, 0 to 1.
        max_yaw, max_pitch, max_roll: Degrees either way.
        min_sharpness: See the module; 0 lets everything pass.
    """

    min_contrast: float = 4.0
    min_face: float = 48.0
    max_bystander: float = 0.25
    max_cut: float = 0.05
    max_yaw: float = 45.0
    max_pitch: float = 35.0
    max_roll: float = 45.0
    min_sharpness: float = 0.005

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _ALLOWED[field.name]
            if not low <= getattr(self, field.name) <= high:
                raise RequestError(
                    "is out of range", field=f"gate.{field.name}", allowed=f"{low:g} to {high:g}"
                )

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)


_ALLOWED = {
    "min_contrast": (0, 127),
    "min_face": (16, 4096),
    "max_bystander": (0, 1),
    "max_cut": (0, 1),
    "max_yaw": (0, 90),
    "max_pitch": (0, 90),
    "max_roll": (0, 180),
    "min_sharpness": (0, 20),
}


@dataclass(frozen=True)
class Seen:
    """A face that passed, and what was measured on the way.

    Attributes:
        face: Its landmarks.
        crop: (128, 128, 3) uint8, aligned as the built-in readers take it.
        side: Pixels of the photo on a side of the crop.
        faces: Number of faces found.
        outside: Share of the crop beyond the picture's edge.
        sharpness: See the module.
    """

    face: Face
    crop: NDArray[np.uint8]
    side: float
    faces: int
    outside: float
    sharpness: float


def check_picture(image: NDArray[np.uint8], gate: Gate) -> None:
    """Refuse a blank picture (H, W, 3) before a face is looked for.

    Raises:
        RejectedError: With the reason ``blank``.
    """
    contrast = float(_grey(image).std())
    if contrast < gate.min_contrast:
        raise _rejected("blank", f"grey levels deviate by {contrast:.1f}", gate, "min_contrast")


def inspect(image: NDArray[np.uint8], faces: Sequence[Face], gate: Gate) -> Seen:
    """Measure the faces found in an image (H, W, 3), the largest first, and judge the largest.

    Raises:
        RejectedError: With one of `REASONS`; what weighs most comes first.
    """
    if not faces:
        raise RejectedError("shows no face", reason="no_face")
    face = faces[0]
    share = faces[1].area / face.area if len(faces) > 1 else 0.0
    if share > gate.max_bystander:
        said = f"{len(faces)} faces, the second {share:.0%} as large as the first"
        raise _rejected("several_faces", said, gate, "max_bystander")
    small = align(image, face, READ_SIZE)
    side = READ_SIZE / float(np.hypot(*small.matrix[:, 0]))
    if side < gate.min_face:
        raise _rejected("small_face", f"the face is {side:.0f} pixels wide", gate, "min_face")
    cut = _share_outside(face, *image.shape[:2])
    if cut > gate.max_cut:
        said = f"{cut:.0%} of the face's landmarks are outside"
        raise _rejected("cut_face", said, gate, "max_cut")
    _check_pose(face, gate)
    sharp = sharpness(_at_most_own_size(image, face, small, side))
    if sharp < gate.min_sharpness:
        raise _rejected("blurred", f"sharpness is {sharp:.4f}", gate, "min_sharpness")
    return Seen(face, small.image, side, len(faces), small.outside, sharp)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Of an image (S, S, 3): variance of its Laplacian over the variance of its grey levels."""
    grey = _grey(crop)
    spread = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_64F).var()) / spread if spread > 0 else 0.0


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)


def _share_outside(face: Face, height: int, width: int) -> float:
    """MediaPipe guesses where landmarks lie that the picture does not show."""
    x, y = face.points.T
    return float(((x < 0) | (y < 0) | (x >= width) | (y >= height)).mean())


def _at_most_own_size(
    image: NDArray[np.uint8], face: Face, small: Aligned, side: float
) -> NDArray[np.uint8]:
    """The crop without enlargement, which would count as blur."""
    return small.image if side >= READ_SIZE else align(image, face, int(side)).image


def _check_pose(face: Face, gate: Gate) -> None:
    if face.pose is None:
        raise RejectedError("has no pose", reason="failed")
    for name, angle in face.pose._asdict().items():
        if abs(angle) > getattr(gate, f"max_{name}"):
            raise _rejected("pose", f"{name} is {angle:.0f} degrees", gate, f"max_{name}")


def _rejected(reason: str, said: str, gate: Gate, rule: str) -> RejectedError:
    allowed = f"{rule} {getattr(gate, rule):g}"
    return RejectedError(said, reason=reason, allowed=allowed)


def describe(gate: Gate) -> dict[str, Any]:
    """Each reason that a threshold decides, with its rule in words."""
    return {
        "blank": f"grey levels deviate by less than {gate.min_contrast:g}",
        "several_faces": f"the second face has more than {gate.max_bystander:.0%} of the area of "
        "the largest",
        "small_face": f"the aligned crop is less than {gate.min_face:g} pixels wide in the photo",
        "cut_face": f"more than {gate.max_cut:.0%} of the face's landmarks lie outside the picture",
        "pose": f"yaw beyond {gate.max_yaw:g}, pitch beyond {gate.max_pitch:g} or roll beyond "
        f"{gate.max_roll:g} degrees",
        "blurred": f"sharpness below {gate.min_sharpness:g}",
    }
