"""What a backbone is: it declares what it can do, and turns a recipe into an image step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facs import MAX_INTENSITY
from synfer_core.report import AttentionMaps, GuidancePoint, Pixels, Progress
from synfer_core.request import USUAL_GUIDANCE, Recipe

if TYPE_CHECKING:
    from synfer_core.calibration import FERAnnoReader
    from synfer_core.semantic import Reader


NO_PICTURE = "takes a person as a seed or a code, not as a picture"
NO_SCENE = "takes no scene: words and the seed decide pose, light and background"


@dataclass(frozen=True)
class Capabilities:
    """What a backbone can do; the studio greys out the rest.

    Attributes:
        name: Name in recipes.
        title: Name on the page.
        note: One sentence on where its images come from.
        image_size: Pixels on a side where a recipe names none.
        aus: Both-sides keys of the AUs it moves.
        text, identity, guidance, attention, steps: Whether it reads words, keeps a person, has
            guidance strengths, shows attention maps, and denoises in steps.
        semantic: Whether there is a classifier that semantic guidance can follow.
        guides: Those classifiers, as recipes name them.
        editing: Whether it can start from a face instead of noise.
        guidance_text, guidance_au: Strengths of guidance where a recipe names none.
        drafts: Whether it is `Drafting`: quick enough to follow a hand that moves a slider.
        identity_image: Whether it keeps the person of a picture.
        holding: Whether an edit can hold what its AUs do not move.
        variation: Whether a recipe says how much of the noise to start from.
        scene: Whether it takes pose, gaze, light, background and the like (`SceneOptions`).
        sides: Whether it tells left from right in the AUs that have sides.
        au_range: Least and greatest intensity that it takes.
        languages: Languages that it reads, as ISO 639-1 codes; empty where it reads no words.
        aligned: Whether its faces have the built-in model's crop, so that readers need not look
            for the face.
        sizes: Least and greatest number of pixels on a side; None where it is `image_size` alone.
        good_for: One sentence on when to choose it.
        located: Whether it is `Located`: it knows itself where the eyes of its faces lie.
        reasons: Why it cannot do what it cannot: by the name of the field above, words that go on
            from its title, such as ``has no AU adapter``.
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
    guidance_text: float = USUAL_GUIDANCE
    guidance_au: float = USUAL_GUIDANCE
    drafts: bool = False
    identity_image: bool = False
    holding: bool = False
    scene: bool = False
    variation: bool = False
    sides: bool = True
    au_range: tuple[float, float] = (0.0, MAX_INTENSITY)
    languages: tuple[str, ...] = ("en",)
    aligned: bool = True
    sizes: tuple[int, int] | None = None
    good_for: str = ""
    located: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_range(self) -> tuple[int, int]:
        """Least and greatest number of pixels on a side."""
        return self.sizes or (self.image_size, self.image_size)

    def makes(self, size: int) -> bool:
        """Whether it can make images of so many pixels on a side."""
        least, most = self.size_range
        return least <= size <= most

    def moves(self, key: str) -> bool:
        """Whether it can move this AU key; `aus` may name units or single sides."""
        digits = key.lstrip("AULR")
        unit, left, right = f"AU{digits}", f"AUL{digits}", f"AUR{digits}"
        if key != unit:
            return key in self.aus or (self.sides and unit in self.aus)
        return unit in self.aus or (left in self.aus and right in self.aus)


@dataclass(frozen=True)
class Generation:
    """What a backbone made.

    Attributes:
        image: (H, W, 3) uint8; where there is alpha, as it looks on white.
        alpha: (H, W) uint8, how much of each pixel the person covers; None where the picture has
            its background.
        attention: Where AUs and words acted; empty for a backbone without attention.
        latents: The final latents, where the backbone has any.
        guidance_curve: What semantic guidance read on the way.
        reconstruction_psnr: Of the inversion's round trip against the reference, in dB, where one
            was used.
        notes: What to know about how it was made, in plain words.
    """

    image: Pixels
    attention: AttentionMaps
    latents: Any = None
    guidance_curve: tuple[GuidancePoint, ...] = ()
    reconstruction_psnr: float | None = None
    alpha: Pixels | None = None
    notes: tuple[str, ...] = ()


