"""The AU adapter: one token for each action unit and side, gates with weights of each place.

A token is a learned direction times the intensity, and a bend times its square. Their sum, and
products of two learned projections of the intensities for units that act on each other
(factorisation machines, Rendle 2010, https://doi.org/10.1109/ICDM.2010.127), gate the channels of
each place. The idea of a separate module beside a network that knows words is the adapter of SynFER
(https://arxiv.org/abs/2410.09865); decoupled attention was its form for U-Nets. Left and right are
tied: the right half of a face sees the units with their sides exchanged.

Three things differ: units asked for, the units of a face that does nothing (all at 0, which is an
expression too), and no units at all, where words alone decide (`scale` 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from synfer_core.facs import AU_SLOTS, MIRRORED_SLOTS
from synfer_core.reference.mixer import PlaceLinear

if TYPE_CHECKING:
    from synfer_core.reference.denoiser import ReferenceDenoiser


@dataclass(frozen=True)
class UnitConfig:
    """Sizes of the adapter.

    Attributes:
        places, latents, hidden, blocks: Of the denoiser that it fits.
        token: Width of a token.
        products: How many products of two projections.
    """

    places: int
    latents: int
    hidden: int
    blocks: int
    token: int = 48
    products: int = 32

    @property
    def width(self) -> int:
        """Numbers that gate."""
        return self.token + self.products


@dataclass(frozen=True)
class UnitInput:
    """Action units for one call of the denoiser.

    Attributes:
        code: (2 B, width), left halves first.
        scale: (2 B, 1); 0 leaves the denoiser as it was without the adapter.
    """

    code: Tensor
    scale: Tensor


class UnitTokens(nn.Module):
    """Intensities as tokens, and tokens as what gates."""

    def __init__(self, token: int, products: int):
        super().__init__()
        slots = len(AU_SLOTS)
        self.direction = nn.Parameter(torch.randn(slots, token))
        self.bend = nn.Parameter(torch.randn(slots, token) * 0.3)
        self.one = nn.Parameter(torch.randn(slots, products))
        self.other = nn.Parameter(torch.randn(slots, products))

    def forward(self, intensities: Tensor) -> Tensor:
        """(B, slots) in 0-1 as (B, slots, token)."""
        a = intensities[..., None]
        return a * self.direction + a.square() * self.bend

    def code(self, intensities: Tensor) -> Tensor:
        """(B, slots) in 0-1 as (B, token + products)."""
        products = (intensities @ self.one) * (intensities @ self.other)
        return torch.cat([self(intensities).sum(1), products], -1)


class UnitAdapter(nn.Module):
    """What action units add to the gates of a denoiser."""

    def __init__(self, config: UnitConfig):
        super().__init__()
        self.config = config
        self.tokens = UnitTokens(config.token, config.products)
        self.gates = nn.ModuleList(
            PlaceLinear(config.places, config.width, 2 * config.hidden)
            for _ in range(config.blocks)
        )
        self.output = PlaceLinear(config.places, config.width, config.latents, zero=True)

    def inject(self, denoiser: ReferenceDenoiser) -> None:
        """Let the blocks of `denoiser` be gated by action units."""
        denoiser.put(self)

    def eject(self, denoiser: ReferenceDenoiser) -> None:
        """Undo `inject`: the denoiser is exactly as it was."""
        denoiser.put(None)

    def forward(self, intensities: Tensor, scale: Tensor) -> UnitInput:
        """Intensities (B, slots) in 0-1 and scales (B,) as input of the denoiser."""
        return UnitInput(self.tokens.code(sides(intensities)), scale.repeat(2)[:, None])

    def gate(self, block: int, units: UnitInput) -> Tensor:
        """What is added to the gate of a block (places, 2 B, 2 hidden)."""
        return _everywhere(self.gates[block], units)

    def direct(self, units: UnitInput) -> Tensor:
        """What is added to the prediction itself (places, 2 B, latents)."""
        return _everywhere(self.output, units)


def sides(intensities: Tensor) -> Tensor:
    """(B, slots) as each half of the face sees it (2 B, slots): as it is, and mirrored."""
    return torch.cat([intensities, intensities[:, list(MIRRORED_SLOTS)]])


def _everywhere(layer: nn.Module, units: UnitInput) -> Tensor:
    assert isinstance(layer, PlaceLinear)
    return layer.everywhere(units.code) * units.scale
