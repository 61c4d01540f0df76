"""The built-in model: codec, denoiser and AU adapter, put together as a backbone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from synfer_core import decibels, decoding, denoising, editing, guidance, semantic
from synfer_core.conditioning import Conditions, au_target, condition, sets_aus
from synfer_core.editing import Layout
from synfer_core.errors import WeightsError
from synfer_core.facs import ACTION_UNITS, AU_SLOTS, slots_of
from synfer_core.guidance import Denoise
from synfer_core.models import au_adapter, au_directions, codec, denoiser, feranno, guides
from synfer_core.models.attention import Recorder
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.au_directions import AUDirections
from synfer_core.models.backbone import (
    NO_PICTURE,
    NO_SCENE,
    Capabilities,
    Generation,
    check_picture,
    check_scene,
    check_size,
    check_variation,
    with_weights,
)
from synfer_core.models.codec import Codec
from synfer_core.models.denoiser import Context, Denoiser
from synfer_core.models.text import TextEncoder, shared_encoder
from synfer_core.report import AttentionMaps, GuidancePoint, Progress
from synfer_core.request import Recipe
from synfer_core.semantic import Reader

PREVIEW_EVERY = 3
STEERING = 0.5
"""Share of the error in the linear reading that is removed at each step; the adapter does more."""


@dataclass(frozen=True)
class BuiltinModel:
    """The diffusion backbone that ships.

    Attributes:
        codec: Images to latents and back.
        denoiser: U-Net and identity tokens, the AU adapter injected.
        adapter: AU tokens.
        directions: AUs in the latents, for steering.
        encoder: Text encoder.
        sha256: Hash over the weight files that make pixels.
        readers: Classifiers that semantic guidance may follow, by name in recipes.
    """

    codec: Codec
    denoiser: Denoiser
    adapter: AUAdapter
    directions: AUDirections
    encoder: TextEncoder
    sha256: str
    readers: Mapping[str, Reader] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> BuiltinModel:
        """Read codec, denoiser, adapter and AU directions from a folder, and guiding classifiers.

        Raises:
            WeightsError: A file is missing, damaged, or does not fit the others.
            RequestError: The classifier that the environment names has no fitting label map.
        """
        codes, first = codec.load(folder / "codec.safetensors")
        unet, second = denoiser.load(folder / "denoiser.safetensors")
        adapter, third = au_adapter.load(folder / "au-adapter.safetensors")
        directions, fourth = au_directions.load(folder / "au-directions.safetensors")
        if unet.config.latent_size != codes.config.latent_size:
            raise WeightsError("does not fit the codec", field="denoiser.safetensors")
        adapter.inject(unet.unet)
        digest = hashlib.sha256("".join((first, second, third, fourth)).encode()).hexdigest()
        readers = guides.load(folder, codes)
        return cls(codes, unet, adapter, directions, shared_encoder(), digest, readers)

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do."""
        return Capabilities(
            name="builtin",
            title="Diffusion",
            note="Trained on computer renders only; no person's photo is in it.",
            image_size=self.codec.config.image_size,
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
            good_for="Follows free words, edits faces; units less exact: for training data.",
            reasons={"identity_image": NO_PICTURE, "scene": NO_SCENE},
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights' hash filled in.

        Raises:
            RequestError: The recipe names other weights, or a sample that is not there.
            ImageError: The recipe's reference is damaged.
            UnsupportedError: The recipe asks for another size than the model's, for the person of a
                picture, or for guidance by a classifier that is not here or does not know the
                expression.
        """
        size = self.codec.config.image_size
        check_size(recipe, self.capabilities)
        check_picture(recipe, self.capabilities)
        check_scene(recipe, self.capabilities)
        check_variation(recipe, self.capabilities)
        if recipe.reference is not None:
            editing.pixels_of(recipe.reference, size)
        return with_weights(recipe, guides.weights_of(self.sha256, self.readers, recipe))

    def reader(self, recipe: Recipe) -> Reader:
        """The classifier that a recipe with semantic guidance asks for.

        Raises:
            UnsupportedError: It is not here, or does not know the recipe's expression.
        """
        return guides.chosen(self.readers, recipe)

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Denoise step by step; the last item is the image with its attention maps."""
        return self._stream(recipe, Recorder(self.denoiser.config.latent_size))

    def draft(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """The same pixels without previews and attention maps."""
        return self._stream(recipe, None)

    def _stream(self, recipe: Recipe, recorder: Recorder | None) -> Iterator[Progress | Generation]:
        recipe = editing.with_person(recipe)
        conditions = condition(recipe, self.encoder, self.denoiser, self.adapter)
        curve: list[GuidancePoint] = []
        decode = partial(decoding.decode, self.codec)
        latents = denoising.initial_noise(recipe.seed, self.latent_shape)
        steps, before, psnr, layout = recipe.steps, 0, None, None
        if recipe.reference is not None:
            layout = yield from self.lay_out(recipe)
            decode = partial(layout.decode, self.codec)
            latents, psnr = layout.start, layout.psnr
            steps = before = layout.steps
        denoise = self._guided(recipe, conditions, recorder, curve.append, layout)
        for step in denoising.sample(denoise, latents, recipe.scheduler, recipe.steps, last=steps):
            latents = step.latents
            wanted = recorder is not None and step.index % PREVIEW_EVERY == 1 and step.index < steps
            preview = decode(step.clean) if wanted else None
            yield Progress(before + step.index, before + steps, "denoising", preview)
        attention = attention_maps(recorder, conditions, recipe) if recorder else AttentionMaps()
        yield Generation(decode(latents), attention, latents, tuple(curve), psnr)

    @torch.no_grad()
    def lay_out(self, recipe: Recipe) -> Generator[Progress, None, Layout]:
        """Invert a recipe's reference step by step; returns where its denoising starts.

        Raises:
            RequestError: There is no such sample.
            ImageError: The reference is damaged.
        """
        assert recipe.reference is not None
        image = editing.pixels_of(recipe.reference, self.codec.config.image_size)
        clean = self.codec.encode(decoding.to_tensor(image[None]))
        shown = editing.shown_aus(recipe, self.directions, clean)
        source = self.source(recipe, shown)
        denoise = guidance.plain(self.denoiser, source)
        steps, start = editing.steps_of(recipe), clean
        for step in editing.carry_back(denoise, clean, recipe):
            start = step.latents
            yield Progress(step.index, 2 * steps, "inverting")
        back = decoding.decode(self.codec, editing.round_trip(denoise, start, recipe))
        target = au_target(recipe)
        change = target - shown if sets_aus(recipe) else None
        keep = 1.0 if recipe.keep is None else recipe.keep
        held = editing.held_places(self.directions, clean, change, keep)
        return Layout(image, clean, start, steps, held, source, decibels.psnr(image, back))

    def source(self, recipe: Recipe, shown: Tensor) -> Context:
        """The condition under which a reference is inverted: who it shows, and which AUs.

        Args:
            recipe: Says who; without AUs of its own, those shown stay out too, so that words alone
                change nothing else.
            shown: (1, 36) in 0-1.
        """
        bare = editing.without_words(recipe)
        person = condition(bare, self.encoder, self.denoiser, self.adapter).empty
        scale = recipe.au_scale if sets_aus(recipe) else 0.0
        return replace(person, au=self.adapter(shown, torch.tensor([scale])))

    def _guided(
        self,
        recipe: Recipe,
        conditions: Conditions,
        recorder: Recorder | None,
        told: Callable[[GuidancePoint], None],
        layout: Layout | None,
    ) -> Denoise:
        guide = partial(self._guide, recipe, recorder, layout)
        denoise = guide(conditions)
        if recipe.guidance.semantic:
            settings = semantic.Settings.of(recipe)
            denoise = semantic.semantic_guidance(
                lambda full: guide(replace(conditions, full=full)),
                self.denoiser,
                conditions.full,
                self.reader(recipe),
                settings,
                told,
            )
        return denoise if layout is None else layout.holding(denoise)

    def _guide(
        self,
        recipe: Recipe,
        recorder: Recorder | None,
        layout: Layout | None,
        conditions: Conditions,
    ) -> Denoise:
        denoise = guidance.classifier_free(
            self.denoiser,
            conditions,
            text=recipe.guidance.text,
            au=recipe.guidance.au,
            recorder=recorder,
        )
        if not conditions.has_aus:
            return denoise
        if layout is not None:
            strength = editing.LEAVING * recipe.guidance.au
            denoise = editing.leaving(denoise, self.denoiser, layout.source, strength)
        target = au_target(recipe)
        return guidance.au_steering(denoise, self.directions, target, STEERING * recipe.au_scale)

    def probe(self) -> feranno.Probe:
        """The U-Net and the condition under which FERAnno looks through it."""
        return feranno.Probe.build(self.codec, self.denoiser, self.adapter, self.encoder)

    def fingerprint(self) -> str:
        """SHA-256 over the weights that make features."""
        return feranno.fingerprint(self.codec, self.denoiser, self.adapter)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one sample's latents."""
        config = self.denoiser.config
        return config.latent_channels, config.latent_size, config.latent_size


def attention_maps(recorder: Recorder, conditions: Conditions, recipe: Recipe) -> AttentionMaps:
    """Recorded maps by AU asked for (the mean of its sides) and by word."""
    mass = {}
    by_au, by_token = recorder.mean("au"), recorder.mean("text")
    if by_au is not None and len(by_au) == len(AU_SLOTS):
        for key in recipe.action_units:
            rows = [AU_SLOTS.index(slot) for slot in slots_of(key)]
            mass[key] = by_au[rows].mean(0).numpy()
    if by_token is not None:
        for index, (word, tokens) in enumerate(conditions.words):
            mass[f"word:{index}:{word}"] = by_token[list(tokens)].mean(0).numpy()
    return AttentionMaps(mass)
