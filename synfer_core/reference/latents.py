"""The latents: what moves, and what the moved reference lacks.

An active appearance model (Cootes, Edwards and Taylor 2001, https://doi.org/10.1109/34.927467) as
the latent space of a diffusion. A picture x of the person whom a reference r shows is

    x = warp(r, F z_flow) + A z_appearance

with F and A principal components of each place's own. z = 0 is the reference. Decoding needs no
network and works at any size; only what is painted, A z, is limited to 128 px.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from synfer_core.reference.bases import Basis
from synfer_core.reference.places import Grid
from synfer_core.reference.warp import UNIT, intact, resized, warp

_COVERS = 0.3
"""What is painted, in -1 to 1, from which it hides the detail of what lies below."""


@dataclass(frozen=True)
class LatentConfig:
    """Sizes of the latents. All grids have the same places.

    Attributes:
        flow_size, flow_margin: Grid that the flow is coded at.
        code_size, code_margin: Grid at which the reference itself is coded.
        margin: Of the windows of appearance, at 128 px.
        rows: Places on a side.
        flow, appearance, code: Numbers a place, at most.
        places: Which places of a half face are coded, row by row.
    """

    flow_size: int = 64
    flow_margin: int = 1
    code_size: int = 64
    code_margin: int = 2
    margin: int = 2
    rows: int = 8
    flow: int = 12
    appearance: int = 48
    code: int = 40
    places: tuple[int, ...] = tuple(range(32))

    @property
    def numbers(self) -> int:
        """Latents at a place."""
        return self.flow + self.appearance

    @property
    def flow_grid(self) -> Grid:
        """How flows are cut."""
        return Grid(self.flow_size, self.flow_size // self.rows, self.flow_margin)

    @property
    def code_grid(self) -> Grid:
        """How the reference is cut to be coded."""
        return Grid(self.code_size, self.code_size // self.rows, self.code_margin)

    @property
    def grid(self) -> Grid:
        """How pictures of 128 px are cut."""
        return Grid(UNIT, UNIT // self.rows, self.margin)


class Latents(nn.Module):
    """Pairs of pictures as latents, and back.

    Latents are (B, 2, places, flow + appearance): half faces, the right one mirrored. They are in
    units in which both parts have a root mean square near one.
    """

    kept: Tensor
    unit: Tensor

    def __init__(self, config: LatentConfig):
        super().__init__()
        self.config = config
        at = config.places
        self.flow = Basis(config.flow_grid, 2, at, config.flow, flow=True)
        self.appearance = Basis(config.grid, 3, at, config.appearance)
        self.code = Basis(config.code_grid, 3, at, config.code)
        self.register_buffer("kept", torch.ones(len(at), config.numbers))
        self.register_buffer("unit", torch.ones(config.numbers))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Halves, places and numbers of one sample's latents."""
        return 2, len(self.config.places), self.config.numbers

    def encode(self, reference: Tensor, target: Tensor, flow: Tensor) -> Tensor:
        """Latents of a pair.

        Args:
            reference, target: (B, 3, 128, 128) in -1 to 1.
            flow: (B, 2, 128, 128) from the target back to the reference, in pixels.
        """
        moved = self.flow.encode(resized(flow, self.config.flow_size))
        moved = moved * self.kept[:, : self.config.flow]
        lacking = target - warp(reference, self.flow.decode(moved))
        latents = torch.cat([moved, self.appearance.encode(lacking)], -1)
        return latents * self.kept / self.unit

    def flow_of(self, latents: Tensor) -> Tensor:
        """The flow (B, 2, s, s) in pixels of a 128 px picture."""
        return self.flow.decode((latents * self.unit)[..., : self.config.flow])

    def appearance_of(self, latents: Tensor) -> Tensor:
        """What is painted (B, 3, 128, 128)."""
        return self.appearance.decode((latents * self.unit)[..., self.config.flow :])

    def decode(self, reference: Tensor, latents: Tensor) -> Tensor:
        """Latents on a reference (B, 3, S, S) of any size, in -1 to 1; differentiable.

        What is finer than 128 px comes from the reference, except where the flow stretches it and
        much is painted: where a mouth opens, drawn-out lips have nothing to tell.
        """
        flow, size = self.flow_of(latents), reference.shape[-1]
        moved, painted = warp(reference, flow), self.appearance_of(latents)
        if size <= UNIT:
            return moved + resized(painted, size)
        coarse = resized(resized(moved, UNIT), size)
        covered = (painted.abs().mean(1, keepdim=True) / _COVERS).clamp(max=1)
        share = resized(1 - covered * resized(1 - intact(flow), UNIT), size).clamp(0, 1)
        return coarse + resized(painted, size) + share * (moved - coarse)

    def look(self, reference: Tensor) -> Tensor:
        """The reference's own code (B, 2, places, code), of unit variance, of (B, 3, S, S)."""
        small = resized(resized(reference, UNIT), self.config.code_size)
        return self.code.encode(small)

    def look_moved(self, reference: Tensor, latents: Tensor) -> Tensor:
        """The code of the reference as the flow of latents moves it."""
        small = resized(resized(reference, UNIT), self.config.code_size)
        return self.code.encode(warp(small, self.flow_of(latents)))


def config_values(values: dict[str, Any]) -> LatentConfig:
    """A stored config; JSON's lists become tuples."""
    return LatentConfig(**{**values, "places": tuple(values["places"])})
