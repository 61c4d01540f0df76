"""The backbone ``exact-reference``: the person rendered exactly, the expression diffused.

The recipe's person and scene are rendered by FaceKit without expression, once for all expressions;
latents of motion and appearance are sampled around that picture, and decoded onto it at any size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from synfer_core import denoising
from synfer_core.conditioning import au_target, prompt_of, sets_aus
from synfer_core.decoding import to_images, to_tensor
from synfer_core.errors import UnsupportedError
from synfer_core.facekit.kept import Kept
from synfer_core.facekit.staging import key_of
from synfer_core.facs import ACTION_UNITS, AU_SLOTS
from synfer_core.guidance import Denoise
from synfer_core.models.backbone import (
    NO_PICTURE,
    Capabilities,
    Generation,
    check_picture,
    check_size,
    with_weights,
)
from synfer_core.models.exact import ExactBackbone, scene_of
from synfer_core.models.text import TextEncoder
from synfer_core.reference import sampling
from synfer_core.reference.denoiser import SCHEDULE, Words
from synfer_core.reference.guidance import Branches, classifier_free
from synfer_core.reference.model import PRIOR, ReferenceModel
from synfer_core.reference.warp import UNIT, resized
from synfer_core.report import AttentionMaps, Pixels, Progress
from synfer_core.request import TRANSPARENT, Guidance, Recipe

NAME = "exact-reference"
VARIABLE = "SYNFER_REFERENCE"
"""Environment variable that names a folder with the weights."""

NOISE = 0.3
"""Share of the noise to start from: less is nearer to the mean, more varies with the seed."""

PREVIEW_EVERY = 3
_REFERENCES = 4  # references kept, 3 MB each at 512 px
_SIZES = (UNIT, 1024)
_PLAIN = Guidance()
"""The usual strengths, at which units and words act here as they were learned."""


@dataclass(frozen=True)
class ReferenceBackbone:
    """The model around a reference behind the backbone interface.

    Attributes:
        model: Bases, guess, denoiser and adapter.
        source: FaceKit.
        encoder: Of words.
        image_size: Pixels on a side where the recipe names none.
    """

    model: ReferenceModel
    source: ExactBackbone
    encoder: TextEncoder
    image_size: int = 512
    _kept: Kept[bytes, Pixels] = field(
        default_factory=lambda: Kept(_REFERENCES), compare=False, repr=False
    )

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do."""
        return Capabilities(
            name=NAME,
            title="Exact person, diffused expression",
            note="The person is rendered, the expression diffused; no person's photo is in it.",
            image_size=self.image_size,
            aus=tuple(au.key for au in ACTION_UNITS.values()),
            text=True,
            identity=True,
            guidance=True,
            attention=False,
            steps=True,
            drafts=True,
            scene=True,
            sizes=_SIZES,
            good_for="Sharp at any size, one person through all expressions, follows words.",
            reasons={"identity_image": NO_PICTURE},
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights' hash filled in.

        Raises:
            RequestError: The recipe names other weights, or its person's code has the wrong length.
            UnsupportedError: It asks for an edit, semantic guidance, the person of a picture, a
                whole head, a transparent background, or a size out of range.
        """
        check_size(recipe, self.capabilities)
        check_picture(recipe, self.capabilities)
        if recipe.reference is not None:
            raise UnsupportedError("cannot edit yet", field="reference", allowed="nothing")
        if recipe.guidance.semantic:
            raise UnsupportedError("has no classifier", field="guidance.semantic", allowed="0")
        _check_scene(recipe)
        return with_weights(recipe, self.model.sha256)

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Render the reference, then denoise step by step; the last item is the image.

        Raises:
            PackError: FaceKit's pack is missing or damaged.
        """
        return self._stream(recipe, previews=True)

    def draft(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """The same pixels without previews."""
        return self._stream(recipe, previews=False)

    def _stream(self, recipe: Recipe, *, previews: bool) -> Iterator[Progress | Generation]:
        yield Progress(0, recipe.steps, "rendering")
        reference = to_tensor(self.reference(recipe)[None])
        small = resized(reference, UNIT)
        denoise = self._guided(recipe, small)
        shape = self.model.prior.latents.shape
        latents = sampling.noise(1, shape, recipe.seed, NOISE)
        steps = denoising.sample(
            denoise, latents, recipe.scheduler, recipe.steps, schedule=SCHEDULE
        )
        for step in steps:
            latents = step.latents
            wanted = previews and step.index % PREVIEW_EVERY == 1 and step.index < recipe.steps
            preview = self._decoded(small, step.clean) if wanted else None
            yield Progress(step.index, recipe.steps, "denoising", preview)
        yield Generation(self._decoded(reference, latents), AttentionMaps(), latents)

    def reference(self, recipe: Recipe) -> Pixels:
        """The recipe's person and scene without expression (S, S, 3); kept for the next recipes.

        Raises:
            PackError: FaceKit's pack is missing or damaged.
        """
        size = recipe.size or self.image_size
        scene = replace(scene_of(recipe), aus=(0.0,) * len(AU_SLOTS), expression="neutral")
        return self._kept.get(key_of(scene, size), lambda: self.source.renderer.render(scene, size))

    @torch.no_grad()
    def _decoded(self, reference: Tensor, latents: Tensor) -> Pixels:
        image: Pixels = to_images(self.model.prior.latents.decode(reference, latents))[0]
        return image

    def _guided(self, recipe: Recipe, reference: Tensor) -> Denoise:
        strength = recipe.guidance
        text, au = max(1.0, strength.text / _PLAIN.text), max(1.0, strength.au / _PLAIN.au)
        return classifier_free(
            self.model.denoiser, self.branches(recipe, reference), text=text, au=au
        )

    def branches(self, recipe: Recipe, reference: Tensor) -> Branches:
        """What the recipe asks for of a reference (1, 3, S, S), and less of it.

        Raises:
            RequestError: A text is too long for the encoder.
        """
        fields = ("text" if recipe.enriched_text is None else "enriched_text", "negative_text")
        asked, other = (
            self._words(text, name)
            for text, name in zip((prompt_of(recipe), recipe.negative_text), fields, strict=True)
        )
        bare = self.model.context(reference, None)
        empty, words = replace(bare, words=other), replace(bare, words=asked)
        if not sets_aus(recipe):
            return Branches(words, None, empty)
        units = self.model.context(reference, au_target(recipe), recipe.au_scale)
        return Branches(replace(units, words=asked), words, empty)

    def _words(self, text: str, name: str) -> Words | None:
        if not text:
            return None
        states = self.encoder([text], fields=(name,))
        return Words(states.states, states.mask, torch.zeros(1, dtype=torch.long))


def _check_scene(recipe: Recipe) -> None:
    """Refuse what cannot be warped yet.

    Raises:
        UnsupportedError: Names the field.
    """
    scene = recipe.scene
    if scene is not None and scene.framing == "head":
        raise UnsupportedError("frames faces only", field="scene.framing", allowed="face")
    if scene is not None and scene.background == TRANSPARENT:
        raise UnsupportedError("has no alpha yet", field="scene.background", allowed="a colour")


def find(folder: Path, source: ExactBackbone, encoder: TextEncoder) -> ReferenceBackbone | None:
    """The backbone with the weights that ``SYNFER_REFERENCE`` names, else with those in `folder`.

    Returns:
        None where the variable is not set and the folder has none.

    Raises:
        WeightsError: The weights are damaged, do not fit each other, or are not where the variable
            says.
    """
    named = os.environ.get(VARIABLE)
    place = Path(named) if named else folder
    if named is None and not (place / PRIOR).is_file():
        return None
    return ReferenceBackbone(ReferenceModel.load(place), source, encoder)
