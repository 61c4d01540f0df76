"""Motion: a picture warped by a flow.

Backward warping as in LivePortrait (Guo et al. 2024, https://arxiv.org/abs/2407.03168) and in
active appearance models (Cootes, Edwards and Taylor 2001, https://doi.org/10.1109/34.927467).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

UNIT = 128
"""Flows are in pixels of a picture of so many pixels on a side, whatever size is warped."""


def warp(reference: Tensor, flow: Tensor) -> Tensor:
    """The reference seen through a flow; differentiable in both.

    Args:
        reference: (B, C, S, S), any size.
        flow: (B, 2, s, s) offsets to x and y from the centre of each pixel to the place in the
            reference, in pixels of a 128 px picture; of any size, resized to the reference's.

    Returns:
        (B, C, S, S), sampled bicubically; beyond the border the border goes on.
    """
    size = reference.shape[-1]
    offsets = resized(flow, size).permute(0, 2, 3, 1) * (2 / UNIT)
    centres = (torch.arange(size, device=flow.device, dtype=flow.dtype) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    places = torch.stack([x, y], -1) + offsets
    return F.grid_sample(
        reference, places, mode="bicubic", padding_mode="border", align_corners=False
    )


_TORN, _WHOLE = 0.25, 0.6


def intact(flow: Tensor) -> Tensor:
    """How far a flow (B, 2, s, s) leaves the detail of what it moves alone (B, 1, s, s), 0 to 1.

    By the smaller singular value of the map's derivative: 1 where a pixel of the picture is a pixel
    of the reference, 0 where one pixel of the reference is drawn out over four or more.
    """
    step = UNIT / flow.shape[-1]
    across = _slope(flow, -1) / step
    down = _slope(flow, -2) / step
    a, b, c, d = 1 + across[:, 0], down[:, 0], across[:, 1], 1 + down[:, 1]
    half = torch.hypot(a - d, b + c), torch.hypot(a + d, b - c)
    smaller = ((half[1] - half[0]) / 2)[:, None]
    return ((smaller - _TORN) / (_WHOLE - _TORN)).clamp(0, 1)


def _slope(values: Tensor, axis: int) -> Tensor:
    """Central differences for one step of the grid, 0 at the border."""
    change = (values.roll(-1, axis) - values.roll(1, axis)) / 2
    change.select(axis, 0).zero_()
    change.select(axis, -1).zero_()
    return change


def resized(picture: Tensor, size: int) -> Tensor:
    """(B, C, s, s) at another size: means of blocks when it shrinks by a whole factor."""
    now = picture.shape[-1]
    if now == size:
        return picture
    if now % size == 0:
        return F.avg_pool2d(picture, now // size)
    return F.interpolate(picture, (size, size), mode="bicubic", align_corners=False)
