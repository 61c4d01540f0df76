"""What others need of a codec, whichever network it is: images to latents and back."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Sizes(Protocol):
    """What others need of a codec's config."""

    @property
    def image_size(self) -> int:
        """Pixels on a side."""

    @property
    def latent_channels(self) -> int:
        """Numbers at a place of the latents."""


class ImageCodec(Protocol):
    """Images to latents and back, whichever network does it."""

    @property
    def config(self) -> Sizes:
        """Its sizes."""

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in -1 to 1 as latents (B, C, s, s) of about unit variance."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as images (B, 3, S, S); about -1 to 1, not clamped."""
