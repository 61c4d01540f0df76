"""What a backbone is: it declares what it can do, and turns a recipe into an image step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from synfer_core.report import AttentionMaps, GuidancePoint, Pixels, Progress
from synfer_core.request import Recipe


@dataclass(frozen=True)
class Capabilities:
    """What a backbone can do; the studio greys out the rest.

    Attributes:
        name: Name in recipes.
        title: Name on the page.
        note: One sentence on where its images come from.
        image_size: Pixels on a side.
        aus: Both-sides keys of the AUs it moves.
        text, identity, guidance, attention, steps: Whether it reads words, keeps a person, has
            guidance strengths, shows attention maps, and denoises in steps.
        semantic: Whether there is a classifier that semantic guidance can follow.
        guides: Those classifiers, as recipes name them.
        editing: Whether it can start from a face instead of noise.
        drafts: Whether it is `Drafting`: quick enough to follow a hand that moves a slider.
    """

    name: str
    title: str
    note: str
    image_size: int
    aus: tuple[str, ...]
    text: bool
    identity: bool
    guidance: bool
    attention: bool
    steps: bool
    semantic: bool = False
    guides: tuple[str, ...] = ()
    editing: bool = False
    drafts: bool = False


@dataclass(frozen=True)
class Generation:
    """What a backbone made.

    Attributes:
        image: (H, W, 3) uint8.
        attention: Where AUs and words acted; empty for a backbone without attention.
        latents: The final latents, where the backbone has any.
        guidance_curve: What semantic guidance read on the way.
        reconstruction_psnr: Of the inversion's round trip against the reference, in dB, where one
            was used.
    """

    image: Pixels
    attention: AttentionMaps
    latents: Any = None
    guidance_curve: tuple[GuidancePoint, ...] = ()
    reconstruction_psnr: float | None = None


class Backbone(Protocol):
    """Turns recipes into images."""

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do."""

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe completed; RequestError where this backbone refuses it."""

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Make the image step by step; the last item is the `Generation`."""


@runtime_checkable
class Drafting(Protocol):
    """A backbone that can leave out all but the picture."""

    def draft(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Make the image step by step without previews and attention maps."""
