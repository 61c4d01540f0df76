"""Outlines that a face is seen through: the oval of the face, and the head without its neck."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.float32]
"""(S, S) in 0-1: how much of the face is seen at each pixel."""

Outline = Sequence[tuple[float, float]]
"""Corners (x, y) of a polygon, as shares of the frame."""

# Shares of the frame, in the crop of the renders: from the forehead to below the chin of an open
# mouth, brows and cheeks inside, and narrower at the jaw.
_MIDDLE_X, _MIDDLE_Y = 0.5, 0.5
_HALF_WIDTH, _UP, _DOWN = 0.335, 0.41, 0.45
_TAPER = 0.10
_JAW = (0.55, 0.47, 0.40)
_SAMPLES = 4


@lru_cache(maxsize=8)
def oval(size: int) -> Alpha:
    """The face without hair, ears and neck; the same outline in every image."""
    x, y = _grid(size)
    down = (y - _MIDDLE_Y) / np.where(y < _MIDDLE_Y, _UP, _DOWN)
    half = _HALF_WIDTH * (1 - _TAPER * np.clip(down, 0, None))
    return _smaller(((x - _MIDDLE_X) / half) ** 2 + down**2 <= 1)


@lru_cache(maxsize=8)
def head(size: int) -> Alpha:
    """All above the middle of the face, and below it what lies inside a wide jaw."""
    x, y = _grid(size)
    middle, half_width, half_height = _JAW
    outside = ((x - 0.5) / half_width) ** 2 + ((y - middle) / half_height) ** 2 > 1
    return _smaller(~((y > middle) & outside))


def inside_of(outline: Outline, size: int) -> Alpha:
    """What lies inside a polygon."""
    full = np.zeros((size * _SAMPLES, size * _SAMPLES), np.uint8)
    corners = np.rint(np.array(outline) * size * _SAMPLES - 0.5).astype(np.int32)
    cv2.fillPoly(full, [corners], (1,))
    return _smaller(full.astype(bool))


def whole(alpha: Alpha) -> NDArray[np.bool_]:
    """(S, S) pixels that show nothing but the face."""
    found: NDArray[np.bool_] = alpha >= 1.0
    return found


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    steps = (np.arange(size * _SAMPLES) + 0.5) / (size * _SAMPLES)
    x, y = np.meshgrid(steps, steps)
    return x, y


def _smaller(full: NDArray[np.bool_]) -> Alpha:
    """Samples averaged to pixels, so that outlines are smooth."""
    size = len(full) // _SAMPLES
    cells = full.reshape(size, _SAMPLES, size, _SAMPLES)
    out: Alpha = cells.mean((1, 3), dtype=np.float32)
    return out
