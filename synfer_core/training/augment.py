"""What a reader must not be fooled by: small moves, other light, and a generator's faults.

Geometry and colour change on every image; blur and lost resolution each take a part of the batch,
whose order is random already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from synfer_core.facs import EXPRESSIONS, MIRRORED_SLOTS

_CONTEMPT = EXPRESSIONS.index("contempt")


@dataclass(frozen=True)
class Augmentation:
    """Largest changes; uniform in between.

    Attributes:
        degrees: Rotation either way.
        shift: Move either way, as a share of the side.
        zoom: Scale either way, as a share.
        colour: Gain of each channel and brightness either way, on -1 to 1 images.
        noise: Standard deviation of pixel noise, on -1 to 1 images.
        blur: Standard deviation of the blur in pixels of a 128 px image.
        shrink: Factor of the detour over fewer pixels.
        degraded: Share of a batch that is blurred, and the same that loses resolution.
    """

    degrees: float = 8.0
    shift: float = 0.05
    zoom: float = 0.08
    colour: float = 0.15
    noise: float = 0.1
    blur: float = 1.5
    shrink: float = 2.0
    degraded: float = 0.2


def mirror(
    images: Tensor, aus: Tensor, expressions: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Flip half of a batch left to right, AU sides with it; contempt keeps its side.

    Args:
        images: (B, 3, S, S).
        aus: (B, 36), `facs.AU_SLOTS` order.
        expressions: (B,) indices into `facs.EXPRESSIONS`.
    """
    flip = torch.rand(len(images), generator=generator) < 0.5
    flip = flip.to(images.device) & (expressions != _CONTEMPT)
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    return images, torch.where(flip[:, None], aus[:, MIRRORED_SLOTS], aus)


def augment(images: Tensor, generator: torch.Generator, amounts: Augmentation) -> Tensor:
    """Changed copies of images (B, 3, S, S) in -1 to 1."""
    count = len(images)
    degraded = round(count * amounts.degraded)
    images = _recolour(_move(images, generator, amounts), generator, amounts)
    if degraded:
        ends = (count - 2 * degraded, count - degraded)
        clear, blurred, shrunk = images.tensor_split(ends)
        scale = images.shape[-1] / 128
        blurred = blur(blurred, scale * amounts.blur * _one(generator) + 0.1)
        images = torch.cat(
            [clear, blurred, _shrink(shrunk, 1 + (amounts.shrink - 1) * _one(generator))]
        )
    strength = amounts.noise * _uniform(generator, count, 1, 1, 1).clamp(min=0)
    noise = strength * torch.randn(images.shape, generator=generator)
    return (images + noise.to(images.device)).clamp(-1, 1)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator) * 2 - 1


def _one(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _move(images: Tensor, generator: torch.Generator, amounts: Augmentation) -> Tensor:
    count = len(images)
    angle = _uniform(generator, count) * math.radians(amounts.degrees)
    scale = 1 + _uniform(generator, count) * amounts.zoom
    shift = _uniform(generator, 2, count) * 2 * amounts.shift
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], 1).view(-1, 2, 3)
    grid = F.affine_grid(rows.to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _recolour(images: Tensor, generator: torch.Generator, amounts: Augmentation) -> Tensor:
    count = len(images)
    gain = 1 + amounts.colour * _uniform(generator, count, 1, 1, 1)
    tint = 0.4 * amounts.colour * _uniform(generator, count, 3, 1, 1)
    shift = tint + amounts.colour * _uniform(generator, count, 1, 1, 1)
    return images * gain.to(images.device) + shift.to(images.device)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, C, S, S); `sigma` in pixels."""
    radius = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    padded = F.pad(images, (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(padded, kernel[:, :, None, :], groups=images.shape[1])
    return F.conv2d(across, kernel[:, :, :, None], groups=images.shape[1])


def _shrink(images: Tensor, factor: float) -> Tensor:
    size = images.shape[-2:]
    small = [max(8, round(side / factor)) for side in size]
    fewer = F.interpolate(images, small, mode="bilinear", antialias=True)
    return F.interpolate(fewer, size, mode="bilinear")
