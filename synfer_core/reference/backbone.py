"""The built-in model as a backbone: the person rendered exactly, the expression diffused.

The recipe's person and scene are rendered by FaceKit without expression, once for all expressions;
latents of motion and appearance are sampled around that picture, and decoded onto it at any size.
A picture to edit takes the render's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from synfer_core import denoising, editing, prompts, semantic
from synfer_core.conditioning import au_target, prompt_of, sets_aus
from synfer_core.decoding import to_tensor
from synfer_core.errors import UnsupportedError
from synfer_core.facekit.kept import Kept
from synfer_core.facekit.scene import Scene
from synfer_core.facekit.staging import key_of
from synfer_core.facs import ACTION_UNITS, AU_SLOTS
from synfer_core.guidance import Denoise
from synfer_core.models import guides
from synfer_core.models.backbone import (
    NO_PICTURE,
    Capabilities,
    Generation,
    check_picture,
    check_size,
    strengths,
    with_guidance,
    with_weights,
)
from synfer_core.models.exact import ExactBackbone, person_of, scene_of
from synfer_core.models.guides import ImageReader
from synfer_core.models.text import TextEncoder
from synfer_core.reference import layout, maps, probe, sampling
from synfer_core.reference.canvas import Canvas, Ground
from synfer_core.reference.denoiser import SCHEDULE, ReferenceContext, Words
from synfer_core.reference.guidance import Branches, Spelled, classifier_free
from synfer_core.reference.layout import Layout
from synfer_core.reference.mixer import WordMaps
from synfer_core.reference.model import ReferenceModel
from synfer_core.reference.probe import ReferenceProbe
from synfer_core.reference.warp import UNIT
from synfer_core.report import AttentionMaps, GuidancePoint, Progress
from synfer_core.request import USUAL_VARIATION, Recipe

NAME = "builtin"
PREVIEW_EVERY = 3
_REFERENCES = 4  # references kept, 3 MB each at 512 px
_SIZES = (UNIT, 1024)


@dataclass(frozen=True)
class ReferenceBackbone:
    """The model around a reference behind the backbone interface.

    Attributes:
        model: Bases, guess, denoiser and adapter.
        source: FaceKit.
        encoder: Of words.
        readers: Classifiers of pictures that semantic guidance may follow, by name in recipes.
    """

    model: ReferenceModel
    source: ExactBackbone
    encoder: TextEncoder
    readers: Mapping[str, ImageReader] = field(default_factory=dict)
    _kept: Kept[bytes, Canvas] = field(
        default_factory=lambda: Kept(_REFERENCES), compare=False, repr=False
    )

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do."""
        return Capabilities(
            name=NAME,
            title="Diffusion",
            note="The person is rendered, the expression diffused; no person's photo is in it.",
            image_size=self.model.prior.image_size,
            aus=tuple(au.key for au in ACTION_UNITS.values()),
            text=True,
            identity=True,
            guidance=True,
            attention=True,
            steps=True,
            semantic=bool(self.readers),
            guides=tuple(self.readers),
            editing=True,
            drafts=True,
            holding=True,
            scene=True,
            variation=True,
            sizes=_SIZES,
            good_for="Follows free words, edits faces, one person through all expressions.",
            reasons={"identity_image": NO_PICTURE},
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights' hash and the strengths of guidance filled in.

        Raises:
            RequestError: The recipe names other weights, or a sample that is not there, or its
                person's code has the wrong length, or a text too many tokens.
            ImageError: The recipe's reference is damaged.
            UnsupportedError: It asks for the person of a picture, a whole head, a size out of
                range or another than its reference's, or guidance by a classifier that is not here
                or does not know the expression.
        """
        check_size(recipe, self.capabilities)
        check_picture(recipe, self.capabilities)
        if recipe.scene is not None and recipe.scene.framing == "head":
            raise UnsupportedError("frames faces only", field="scene.framing", allowed="face")
        if recipe.reference is not None:
            _check_reference(recipe)
        else:
            person_of(recipe)
        texts = [prompts.read(text).text for text in (prompt_of(recipe), recipe.negative_text)]
        self.encoder.check(texts, fields=(_prompt_field(recipe), "negative_text"))
        weights = guides.weights_of(self.model.sha256, self.readers, recipe)
        return with_guidance(with_weights(recipe, weights), self.capabilities)

    def reader(self, recipe: Recipe) -> ImageReader:
        """The classifier that a recipe with semantic guidance asks for, on its reference.

        Raises:
            UnsupportedError: It is not here, or does not know the recipe's expression.
        """
        small = self.canvas(recipe).small
        decode = partial(self.model.prior.latents.decode, small)
        return replace(guides.chosen(self.readers, recipe), decode=decode)

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Denoise around the reference step by step; the last item is the image with its maps.

        Raises:
            PackError: FaceKit's pack is missing or damaged.
        """
        return self._stream(recipe, WordMaps())

    def draft(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """The same pixels without previews and attention maps."""
        return self._stream(recipe, None)

    def _stream(self, recipe: Recipe, recorder: WordMaps | None) -> Iterator[Progress | Generation]:
        yield Progress(0, recipe.steps, "rendering")
        canvas = self.canvas(recipe)
        latents, steps, before, psnr, laid = self._noise(recipe), recipe.steps, 0, None, None
        if recipe.reference is not None:
            laid = yield from layout.lay_out(self.model, recipe, canvas.small)
            latents, psnr, steps, before = laid.start, laid.psnr, laid.steps, laid.steps
        curve: list[GuidancePoint] = []
        branches = self.branches(recipe, canvas.small)
        denoise = self._guided(recipe, branches, recorder, curve.append)
        denoise = denoise if laid is None else laid.holding(denoise)
        walk = denoising.sample(
            denoise, latents, recipe.scheduler, recipe.steps, last=steps, schedule=SCHEDULE
        )
        for step in walk:
            latents = step.latents
            wanted = recorder is not None and step.index % PREVIEW_EVERY == 1 and step.index < steps
            preview = canvas.preview(self.model.prior.latents, step.clean) if wanted else None
            yield Progress(before + step.index, before + steps, "denoising", preview)
        image, alpha = canvas.finished(self.model.prior.latents, latents)
        attention = AttentionMaps()
        if recorder is not None:
            attention = self._maps(recipe, recorder, branches.spelled, canvas.small, laid)
        note = prompts.note_on(prompt_of(recipe), recipe.negative_text)
        notes = () if note is None else (note,)
        yield Generation(image, attention, latents, tuple(curve), psnr, alpha, notes)

    def _noise(self, recipe: Recipe) -> Tensor:
        share = USUAL_VARIATION if recipe.variation is None else recipe.variation
        return sampling.noise(1, self.model.prior.latents.shape, recipe.seed, share)

    def canvas(self, recipe: Recipe) -> Canvas:
        """What a recipe's picture is made from: the picture that it edits, or the render of its
        person and scene without expression, which is kept for the next recipes.

        Raises:
            RequestError: There is no such sample.
            ImageError: The picture to edit is damaged.
            PackError: FaceKit's pack is missing or damaged.
        """
        if recipe.reference is not None:
            picture = editing.square_of(recipe.reference)
            return Canvas(to_tensor(picture[None]))
        size = recipe.size or self.model.prior.image_size
        scene = replace(scene_of(recipe), aus=(0.0,) * len(AU_SLOTS), expression="neutral")
        return self._kept.get(key_of(scene, size), partial(self._rendered, recipe, scene, size))

    def _rendered(self, recipe: Recipe, scene: Scene, size: int) -> Canvas:
        image, cover = self.source.renderer.render_with_cover(scene, size)
        colour = None if recipe.scene is None else recipe.scene.colour
        ground = None if cover is None else Ground.of(cover, colour)
        if scene.styling.glasses == "none":
            return Canvas(to_tensor(image[None]), ground)
        without = replace(scene, styling=replace(scene.styling, glasses="none"))
        bare = self.source.renderer.render(without, size)
        return Canvas(to_tensor(bare[None]), ground, to_tensor(image[None]))

    def probe(self) -> ReferenceProbe:
        """How FERAnno looks through this model."""
        return ReferenceProbe.build(self.model, self.encoder)

    def fingerprint(self) -> str:
        """SHA-256 over the weights that make features."""
        return probe.fingerprint(self.model)

    def _guided(
        self,
        recipe: Recipe,
        branches: Branches,
        recorder: WordMaps | None,
        told: Callable[[GuidancePoint], None],
    ) -> Denoise:
        (text, au), denoiser = strengths(recipe, self.capabilities), self.model.denoiser

        def guide(full: ReferenceContext) -> Denoise:
            moved = replace(branches, full=full)
            return classifier_free(denoiser, moved, text=text, au=au, recorder=recorder)

        if not recipe.guidance.semantic:
            return guide(branches.full)
        settings, reader = semantic.Settings.of(recipe), self.reader(recipe)
        return semantic.semantic_guidance(
            guide, denoiser, branches.full, reader, settings, told, SCHEDULE
        )

    def _maps(
        self,
        recipe: Recipe,
        recorder: WordMaps,
        spelled: Spelled,
        small: Tensor,
        laid: Layout | None,
    ) -> AttentionMaps:
        """Where the words were read, and what each unit moved, by the mean picture."""
        latents, still = self.model.prior.latents, _is_still(recipe)
        free = 1.0 if laid is None else laid.free

        def pictures(aus: Tensor) -> Tensor:
            rows = small.expand(len(aus), -1, -1, -1)
            context = self.model.context(rows, aus, recipe.au_scale, still=still)
            denoise = sampling.plain(self.model.denoiser, context)
            start = torch.zeros(len(aus), *latents.shape)
            return latents.decode(rows, free * sampling.sampled(denoise, start, 1))

        units = maps.unit_maps(pictures, au_target(recipe), recipe.action_units)
        return AttentionMaps(units | maps.word_maps(recorder, latents, spelled))

    def branches(self, recipe: Recipe, reference: Tensor) -> Branches:
        """What the recipe asks for of a reference (1, 3, S, S), and less of it.

        Raises:
            RequestError: A text is too long for the encoder.
        """
        prompt, spelled = self._words(prompt_of(recipe), _prompt_field(recipe))
        other, _ = self._words(recipe.negative_text, "negative_text")
        still = _is_still(recipe)
        bare = self.model.context(reference, None, still=still)
        empty, words = replace(bare, words=other), replace(bare, words=prompt)
        if not sets_aus(recipe):
            return Branches(words, None, empty, spelled)
        units = self.model.context(reference, au_target(recipe), recipe.au_scale, still=still)
        return Branches(replace(units, words=prompt), words, empty, spelled)

    def _words(self, text: str, name: str) -> tuple[Words | None, Spelled]:
        text = prompts.read(text).text
        if not text:
            return None, ()
        states = self.encoder([text], fields=(name,))
        read = Words(states.states, states.mask, torch.zeros(1, dtype=torch.long))
        return read, states.words[0]


def _prompt_field(recipe: Recipe) -> str:
    return "text" if recipe.enriched_text is None else "enriched_text"


def _is_still(recipe: Recipe) -> bool:
    """Whether the reference is known to show no expression: a render does not, a picture may."""
    if recipe.reference is None:
        return True
    known = editing.known_aus(recipe)
    return known is not None and not any(known.values())


def _check_reference(recipe: Recipe) -> None:
    """Make sure that a recipe's picture can be edited at the size asked for.

    Raises:
        RequestError: There is no such sample.
        ImageError: The picture is damaged.
        UnsupportedError: It is not square, too small or too large, or not of the recipe's size.
    """
    assert recipe.reference is not None
    size = len(editing.square_of(recipe.reference))
    least, most = _SIZES
    if not least <= size <= most:
        raise UnsupportedError(
            f"is {size} x {size} pixels", field="reference", allowed=f"{least} to {most} on a side"
        )
    if recipe.size not in (None, size):
        allowed = f"{size}, as the reference, or nothing"
        raise UnsupportedError("is not that of the reference", field="size", allowed=allowed)


def load(folder: Path, source: ExactBackbone, encoder: TextEncoder) -> ReferenceBackbone:
    """The backbone with the weights in `folder`.

    Raises:
        WeightsError: The weights are missing, damaged, or do not fit each other.
        RequestError: The classifier that the environment names has no fitting label map.
    """
    readers = guides.on_images(folder, _undecoded)
    return ReferenceBackbone(ReferenceModel.load(folder), source, encoder, readers=readers)


def _undecoded(latents: Tensor) -> Tensor:
    raise RuntimeError("latents are decoded onto a recipe's reference: see `reader`")
