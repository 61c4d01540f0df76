"""How near one picture of a face is to another of the same face, where it matters.

Regions come from the geometry: the mesh's 68 points projected into the picture. Where two pictures
are compared, a region holds what it is in either. Peak signal-to-noise ratio says how far pixels
are off, multi-scale structural similarity (Wang, Simoncelli and Bovik 2003,
https://doi.org/10.1109/ACSSC.2003.1292216) how well structure is kept. A distance in the features
of a network trained on photographs is in `photo_reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.decibels import psnr
from synfer_core.errors import RequestError

Pixels = NDArray[np.uint8]
Points = NDArray[np.float32]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

REGIONS = ("face", "mouth", "brows and eyes")

_BROWS, _EYES, _LIPS = slice(17, 27), slice(36, 48), slice(48, 60)
_NASION, _CHIN = 27, 8
_FOREHEAD = 0.3  # of the way from chin to nasion, by which the face reaches above the brows
_ROUND_LIPS = 0.2  # of the mouth's width, by which its region is wider than the lips
_ROUND_EYES = 0.12  # of the distance between the eyes

_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales; of small pictures the first ones, made to sum to 1."""
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def regions(landmarks: Points, size: int) -> dict[str, Mask]:
    """Where a face has its parts.

    Args:
        landmarks: The 68 Multi-PIE points (68, 2), pixels.
        size: Pixels on a side of the picture.

    Returns:
        By name of `REGIONS`, (size, size): the face from chin to forehead; the lips and what is
        around them; brows, eyes and what is between them.
    """
    up = (landmarks[_NASION] - landmarks[_CHIN]) * np.float32(_FOREHEAD)
    outline = np.concatenate([landmarks, landmarks[_BROWS] + up])
    lips = landmarks[_LIPS]
    eyes = landmarks[_EYES]
    between = float(np.linalg.norm(eyes[:6].mean(0) - eyes[6:].mean(0)))
    upper = np.concatenate([landmarks[_BROWS], eyes])
    return {
        "face": _hull(outline, size, 0),
        "mouth": _hull(lips, size, _ROUND_LIPS * float(np.ptp(lips[:, 0]))),
        "brows and eyes": _hull(upper, size, _ROUND_EYES * between),
    }


def either(one: Mapping[str, Mask], other: Mapping[str, Mask]) -> dict[str, Mask]:
    """The regions of two pictures together."""
    return {name: one[name] | other[name] for name in one}


def _hull(points: Points, size: int, margin: float) -> Mask:
    """Pixels inside the convex hull of points or within a margin of it."""
    filled = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    reach = round(margin)
    if reach > 0:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        filled = cv2.dilate(filled, disc).astype(np.uint8)
    return filled.astype(bool)


def ms_ssim(one: Pixels, other: Pixels) -> float:
    """Multi-scale structural similarity of two pictures, 0-1, the mean over the colours.

    As many of the five scales are used as hold the window of 11 pixels.

    Args:
        one, other: (S, S, 3) sRGB, 11 pixels or more on a side.

    Raises:
        RequestError: The pictures differ in size or are too small.
    """
    _check_alike(one, other)
    if min(one.shape[:2]) < _WINDOW:
        raise RequestError("is too small", field="one", allowed=f"{_WINDOW} pixels or more")
    a, b = one.astype(np.float64), other.astype(np.float64)
    scales = max(1, min(len(_SCALES), int(np.log2(min(one.shape[:2]) / _WINDOW)) + 1))
    weights = np.array(_SCALES[:scales]) / sum(_SCALES[:scales])
    result = np.ones(3)
    for number, weight in enumerate(weights):
        luminance, structure = _similarity(a, b)
        last = number == scales - 1
        level = structure * luminance if last else structure
        result *= level.mean((0, 1)).clip(0) ** weight
        a, b = _halved(a), _halved(b)
    return float(result.mean())


def _similarity(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Maps of luminance, and of contrast and structure, where the window lies inside."""
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    both = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return luminance, (2 * both + _C2) / (var_a + var_b + _C2)


def _blurred(values: Floats) -> Floats:
    edge = _WINDOW // 2
    blurred = cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)
    return np.asarray(blurred[edge : len(values) - edge, edge : values.shape[1] - edge])


def _halved(values: Floats) -> Floats:
    height, width = (length // 2 for length in values.shape[:2])
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA))


def _check_alike(one: Pixels, other: Pixels) -> None:
    if one.shape != other.shape:
        size = " x ".join(map(str, one.shape))
        raise RequestError("is of another size", field="other", allowed=size)


def warped(reference: Pixels, offset: Points) -> Pixels:
    """A reference moved by a flow (see `facekit.flow.Flow`): what lies there, nothing painted.

    Args:
        reference: (S, S, 3) sRGB.
        offset: (S, S, 2) pixels to add to x and y for the place in the reference.
    """
    rows, columns = np.mgrid[0 : len(offset), 0 : offset.shape[1]].astype(np.float32)
    places = columns + offset[..., 0], rows + offset[..., 1]
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(reference, *places, cv2.INTER_CUBIC, borderMode=edge), np.uint8)


Distance = Callable[[Pixels, Pixels, Points], float]
"""Of two pictures (S, S, 3), given the eyes (2, 2) in pixels."""


def measures(
    made: Pixels, exact: Pixels, where: Mapping[str, Mask], eyes: Points, distance: Distance
) -> dict[str, float]:
    """How near a picture is to the exact one.

    Args:
        made, exact: (S, S, 3) sRGB.
        where: Regions, see `regions`.
        eyes: (2, 2) eye centres in the exact picture, pixels.
        distance: In features of a network that took no part.

    Returns:
        Decibels by region, ``ms-ssim``, and ``photo features``, a distance.
    """
    return {
        **{name: psnr(made, exact, mask) for name, mask in where.items()},
        "ms-ssim": ms_ssim(made, exact),
        "photo features": distance(made, exact, eyes),
    }
