"""How near decoded pictures are to exact renders: peak signal-to-noise ratio by region."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

REGIONS: Mapping[str, tuple[slice, slice]] = MappingProxyType(
    {
        "face": (slice(24, 120), slice(24, 104)),
        "mouth": (slice(76, 108), slice(40, 88)),
        "eyes": (slice(36, 68), slice(24, 104)),
    }
)
"""Rows and columns of aligned 128 px faces; ``eyes`` holds the brows too."""


def psnr(made: Tensor, exact: Tensor) -> dict[str, float]:
    """Mean decibels over pictures (B, 3, 128, 128) in -1 to 1, by region."""
    error = (made.clamp(-1, 1) - exact).square()
    return {
        name: float((10 * torch.log10(4 / _mean(error[..., r, c]))).mean())
        for name, (r, c) in REGIONS.items()
    }


def _mean(error: Tensor) -> Tensor:
    """Of each picture, at least that of a quarter of a grey level."""
    return error.mean((1, 2, 3)).clamp_min((0.25 / 127.5) ** 2)


def explained(made: Tensor, exact: Tensor) -> float:
    """Share of the exact latents' energy that others explain."""
    return float(1 - (made - exact).square().sum() / exact.square().sum())
