"""How far pixels are off: peak signal-to-noise ratio, in decibels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError

Pixels = NDArray[np.uint8]

MOST = 100.0
"""Decibels of equal pictures."""
SPAN = 255.0
"""From the least to the largest value of a picture of bytes."""


def of_error(error: float, span: float = SPAN) -> float:
    """Decibels of a mean squared error, at most `MOST`.

    Args:
        error: In squares of the pixels' unit.
        span: From the least to the largest value that pixels may have.
    """
    least = span**2 * 10 ** (-MOST / 10)
    return min(MOST, 10 * float(np.log10(span**2 / max(error, least))))


def psnr(one: Pixels, other: Pixels, where: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB, at most `MOST`.

    Args:
        one, other: Images of bytes of one shape.
        where: Which pixels count; None for all.

    Raises:
        RequestError: The pictures differ in size, or no pixel counts.
    """
    if one.shape != other.shape:
        size = " x ".join(map(str, one.shape))
        raise RequestError("is of another size", field="other", allowed=size)
    if where is not None and not where.any():
        raise RequestError("holds no pixel", field="where", allowed="one pixel or more")
    error = (one.astype(np.float64) - other) ** 2
    return of_error(float(error.mean() if where is None else error[where].mean()))
