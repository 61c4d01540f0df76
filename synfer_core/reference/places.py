"""Places of an aligned face, and the windows of pixels around them.

A picture is cut into overlapping windows, one for each place, whose weights add up to one at every
pixel (a lapped transform with the analysis window equal to the synthesis window, Princen and
Bradley 1986, https://doi.org/10.1109/TASSP.1986.1164954), so that what is decoded place by place
has no seams. Left and right are tied: a picture is read as two half faces, its left half and the
left half of its mirror image, and everything learned is learned for such a half. Mirroring a
picture then is exchanging its two halves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Grid:
    """How pictures are cut.

    Attributes:
        size: Pixels on a side of the pictures that are cut.
        cell: Pixels on a side of a place.
        margin: Pixels by which a window reaches beyond its place.
    """

    size: int
    cell: int
    margin: int

    @property
    def rows(self) -> int:
        """Places on a side of the picture."""
        return self.size // self.cell

    @property
    def columns(self) -> int:
        """Columns of places in a half face."""
        return self.rows // 2

    @property
    def window(self) -> int:
        """Pixels on a side of a window."""
        return self.cell + 2 * self.margin


def mirrored(picture: Tensor, *, flow: bool = False) -> Tensor:
    """The mirror image of (..., C, S, S); of a flow, offsets to the side turn around as well."""
    flipped = picture.flip(-1)
    if not flow:
        return flipped
    return flipped * picture.new_tensor([-1.0, 1.0])[:, None, None]


def halves(picture: Tensor, *, flow: bool = False) -> Tensor:
    """(B, C, S, S) as (2, B, C, S, S): as it is, and mirrored; the left halves count."""
    return torch.stack([picture, mirrored(picture, flow=flow)])


def cut(grid: Grid, picture: Tensor, *, flow: bool = False) -> Tensor:
    """The windows of both half faces.

    Args:
        grid: How to cut.
        picture: (B, C, S, S).
        flow: Whether it is a flow (B, 2, S, S).

    Returns:
        (places, 2 B, C * window * window), places row by row; first all left halves, then all
        mirrored right ones.
    """
    both = halves(picture, flow=flow).flatten(0, 1)
    half = both[..., : both.shape[-1] // 2 + grid.margin]
    margin = grid.margin
    padded = F.pad(half, (margin, 0, margin, margin))
    windows = F.unfold(padded, grid.window, stride=grid.cell)
    return windows.permute(2, 0, 1)


def lay(grid: Grid, windows: Tensor, channels: int, *, flow: bool = False) -> Tensor:
    """Windows (places, 2 B, C * window * window) added up to pictures (B, C, S, S)."""
    margin, size = grid.margin, grid.size
    canvas = (size + 2 * margin, size // 2 + 2 * margin)
    half = F.fold(windows.permute(1, 2, 0), canvas, grid.window, stride=grid.cell)
    half = half[..., margin : margin + size, margin:]
    left, right = F.pad(half, (0, size // 2 - margin)).view(2, -1, channels, size, size)
    whole: Tensor = left + mirrored(right, flow=flow)
    return whole


def weights(grid: Grid) -> Tensor:
    """Square roots (places, window * window) of weights that add up to one at every pixel."""
    position = torch.arange(grid.window) + 0.5
    ramp = torch.minimum(position, grid.window - position) / max(2 * grid.margin, 1)
    one = torch.outer(ramp.clamp(0, 1), ramp.clamp(0, 1)).flatten()
    flat = one.expand(grid.rows * grid.columns, 2, -1)
    total = lay(grid, flat, 1).clamp_min(1e-6)
    inside = cut(grid, torch.ones_like(total))[:, 0]
    share: Tensor = one * inside / cut(grid, total)[:, 0].clamp_min(1e-6)
    return share.sqrt()


def on_grid(grid: Grid, at: tuple[int, ...], values: Tensor) -> Tensor:
    """Values of places (..., 2, places) where they lie in the picture (..., rows, rows).

    Args:
        grid: How pictures are cut.
        at: Which places of a half face the values are of; elsewhere it is 0.
        values: Of both halves.
    """
    every = values.new_zeros(*values.shape[:-1], grid.rows * grid.columns)
    every[..., list(at)] = values
    left, right = every.unflatten(-1, (grid.rows, grid.columns)).unbind(-3)
    return torch.cat([left, right.flip(-1)], -1)
