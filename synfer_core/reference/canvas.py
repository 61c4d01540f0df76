"""What latents are decoded onto: the reference at full size, and how much of it the person covers.

A picture in front of a plain colour is cut out: the cover moves with the flow as the picture does,
and every pixel that the person does not cover keeps the colour exactly.

Glasses stay where they are when a face moves, and a smooth flow would bend them. So the person is
rendered without them, and they are laid over the finished face: frames as they are, lenses as what
they add to the picture.
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

_LENS, _FRAME = 0.1, 0.35
"""Changes of a picture in -1 to 1: up to the first it is a lens, from the second on a frame."""


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
        worn: (1, 3, S, S) the same with glasses, where the person wears any.
    """

    picture: Tensor
    ground: Ground | None = None
    worn: Tensor | None = None

    @cached_property
    def small(self) -> Tensor:
        """The reference as the denoiser sees it (1, 3, 128, 128)."""
        return resized(self.picture, UNIT)

    def preview(self, latents: Latents, values: Tensor) -> Pixels:
        """Latents (1, 2, places, n) as a small picture (128, 128, 3)."""
        worn = None if self.worn is None else resized(self.worn, UNIT)
        decoded = _with_glasses(worn, self.small, latents.decode(self.small, values))
        image: Pixels = to_images(decoded)[0]
        return image

    @torch.no_grad()
    def finished(self, latents: Latents, values: Tensor) -> tuple[Pixels, Pixels | None]:
        """Latents as the picture (S, S, 3), and its alpha (S, S) where it is transparent."""
        decoded = _with_glasses(self.worn, self.picture, latents.decode(self.picture, values))
        if self.ground is None:
            return to_images(decoded)[0], None
        cover = warp(self.ground.cover, latents.flow_of(values)).clamp(0, 1)
        covered = (cover * 255).round().byte()
        image: Pixels = to_images(torch.where(covered > 0, decoded, self.ground.colour))[0]
        alpha: Pixels | None = covered[0, 0].numpy() if self.ground.transparent else None
        return image, alpha


def _with_glasses(worn: Tensor | None, bare: Tensor, made: Tensor) -> Tensor:
    """A face `made` of a picture `bare`, wearing what `worn` wears over `bare`."""
    if worn is None:
        return made
    change = worn - bare
    size = change.abs().amax(1, keepdim=True)
    frame = ((size - _LENS) / (_FRAME - _LENS)).clamp(0, 1)
    return torch.lerp(made + change, worn, frame)
