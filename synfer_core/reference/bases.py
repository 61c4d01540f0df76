"""Principal components of a place's own windows (Turk and Pentland 1991,
https://doi.org/10.1162/jocn.1991.3.1.71, in every place by itself).

Components are learned for half faces, see `places`. How many a place gets follows from how much of
the variance its components hold: one threshold for all places shares them out (reverse
water-filling, Cover and Thomas, Elements of Information Theory, section 10.3.3).
"""

from __future__ import annotations

import torch
from scipy.linalg import eigh
from torch import Tensor, nn

from synfer_core.reference import places
from synfer_core.reference.places import Grid


class Moments:
    """Second moments of windows, added up batch by batch.

    Args:
        grid: How pictures are cut.
        channels: Of the pictures.
        flow: Whether they are flows.
        centred: Whether to take the mean off.
    """

    def __init__(self, grid: Grid, channels: int, *, flow: bool = False, centred: bool = False):
        self.grid, self.channels, self.flow, self.centred = grid, channels, flow, centred
        count, width = grid.rows * grid.columns, channels * grid.window**2
        self._sum = torch.zeros(count, width)
        self._square = torch.zeros(count, width, width)
        self._rows = 0

    @torch.no_grad()
    def add(self, pictures: Tensor) -> None:
        """Count (B, C, S, S) in, mirrored as well."""
        windows = _weighted(self.grid, places.cut(self.grid, pictures, flow=self.flow))
        self._sum += windows.sum(1)
        self._square.baddbmm_(windows.transpose(1, 2), windows)
        self._rows += windows.shape[1]

    @torch.no_grad()
    def components(self, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """Components by falling variance.

        Returns:
            Mean (places, d), components (places, d, most), their variances (places, most).
        """
        mean = self._sum / self._rows if self.centred else torch.zeros_like(self._sum)
        found = []
        for square, middle in zip(self._square, mean, strict=True):
            spread = square / self._rows - torch.outer(middle, middle)
            found.append(_largest(spread, most))
        vectors, values = (torch.stack(part) for part in zip(*found, strict=True))
        return mean, vectors, values


class Basis(nn.Module):
    """Pictures as numbers at places, and back.

    Args:
        grid: How pictures are cut.
        channels: Of the pictures.
        at: Which places of a half face are coded, by index row by row.
        numbers: How many numbers a place has.
        flow: Whether pictures are flows.
    """

    mean: Tensor
    components: Tensor

    def __init__(
        self, grid: Grid, channels: int, at: tuple[int, ...], numbers: int, *, flow: bool = False
    ):
        super().__init__()
        self.grid, self.channels, self.at, self.flow = grid, channels, at, flow
        width = channels * grid.window**2
        self.register_buffer("mean", torch.zeros(len(at), 1, width))
        self.register_buffer("components", torch.zeros(len(at), width, numbers))
        self._weight = places.weights(grid)[list(at)].repeat(1, channels)[:, None]

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures (B, C, S, S) as numbers (B, 2, places, numbers)."""
        windows = places.cut(self.grid, pictures, flow=self.flow)[list(self.at)]
        weighted = self.components * self._weight.transpose(1, 2)
        return from_rows(torch.baddbmm(-self.mean @ self.components, windows, weighted))

    def decode(self, numbers: Tensor) -> Tensor:
        """Numbers (B, 2, places, numbers) as pictures (B, C, S, S), zero where no place is."""
        rows = to_rows(numbers)
        here = torch.baddbmm(self.mean, rows, self.components.transpose(1, 2)) * self._weight
        everywhere = here.new_zeros(self.grid.rows * self.grid.columns, *here.shape[1:])
        everywhere = everywhere.index_copy(0, torch.tensor(self.at), here)
        return places.lay(self.grid, everywhere, self.channels, flow=self.flow)


def to_rows(numbers: Tensor) -> Tensor:
    """(B, 2, places, n) as (places, 2 B, n), the layout of products at places."""
    return numbers.permute(2, 1, 0, 3).flatten(1, 2)


def from_rows(rows: Tensor) -> Tensor:
    """(places, 2 B, n) as (B, 2, places, n)."""
    halves: Tensor = rows.unflatten(1, (2, -1))
    return halves.permute(2, 1, 0, 3)


def shared_out(variances: Tensor, total: int, most: int) -> Tensor:
    """Which components to keep (places, most): those of the largest variances, `total` in all."""
    held = variances[:, :most]
    threshold = held.flatten().sort(descending=True).values[min(total, held.numel()) - 1]
    return held >= threshold


def _largest(spread: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Eigenvectors (d, most) and values (most,) of a symmetric matrix, largest first."""
    width = len(spread)
    span = (width - most, width - 1)
    values, vectors = eigh(spread.numpy(), subset_by_index=span)
    flipped = torch.from_numpy(vectors[:, ::-1].copy())
    return flipped, torch.from_numpy(values[::-1].copy()).clamp_min(0)


def _weighted(grid: Grid, windows: Tensor) -> Tensor:
    repeats = windows.shape[-1] // grid.window**2
    return windows * places.weights(grid).repeat(1, repeats)[:, None]
