"""The guess in closed form: ridge regression of the latents on products of what is known.

Latents of a half face are regressed on the action units asked for, their products with each other,
and their products with numbers that describe the reference: principal components of its code, and
its own action units: none where it was rendered without, else as a linear reader sees them, for
nobody tells those of an uploaded picture.
The coefficients are kept at low rank (reduced-rank regression, Izenman 1975,
https://doi.org/10.1016/0047-259X(75)90042-1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synfer_core.facs import AU_SLOTS, MIRRORED_SLOTS
from synfer_core.reference.gaussian import Guess
from synfer_core.reference.units import sides

UNITS = len(AU_SLOTS)


@dataclass(frozen=True)
class ClosedFormConfig:
    """Sizes of the regression.

    Attributes:
        places, latents, code: Places of a half face, numbers at each, of the reference's code.
        components: Principal components that describe the person.
        rank: Of the coefficients.
    """

    places: int
    latents: int
    code: int
    components: int = 24
    rank: int = 192

    @property
    def person(self) -> int:
        """Numbers that describe the reference as a whole."""
        return self.components + UNITS

    @property
    def features(self) -> int:
        """Products that the latents are regressed on."""
        pairs = UNITS * (UNITS + 1) // 2
        return 1 + UNITS + 2 * pairs + self.person * (1 + UNITS)


class ClosedForm(nn.Module):
    """The regression, fitted."""

    reader: Tensor
    offset: Tensor
    first: Tensor
    second: Tensor
    deviation: Tensor
    spread: Tensor

    def __init__(self, config: ClosedFormConfig):
        super().__init__()
        self.config = config
        code, outputs = 2 * config.places * config.code, config.places * config.latents
        self.register_buffer("reader", torch.zeros(code, config.person))
        self.register_buffer("offset", torch.zeros(config.person))
        self.register_buffer("first", torch.zeros(config.features, config.rank))
        self.register_buffer("second", torch.zeros(config.rank, outputs))
        self.register_buffer("deviation", torch.ones(config.places, config.latents))
        self.register_buffer("spread", torch.ones(config.places, config.latents))

    def person(self, code: Tensor, still: Tensor) -> Tensor:
        """A reference's code as a whole, from each half.

        Args:
            code: (B, 2, places, code).
            still: (B,) bool, whether the reference is known to show no expression, as one that was
                rendered so; else its units are read, which is far less exact.

        Returns:
            (B, 2, person).
        """
        flat = flat_halves(code)
        told: Tensor = (flat @ self.reader + self.offset).unflatten(0, (2, -1)).transpose(0, 1)
        components, own = told[..., :-UNITS], told[..., -UNITS:]
        return torch.cat([components, own * ~still.view(-1, 1, 1)], -1)

    def units(self, code: Tensor) -> Tensor:
        """Units (B, slots) in 0-1 that a reference's code (B, 2, places, code) shows, roughly."""
        told = self.person(code, torch.zeros(len(code), dtype=torch.bool))[..., -UNITS:]
        return (told[:, 0] + told[:, 1, list(MIRRORED_SLOTS)]).div(2).clamp(0, 1)

    def guess(self, person: Tensor, intensities: Tensor) -> Guess:
        """What is known of the latents of intensities (B, slots) in 0-1 on persons (B, 2, p)."""
        rows = features(sides(intensities), person.transpose(0, 1).flatten(0, 1))
        flat = rows @ self.first @ self.second
        shape = (2, -1, self.config.places, self.config.latents)
        return Guess(flat.view(shape).transpose(0, 1), self.deviation)

    def blank(self, like: Tensor) -> Guess:
        """What is known where words alone decide: the reference itself, for latents' shape."""
        return Guess(torch.zeros_like(like), self.spread)


def flat_halves(code: Tensor) -> Tensor:
    """Codes (B, 2, places, code) as each half sees them, itself first (2 B, 2 places code)."""
    return torch.cat([code.flatten(1), code.flip(1).flatten(1)])


def features(intensities: Tensor, person: Tensor) -> Tensor:
    """Products (rows, features) of intensities (rows, slots) and persons (rows, person)."""
    own = person[:, -UNITS:]
    crossed = (intensities[:, :, None] * person[:, None]).flatten(1)
    one = torch.ones_like(person[:, :1])
    return torch.cat([one, intensities, _pairs(intensities), person, crossed, _pairs(own)], 1)


def _pairs(values: Tensor) -> Tensor:
    first, second = torch.triu_indices(values.shape[1], values.shape[1])
    return values[:, first] * values[:, second]
