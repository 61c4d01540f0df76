"""How near decoded pictures are to exact renders: peak signal-to-noise ratio by region."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from types import MappingProxyType

from torch import Tensor

from synfer_core.decibels import of_error

REGIONS: Mapping[str, tuple[slice, slice]] = MappingProxyType(
    {
        "face": (slice(24, 120), slice(24, 104)),
        "mouth": (slice(76, 108), slice(40, 88)),
        "eyes": (slice(36, 68), slice(24, 104)),
    }
)
"""Rows and columns of aligned 128 px faces; ``eyes`` holds the brows too."""


def by_region(made: Tensor, exact: Tensor) -> dict[str, float]:
    """Mean decibels over pictures (B, 3, 128, 128) in -1 to 1, by region."""
    error = (made.clamp(-1, 1) - exact).square()
    return {name: _decibels(error[..., r, c]) for name, (r, c) in REGIONS.items()}


def _decibels(error: Tensor) -> float:
    """Mean over pictures of the decibels of squared errors (B, 3, h, w)."""
    return fmean(of_error(one, span=2.0) for one in error.mean((1, 2, 3)).tolist())


def explained(made: Tensor, exact: Tensor) -> float:
    """Share of the exact latents' energy that others explain."""
    return float(1 - (made - exact).square().sum() / exact.square().sum())
