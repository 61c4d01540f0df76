"""The built-in model: codec, denoiser and AU adapter, put together as a backbone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from synfer_core import decoding, denoising, guidance
from synfer_core.conditioning import Conditions, condition
from synfer_core.errors import RequestError, UnsupportedError, WeightsError
from synfer_core.facs import ACTION_UNITS, AU_SLOTS, slots_of, to_slots
from synfer_core.guidance import Denoise
from synfer_core.models import au_adapter, au_directions, codec, denoiser
from synfer_core.models.attention import Recorder
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.au_directions import AUDirections
from synfer_core.models.backbone import Capabilities, Generation
from synfer_core.models.codec import Codec
from synfer_core.models.denoiser import Denoiser
from synfer_core.models.text import TextEncoder, shared_encoder
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe

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
    """

    codec: Codec
    denoiser: Denoiser
    adapter: AUAdapter
    directions: AUDirections
    encoder: TextEncoder
    sha256: str

    @classmethod
    def load(cls, folder: Path) -> BuiltinModel:
        """Read codec, denoiser, adapter and AU directions from a folder.

        Raises:
            WeightsError: A file is missing, damaged, or does not fit the others.
        """
        codes, first = codec.load(folder / "codec.safetensors")
        unet, second = denoiser.load(folder / "denoiser.safetensors")
        adapter, third = au_adapter.load(folder / "au-adapter.safetensors")
        directions, fourth = au_directions.load(folder / "au-directions.safetensors")
        if unet.config.latent_size != codes.config.latent_size:
            raise WeightsError("does not fit the codec", field="denoiser.safetensors")
        adapter.inject(unet.unet)
        digest = hashlib.sha256("".join((first, second, third, fourth)).encode()).hexdigest()
        return cls(codes, unet, adapter, directions, shared_encoder(), digest)

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do."""
        return Capabilities(
            name="builtin",
            title="Built-in diffusion model",
            note="Trained on computer renders only; no person's photo is in it.",
            image_size=self.codec.config.image_size,
            aus=tuple(au.key for au in ACTION_UNITS.values()),
            text=True,
            identity=True,
            guidance=True,
            attention=True,
            steps=True,
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights' hash filled in.

        Raises:
            RequestError: The recipe names other weights.
            UnsupportedError: The recipe asks for another size than the model's.
        """
        size = self.codec.config.image_size
        if recipe.size not in (None, size):
            raise UnsupportedError(f"this model makes {size} px", field="size", allowed=str(size))
        if recipe.weights_sha256 not in (None, self.sha256):
            raise RequestError(
                "the recipe was made with other weights",
                field="weights_sha256",
                allowed=self.sha256,
            )
        return recipe.model_copy(update={"weights_sha256": self.sha256})

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Denoise step by step; the last item is the image with its attention maps."""
        conditions = condition(recipe, self.encoder, self.denoiser, self.adapter)
        recorder = Recorder(self.denoiser.config.latent_size)
        denoise = self._guided(recipe, conditions, recorder)
        noise = denoising.initial_noise(recipe.seed, self.latent_shape)
        latents = noise
        for step in denoising.sample(denoise, noise, recipe.scheduler, recipe.steps):
            latents = step.latents
            wanted = step.index % PREVIEW_EVERY == 1 and step.index < recipe.steps
            preview = decoding.decode(self.codec, step.clean) if wanted else None
            yield Progress(step.index, recipe.steps, "denoising", preview)
        image = decoding.decode(self.codec, latents)
        yield Generation(image, attention_maps(recorder, conditions, recipe), latents)

    def _guided(self, recipe: Recipe, conditions: Conditions, recorder: Recorder) -> Denoise:
        denoise = guidance.classifier_free(
            self.denoiser,
            conditions,
            text=recipe.guidance.text,
            au=recipe.guidance.au,
            recorder=recorder,
        )
        if not conditions.has_aus:
            return denoise
        target = torch.tensor([to_slots(recipe.action_units)])
        return guidance.au_steering(denoise, self.directions, target, STEERING * recipe.au_scale)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one sample's latents."""
        config = self.denoiser.config
        return config.latent_channels, config.latent_size, config.latent_size


def attention_maps(recorder: Recorder, conditions: Conditions, recipe: Recipe) -> AttentionMaps:
    """Recorded maps by AU asked for (the mean of its sides) and by word."""
    mass = {}
    by_au, by_token = recorder.mean("au"), recorder.mean("text")
    if by_au is not None:
        for key in recipe.action_units:
            rows = [AU_SLOTS.index(slot) for slot in slots_of(key)]
            mass[key] = by_au[rows].mean(0).numpy()
    if by_token is not None:
        for index, (word, tokens) in enumerate(conditions.words):
            mass[f"word:{index}:{word}"] = by_token[list(tokens)].mean(0).numpy()
    return AttentionMaps(mass)
