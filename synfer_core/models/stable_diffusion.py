"""Stable Diffusion 1.x and 2.x class models as a backbone (`sd_parts` reads them).

Rombach et al. 2022, https://arxiv.org/abs/2112.10752. Guidance, samplers, semantic guidance and
inversion are those of the built-in model; what differs is what such a model lacks: it has no
identity codes, its edits hold nothing, and it moves AUs only where an adapter was trained. The
person of a picture it keeps where there is an IP-Adapter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from synfer_core import decibels, decoding, denoising, editing, guidance, prompts, semantic
from synfer_core.conditioning import Conditions, prompt_of, sets_aus
from synfer_core.errors import UnsupportedError
from synfer_core.facs import AU_SLOTS, to_slots
from synfer_core.guidance import Denoise
from synfer_core.models import guides, hub, ip_adapter, memory, sd_adapter, sd_parts
from synfer_core.models.added import HUB, Added
from synfer_core.models.attention import AUInput, Recorder, attention_maps
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.backbone import (
    NO_SCENE,
    Capabilities,
    Generation,
    check_picture,
    check_scene,
    check_size,
    check_variation,
    strengths,
    with_guidance,
    with_weights,
)
from synfer_core.models.denoiser import Context
from synfer_core.models.feranno import PROBE, Probe, spelled
from synfer_core.models.ip_adapter import IPAdapter
from synfer_core.models.memory import Plan
from synfer_core.models.sd_adapter import SDAdapter
from synfer_core.models.sd_parts import Parts, SDCodec, SDDenoiser
from synfer_core.report import GuidancePoint, Pixels, Progress
from synfer_core.request import Recipe
from synfer_core.semantic import Reader

if TYPE_CHECKING:
    from synfer_core.calibration import FERAnnoReader

NO_ADAPTER = "has no AU adapter; name one with --backbone NAME=WHERE,adapter=FILE"
NO_IDENTITY = "keeps no identity: the person follows from words and seed"
NO_FACE = "has no IP-Adapter; name one with --backbone NAME=WHERE,face=DIR"
FROM_PICTURE = "keeps the person of a picture, not of a seed or a code"
NO_HOLDING = "knows no directions of AUs in its latents, so an edit holds nothing"
NO_SIDES = "moves both sides of the face alike"
USUAL_GUIDANCE = 7.5
"""Of words and AUs alike, as in the pipeline of `diffusers`; at 1 the words are hardly heard."""
ONE_TOKEN = "reads all AUs as one token, so there is no map for each"


@dataclass(frozen=True)
class StableDiffusion:
    """A Stable Diffusion class model with what was put into its U-Net.

    Attributes:
        name: Its name in recipes.
        origin: Where its weights lie, for people to read.
        parts: Text encoder, U-Net and autoencoder.
        plan: How it is fitted into memory.
        adapters: What is injected, in order.
        sha256: Hash over all weights that make pixels but those of `face`.
        readers: Classifiers that semantic guidance may follow.
        feranno: FERAnno for its features, where there is one.
        face: The IP-Adapter that keeps the person of a picture, where there is one.
    """

    name: str
    origin: str
    parts: Parts
    plan: Plan
    adapters: tuple[SDAdapter, ...] = ()
    sha256: str = ""
    readers: Mapping[str, Reader] = field(default_factory=dict)
    feranno: FERAnnoReader | None = None
    face: IPAdapter | None = None

    @classmethod
    def load(
        cls,
        added: Added,
        guiding: Path | None = None,
        *,
        plan: Plan | None = None,
        device: torch.device | None = None,
    ) -> StableDiffusion:
        """Read a model with its adapter, LoRA, IP-Adapter and FERAnno.

        Args:
            added: What to read.
            guiding: Folder in which to look for a classifier of images that may guide.
            plan: How to fit it into memory; None lets `memory.choose` decide.
            device: Where it works; None takes a GPU where there is one.

        Raises:
            WeightsError: A file is missing or damaged, or does not fit the model.
            UnreachableError: It has to be fetched from the hub, which does not answer.
            DependencyError: There is a LoRA, and `peft` is not installed.
            CapacityError: The machine has too little memory.
        """
        folder, fetched = hub.folder_of(added.where), added.where.startswith(HUB)
        device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if plan is None:
            weights, sizes = sd_parts.count_weights(folder), sd_parts.sizes_of(folder)
            free = memory.free_bytes(device.type)
            if added.face is not None and device.type == "cpu":
                weights += ip_adapter.count_weights(added.face)
            plan = memory.choose(device.type, free, weights, sizes.latent_size)
        parts = sd_parts.read(folder, plan, device)
        adapters, digests = sd_adapter.of(added)
        for adapter in adapters:
            adapter.inject(parts.denoiser.unet, parts.text.encoder)
            if adapter.units is not None:
                for layers in (adapter.units.keys, adapter.units.values):
                    layers.to(device, parts.denoiser.unet.dtype)
        face = None
        if added.face is not None:
            face = ip_adapter.load(added.face, parts.denoiser.unet, device)
            face.inject(parts.denoiser.unet)
        digest = hashlib.sha256("".join((parts.sha256, *digests)).encode()).hexdigest()
        # Gradients do not come back from an autoencoder that has left its device.
        readers: dict[str, Reader] = {}
        if guiding is not None and not plan.offload:
            readers = dict(guides.on_images(guiding, parts.codec.decode))
        origin = re.sub(r"[^\w./ -]", "_", added.where if fetched else folder.name)
        model = cls(added.name, origin, parts, plan, adapters, digest, readers, face=face)
        return model if added.feranno is None else model._with_feranno(added.feranno)

    def _with_feranno(self, path: Path) -> StableDiffusion:
        from synfer_core.calibration import FERAnnoReader

        return replace(self, feranno=FERAnnoReader.load(path, self))

    @property
    def codec(self) -> SDCodec:
        """Images to latents and back."""
        return self.parts.codec

    @property
    def denoiser(self) -> SDDenoiser:
        """Predicts v."""
        return self.parts.denoiser

    @property
    def units(self) -> AUAdapter | None:
        """The AU adapter, or None."""
        return next((a.units for a in self.adapters if a.units is not None), None)

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do, and why not the rest."""
        units, face = self.units, self.face is not None
        reasons = {
            "identity": FROM_PICTURE if face else NO_IDENTITY,
            "holding": NO_HOLDING,
            "scene": NO_SCENE,
        }
        reasons |= {} if face else {"identity_image": NO_FACE}
        reasons |= {} if units is not None else {"aus": NO_ADAPTER}
        reasons |= {} if units is None or units.sided else {"sides": NO_SIDES}
        return Capabilities(
            name=self.name,
            title=f"Stable Diffusion ({self.name})",
            note=f"Weights from {self.origin}, trained on pictures from the web: it can show what "
            "looks like a real person.",
            image_size=self.codec.config.image_size,
            aus=() if units is None else units.aus,
            text=True,
            identity=False,
            guidance=True,
            attention=True,
            steps=True,
            semantic=bool(self.readers),
            guides=tuple(self.readers),
            editing=True,
            guidance_text=USUAL_GUIDANCE,
            guidance_au=USUAL_GUIDANCE,
            identity_image=face,
            sides=units is not None and units.sided,
            aligned=False,
            good_for="Closest to photographs; it may show a real person. Slow on a CPU.",
            reasons=reasons,
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights' hash and the strengths of guidance filled in.

        Raises:
            RequestError: The recipe names other weights, or a sample that is not there, or a text
                has too many tokens.
            ImageError: The recipe's reference, or its picture of the person, is damaged.
            UnsupportedError: It asks for what this backbone cannot do.
        """
        check_size(recipe, self.capabilities)
        check_picture(recipe, self.capabilities)
        check_scene(recipe, self.capabilities)
        check_variation(recipe, self.capabilities)
        for name in ("identity_seed", "identity_code"):
            if getattr(recipe, name) is not None:
                why = self.capabilities.reasons["identity"]
                raise UnsupportedError(f"this model {why}", field=name, allowed="nothing")
        if recipe.keep is not None:
            raise UnsupportedError(f"this model {NO_HOLDING}", field="keep", allowed="nothing")
        self._check_aus(recipe)
        if recipe.reference is not None:
            self.reference(recipe)
        self.parts.text.check(*_texts(recipe))
        weights = guides.weights_of(self.sha256, self.readers, recipe)
        if self.face is not None:
            weights = self.face.weights_of(weights, recipe)
        return with_guidance(with_weights(recipe, weights), self.capabilities)

    def _check_aus(self, recipe: Recipe) -> None:
        abilities = self.capabilities
        for key in recipe.action_units:
            if abilities.moves(key):
                continue
            sided = key.lstrip("AU")[0] in "LR" and bool(abilities.aus)
            why = "sides" if sided and not abilities.sides else "aus"
            raise UnsupportedError(
                f"{abilities.title} {abilities.reasons.get(why, 'cannot move it')}",
                field=f"aus.{key}",
                allowed=", ".join(abilities.aus) or "no AUs",
            )

    def reader(self, recipe: Recipe) -> Reader:
        """The classifier that a recipe with semantic guidance asks for (see `guides.chosen`)."""
        return guides.chosen(self.readers, recipe)

    def reference(self, recipe: Recipe) -> Pixels:
        """The face to start from, brought to this model's size.

        Raises:
            RequestError: There is no such sample.
            ImageError: The picture is damaged.
            UnsupportedError: It is not square.
        """
        assert recipe.reference is not None
        picture, size = editing.square_of(recipe.reference), self.codec.config.image_size
        return np.array(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Denoise step by step; the last item is the image with its attention maps."""
        conditions, recorder = self.condition(recipe), self.recorder()
        curve: list[GuidancePoint] = []
        latents = denoising.initial_noise(recipe.seed, self.latent_shape)
        steps, before, psnr = recipe.steps, 0, None
        if recipe.reference is not None:
            steps = before = editing.steps_of(recipe)
            latents, psnr = yield from self._invert(recipe)
        denoise = self._guided(recipe, conditions, recorder, curve.append)
        for step in self._sample(denoise, latents, recipe, steps):
            latents = step.latents
            yield Progress(before + step.index, before + steps, "denoising")
        image = decoding.decode(self.codec, latents)
        maps = attention_maps(recorder, recipe.action_units, conditions.words)
        note = prompts.note_on_commands(*_texts(recipe)[0])
        notes = () if note is None else (note,)
        yield Generation(image, maps, latents, tuple(curve), psnr, notes=notes)

    def _sample(
        self, denoise: Denoise, latents: Tensor, recipe: Recipe, steps: int
    ) -> Iterator[denoising.Step]:
        schedule = self.denoiser.schedule
        return denoising.sample(
            denoise, latents, recipe.scheduler, recipe.steps, last=steps, schedule=schedule
        )

    @torch.no_grad()
    def _invert(self, recipe: Recipe) -> Generator[Progress, None, tuple[Tensor, float]]:
        """Latents where the denoising of a reference starts, and its round trip's PSNR in dB.

        It is inverted without words and picture, under the AUs that it is known to show.
        """
        image, schedule = self.reference(recipe), self.denoiser.schedule
        start = clean = self.codec.encode(decoding.to_tensor(image[None]))
        known = editing.known_aus(recipe) or {}
        shown = {key: value for key, value in known.items() if self.capabilities.moves(key)}
        bare = editing.without_words(recipe).model_copy(update={"aus": shown})
        denoise = guidance.plain(self.denoiser, self.condition(bare).full)
        for step in editing.carry_back(denoise, clean, recipe, schedule=schedule):
            start = step.latents
            yield Progress(step.index, 2 * editing.steps_of(recipe), "inverting")
        back = editing.round_trip(denoise, start, recipe, schedule=schedule)
        return start, decibels.psnr(image, decoding.decode(self.codec, back))

    def condition(self, recipe: Recipe) -> Conditions:
        """Tokens for one recipe; those of the person are a picture's, or there are none.

        Raises:
            RequestError: A text is too long for the encoder.
        """
        asked, fields = _texts(recipe)
        texts = self.parts.text(asked, fields=fields)
        au = self._au_tokens(recipe)
        images = (None, None) if self.face is None else self.face.read(recipe)
        full, empty = (
            Context(texts.states[i : i + 1], texts.mask[i : i + 1], au, image=image)
            for i, image in enumerate(images)
        )
        acts = au is not None and sets_aus(recipe)
        return Conditions(full, empty.without_au(), acts, texts.words[0])

    def _au_tokens(self, recipe: Recipe) -> AUInput | None:
        units = self.units
        if units is None:
            return None
        # An adapter that was never switched off in training reads zeros where no AU is asked for.
        scale = recipe.au_scale if sets_aus(recipe) or not units.sided else 0.0
        # An adapter in training is where the U-Net is; a loaded one makes its tokens on the CPU.
        place = next(units.parameters()).device
        aus = torch.tensor([to_slots(recipe.action_units)], device=place)
        with torch.no_grad():
            tokens: AUInput = units(aus, torch.tensor([scale], device=place))
        return tokens

    def recorder(self) -> Recorder:
        """Records the maps of the layers with a quarter of the latents' places on a side."""
        return Recorder(max(4, self.codec.config.latent_size // 4))

    def _guided(
        self,
        recipe: Recipe,
        conditions: Conditions,
        recorder: Recorder,
        told: Callable[[GuidancePoint], None],
    ) -> Denoise:
        (text, au), denoiser = strengths(recipe, self.capabilities), self.denoiser
        guide = partial(guidance.classifier_free, denoiser, text=text, au=au, recorder=recorder)
        if not recipe.guidance.semantic:
            return guide(conditions)
        settings, reader = semantic.Settings.of(recipe), self.reader(recipe)
        return semantic.semantic_guidance(
            lambda full: guide(replace(conditions, full=full)),
            denoiser,
            conditions.full,
            reader,
            settings,
            told,
            denoiser.schedule,
        )

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one sample's latents."""
        sizes = self.codec.config
        return sizes.latent_channels, sizes.latent_size, sizes.latent_size

    def probe(self) -> Probe:
        """The U-Net and the condition under which FERAnno looks through it."""
        text = self.parts.text([PROBE])
        units = self.units
        with torch.no_grad():
            au = None if units is None else units(torch.ones(1, len(AU_SLOTS)), torch.zeros(1))
        context = Context(text.states, text.mask, au)
        words = spelled(text)
        return Probe(self.codec, self.denoiser, context, words, self.denoiser.schedule)

    def fingerprint(self) -> str:
        """SHA-256 over the weights that make features."""
        return self.sha256


def _texts(recipe: Recipe) -> tuple[list[str], tuple[str, str]]:
    """What is to be read, and the recipe's fields that it stands in."""
    field = "text" if recipe.enriched_text is None else "enriched_text"
    return [prompt_of(recipe), recipe.negative_text], (field, "negative_text")