def check_size(recipe: Recipe, abilities: Capabilities) -> None:
    """Make sure that a backbone is asked for a size that it can make.

    Raises:
        UnsupportedError: It is asked for another.
    """
    if recipe.size is None or abilities.makes(recipe.size):
        return
    least, most = abilities.size_range
    allowed = str(least) if least == most else f"{least} to {most}"
    what = f"{abilities.title} makes no {recipe.size} px"
    raise UnsupportedError(what, field="size", allowed=allowed)


def sized(recipe: Recipe, abilities: Capabilities, size: int) -> Recipe:
    """The recipe at a size, where it names none and the backbone does not make it anyway.

    Args:
        recipe: Any recipe of the backbone's.
        abilities: What the backbone can do; where it cannot make the size, the recipe stays.
        size: Pixels on a side.
    """
    usual = recipe.size is not None or abilities.image_size == size
    if usual or not abilities.makes(size):
        return recipe
    return recipe.model_copy(update={"size": size})


def check_picture(recipe: Recipe, abilities: Capabilities) -> None:
    """Make sure that only a backbone that keeps the person of a picture is given one.

    Raises:
        UnsupportedError: Another is given one.
    """
    if recipe.identity_image is not None and not abilities.identity_image:
        raise UnsupportedError(
            f"{abilities.title} {abilities.reasons['identity_image']}",
            field="identity_image",
            allowed="nothing",
        )


def check_variation(recipe: Recipe, abilities: Capabilities) -> None:
    """Make sure that only a backbone that takes a share of the noise is given one.

    Raises:
        UnsupportedError: Another is given one.
    """
    if recipe.variation is not None and not abilities.variation:
        raise UnsupportedError(
            f"{abilities.title} always starts in the same way", field="variation", allowed="nothing"
        )


def check_scene(recipe: Recipe, abilities: Capabilities) -> None:
    """Make sure that only a backbone that takes a scene is given one.

    Raises:
        UnsupportedError: Another is given one; names the first field of it.
    """
    if recipe.scene is not None and not abilities.scene:
        raise UnsupportedError(
            f"{abilities.title} {abilities.reasons['scene']}",
            field=f"scene.{recipe.scene.given[0]}",
            allowed="nothing; the exact renderer (backbone facekit) takes it",
        )


def strengths(recipe: Recipe, abilities: Capabilities) -> tuple[float, float]:
    """Of guidance by words and by AUs: what the recipe says, else the backbone's own."""
    text, au = recipe.guidance.text, recipe.guidance.au
    return (
        abilities.guidance_text if text is None else text,
        abilities.guidance_au if au is None else au,
    )


def with_guidance(recipe: Recipe, abilities: Capabilities) -> Recipe:
    """The recipe with the strengths of guidance that it leaves to the backbone filled in."""
    text, au = strengths(recipe, abilities)
    guidance = recipe.guidance.model_copy(update={"text": text, "au": au})
    return recipe.model_copy(update={"guidance": guidance})


def with_weights(recipe: Recipe, weights: str) -> Recipe:
    """The recipe with the weights' hash filled in.

    Raises:
        RequestError: It names other weights.
    """
    if recipe.weights_sha256 not in (None, weights):
        raise RequestError(
            "the recipe was made with other weights", field="weights_sha256", allowed=weights
        )
    return recipe.model_copy(update={"weights_sha256": weights})


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


@runtime_checkable
class Together(Protocol):
    """A backbone that makes several images at once in threads, each as it would make it alone."""

    @property
    def together(self) -> int:
        """How many images are handed to it at once."""


@runtime_checkable
class Guided(Protocol):
    """A backbone with classifiers that semantic guidance may follow."""

    def reader(self, recipe: Recipe) -> Reader:
        """The classifier that a recipe with semantic guidance asks for."""


@runtime_checkable
class Located(Protocol):
    """A backbone that knows where the eyes of its faces lie."""

    def eyes(self, recipe: Recipe) -> NDArray[np.float32]:
        """(2, 2): x and y of the centres between the corners of each eye, in pixels of the
        recipe's image, counted from its edge; left in the image first.
        """


@runtime_checkable
class OwnReader(Protocol):
    """A backbone that may have FERAnno on its own features."""

    @property
    def feranno(self) -> FERAnnoReader | None:
        """That FERAnno, if there is one."""
