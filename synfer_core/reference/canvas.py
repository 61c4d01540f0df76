"""What latents are decoded onto: the reference at full size, and how much of it the person covers.

A picture in front of a plain colour is cut out: the cover moves with the flow as the picture does,
and every pixel that the person does not cover keeps the colour exactly.

Glasses stay where they are when a face moves, and a smooth flow would bend them. So the person is
rendered without them, and what they do to the light, the picture with them divided by the picture
without, is laid over the finished face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from synfer_core.decoding import to_images
from synfer_core.reference.latents import Latents
from synfer_core.reference.warp import UNIT, resized, warp
from synfer_core.report import Pixels

_DARK = 0.02
"""Added to brightness, 0 to 2, before it is divided: black has no ratio."""
_GLARE = 4.0
"""At most so many times brighter through glasses."""


@dataclass(frozen=True)
class Ground:
    """A plain background.

    Attributes:
        cover: (1, 1, S, S) in 0-1, how much of each pixel the person covers.
        colour: (1, 3, 1, 1) in -1 to 1.
        transparent: Whether the finished picture is to have the cover as its alpha.
    """

    cover: Tensor
    colour: Tensor
    transparent: bool

    @classmethod
    def of(cls, cover: Pixels, colour: tuple[int, int, int] | None) -> Ground:
        """From a cover (S, S) uint8 and a colour; without one it is transparent, on white."""
        red_green_blue = torch.tensor(colour or (255, 255, 255)).view(1, 3, 1, 1)
        shares = torch.from_numpy(cover)[None, None].float() / 255
        return cls(shares, red_green_blue / 127.5 - 1, colour is None)


@dataclass(frozen=True)
class Canvas:
    """A reference.

    Attributes:
        picture: (1, 3, S, S) in -1 to 1.
        ground: What the person stands in front of, where it is plain.
        glasses: (1, 3, S, S) by how much glasses multiply the light, where the person wears any.
    """

    picture: Tensor
    ground: Ground | None = None
    glasses: Tensor | None = None

    @classmethod
    def behind_glasses(cls, worn: Tensor, bare: Tensor, ground: Ground | None) -> Canvas:
        """From the pictures (1, 3, S, S) with glasses and without."""
        ratio = (worn + 1 + _DARK) / (bare + 1 + _DARK)
        return cls(bare, ground, ratio.clamp(max=_GLARE))

    @cached_property
    def small(self) -> Tensor:
        """The reference as the denoiser sees it (1, 3, 128, 128)."""
        return resized(self.picture, UNIT)

    def preview(self, latents: Latents, values: Tensor) -> Pixels:
        """Latents (1, 2, places, n) as a small picture (128, 128, 3)."""
        glasses = None if self.glasses is None else resized(self.glasses, UNIT)
        image: Pixels = to_images(_through(glasses, latents.decode(self.small, values)))[0]
        return image

    @torch.no_grad()
    def finished(self, latents: Latents, values: Tensor) -> tuple[Pixels, Pixels | None]:
        """Latents as the picture (S, S, 3), and its alpha (S, S) where it is transparent."""
        decoded = _through(self.glasses, latents.decode(self.picture, values))
        if self.ground is None:
            return to_images(decoded)[0], None
        cover = warp(self.ground.cover, latents.flow_of(values)).clamp(0, 1)
        covered = (cover * 255).round().byte()
        image: Pixels = to_images(torch.where(covered > 0, decoded, self.ground.colour))[0]
        alpha: Pixels | None = covered[0, 0].numpy() if self.ground.transparent else None
        return image, alpha


def _through(glasses: Tensor | None, picture: Tensor) -> Tensor:
    """A picture (1, 3, S, S) in -1 to 1 seen through glasses, if there are any."""
    return picture if glasses is None else (picture + 1) * glasses - 1
