"""Pairs in another light: gains of red, green and blue, applied to latents instead of pictures.

Codes and appearance are linear in the pixels of a place, so a gain g on the brightness x + 1 of a
channel is a matrix on the numbers of a place: with C the components, P their pseudo-inverse, m the
mean, w the weights and D_c what selects channel c,

    code' = sum_c g_c (code P + m + w) D_c C - (m + w) C
    appearance' = sum_c g_c appearance P D_c C

What the components leave out stays out. The flow does not change.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synfer_core.reference import places
from synfer_core.reference.bases import Basis
from synfer_core.reference.latents import Latents

SPREAD, TINT = 0.15, 0.07
"""Standard deviations of the logarithms of the common gain, and of each channel's beside it."""


@dataclass(frozen=True)
class Tints:
    """What gains do to the numbers of each place.

    Attributes:
        code, appearance: (3, places, n, n) for each channel.
        offset: (3, places, n) what a gain of 1 adds to a code for each channel.
        flow: How many of the latents are the flow's, at their start.
    """

    code: Tensor
    appearance: Tensor
    offset: Tensor
    flow: int

    @classmethod
    def of(cls, latents: Latents) -> Tints:
        """For the bases of some latents."""
        return cls(
            _matrices(latents.code),
            _matrices(latents.appearance),
            _offsets(latents.code),
            latents.config.flow,
        )

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Random gains (count, 3)."""
        common = SPREAD * torch.randn(count, 1, generator=generator)
        return (common + TINT * torch.randn(count, 3, generator=generator)).exp()

    def codes(self, gains: Tensor, code: Tensor) -> Tensor:
        """Codes (B, 2, places, n) of references under gains (B, 3)."""
        return _mixed(self.code, gains, code) + torch.einsum(
            "bc,cpn->bpn", gains - 1, self.offset
        ).unsqueeze(1)

    def latents(self, gains: Tensor, latents: Tensor) -> Tensor:
        """Latents (B, 2, places, n) of pairs under gains (B, 3)."""
        flow, appearance = latents[..., : self.flow], latents[..., self.flow :]
        return torch.cat([flow, _mixed(self.appearance, gains, appearance)], -1)


def _mixed(matrices: Tensor, gains: Tensor, numbers: Tensor) -> Tensor:
    """Numbers (B, 2, places, n) through the gains' mix of matrices (3, places, n, n)."""
    parts = torch.einsum("bhpn,cpnm->cbhpm", numbers, matrices)
    mixed: Tensor = (gains.T[:, :, None, None, None] * parts).sum(0)
    return mixed


def _matrices(basis: Basis) -> Tensor:
    squares = basis.components.square().sum(1, keepdim=True)
    inverse = (basis.components / squares.clamp_min(1e-12)).mT
    by_channel = basis.components.unflatten(1, (basis.channels, -1))
    return torch.stack(
        [
            inverse.unflatten(2, (basis.channels, -1))[:, :, channel] @ by_channel[:, channel]
            for channel in range(basis.channels)
        ]
    )


def _offsets(basis: Basis) -> Tensor:
    weight = places.weights(basis.grid)[list(basis.at)].repeat(1, basis.channels)
    whole = (basis.mean[:, 0] + weight).unflatten(1, (basis.channels, -1))
    by_channel = basis.components.unflatten(1, (basis.channels, -1))
    return torch.einsum("pcw,pcwn->cpn", whole, by_channel)
