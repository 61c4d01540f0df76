"""How much neighbouring frames differ, and moments at which they differ evenly.

The difference of two pictures is the mean over their pixels of the CIE 1976 colour difference
(ISO/CIE 11664-4): the distance in L*a*b*, where about 1 is just noticeable on a plain surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synfer_core.report import Pixels

Floats = NDArray[np.float64]


_SRGB = np.arange(256) / 255
_LIGHT = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4)
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]])


def to_lab(image: Pixels) -> Floats:
    """L*a*b* (S, S, 3) of an sRGB picture (S, S, 3), IEC 61966-2-1, white at (1, 1, 1).

    OpenCV's own conversion interpolates in a table and is off by more than neighbouring frames
    differ.
    """
    share = (_LIGHT[image] @ _XYZ.T) / _XYZ.sum(axis=1)
    root = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / 3 / (6 / 29) ** 2 + 4 / 29)
    return np.asarray(root @ _LAB.T - [16, 0, 0], np.float64)


def difference(first: Pixels, second: Pixels) -> float:
    """Mean colour difference of two pictures (S, S, 3); 0 for equal ones."""
    return round(float(np.linalg.norm(to_lab(first) - to_lab(second), axis=-1).mean()), 4)


@dataclass(frozen=True)
class Evenness:
    """The differences of a continuum.

    Attributes:
        differences: Of each frame from the second on to the one before it.
        moving: Whether the recipes of the two differ; the others count as rest, not as even.
    """

    differences: tuple[float, ...]
    moving: tuple[bool, ...]

    @classmethod
    def of(cls, images: Sequence[Pixels], recipes: Sequence[object]) -> Self:
        """Measure pictures, in their order, and the recipes that made them."""
        neighbours = range(1, len(images))
        return cls(
            tuple(difference(images[i - 1], images[i]) for i in neighbours),
            tuple(recipes[i - 1] != recipes[i] for i in neighbours),
        )

    @property
    def largest(self) -> float:
        """The largest jump."""
        return max(self.differences)

    @property
    def place(self) -> int:
        """The frame, counted from 0, that the largest jump leads to."""
        return 1 + self.differences.index(self.largest)

    @property
    def mean(self) -> float:
        """The mean difference where something moves; 0 where nothing does."""
        moved = [d for d, moves in zip(self.differences, self.moving, strict=True) if moves]
        return float(np.mean(moved)) if moved else 0.0

    @property
    def ratio(self) -> float:
        """The largest jump as a multiple of the mean; 1 is perfectly even, or nothing moves."""
        return self.largest / self.mean if self.mean else 1.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "measure": "mean CIE 1976 colour difference",
            "largest": self.largest,
            "largest_at_frame": self.place,
            "mean": round(self.mean, 4),
            "ratio": round(self.ratio, 4),
            "differences": list(self.differences),
        }


def spread(moments: Floats, differences: Sequence[float]) -> Floats:
    """As many moments at which neighbours should differ evenly.

    The differences are taken as the lengths of a path that is walked at even speed between two
    moments.

    Args:
        moments: (N,) increasing; first and last stay.
        differences: N - 1 differences of neighbours at these moments.
    """
    walked = np.concatenate([[0.0], np.cumsum(differences)])
    if not walked[-1]:
        return moments
    # Where the path stands still, any moment would do: a hair's breadth keeps them in order.
    walked += np.linspace(0, 1e-9, len(walked))
    found = np.interp(np.linspace(0, walked[-1], len(moments)), walked, moments)
    return np.asarray(found.round(6), np.float64)
