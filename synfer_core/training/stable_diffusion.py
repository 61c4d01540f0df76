"""Stages on a Stable Diffusion model whose own weights stay frozen: AU adapter, LoRA, FERAnno.

The adapter is trained as IP-Adapter is (Ye et al. 2023, https://arxiv.org/abs/2308.06721), the
LoRA as Hu et al. 2021 (https://arxiv.org/abs/2106.09685) on all attention layers, FERAnno as on
the built-in model. Latents and text states are computed once and kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from synfer_core.decoding import fitted, to_tensor
from synfer_core.errors import DataError
from synfer_core.facs import AU_SLOTS
from synfer_core.models import lora as loras
from synfer_core.models import sd_adapter
from synfer_core.models.added import Added
from synfer_core.models.attention import AUInput
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.denoiser import Context
from synfer_core.models.lora import LORA_FILE, Lora
from synfer_core.models.memory import Plan
from synfer_core.models.sd_adapter import SDAdapter
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.training import captioned, feranno, sd_samples
from synfer_core.training.captioned import Captioned
from synfer_core.training.diffusion import LatentSet, Noiser, draw_text, fixed_loss
from synfer_core.training.feranno import FERAnnoTraining
from synfer_core.training.loop import Loop, Losses, Schedule, device_of, precision_of
from synfer_core.training.placement import Placement
from synfer_core.training.sd_samples import Pictures

ADAPTER_FILE = "sd-adapter.safetensors"
FERANNO_FILE = "feranno.safetensors"
LAYERS = ["to_q", "to_k", "to_v", "to_out.0"]
"""The attention layers that a LoRA changes."""
_NAME = "adapter"


@dataclass(frozen=True)
class SDTraining:
    """Settings of the stages.

    Attributes:
        batch: Samples a step.
        without_text: Share of samples without words, so that they can be left out later.
        rank: Of the LoRA.
        sample_steps: Denoising steps of the sample images.
        feranno: Settings of FERAnno's stage but for the batch.
    """

    batch: int = 4
    without_text: float = 0.1
    rank: int = 4
    sample_steps: int = 20
    feranno: FERAnnoTraining = field(default_factory=lambda: FERAnnoTraining(reading=2))


@dataclass(frozen=True)
class Run:
    """One stage to be run.

    Attributes:
        settings: Of the stage.
        schedule: Time budget and rates.
        data: Captioned faces (see `captioned`).
        added: The model.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        limit: Read at most this many faces.
        placement: The processes that train together; None is this one alone.
        gradient_checkpointing: Work activations of the U-Net out again for the gradients, which
            takes less memory and more time.
    """

    settings: SDTraining
    schedule: Schedule
    data: Path
    added: Added
    out: Path
    resume: bool = False
    limit: int | None = None
    placement: Placement | None = None
    gradient_checkpointing: bool = False

    def model(self) -> StableDiffusion:
        """The model in float32, which training needs; the schedule may halve the forward pass."""
        device = torch.device(self.schedule.device)
        model = StableDiffusion.load(self.added, plan=Plan("float32"), device=device)
        if self.gradient_checkpointing:
            model.denoiser.unet.enable_gradient_checkpointing()
        return model

    def loop(self, net: nn.Module) -> Loop:
        """The loop that trains `net`."""
        return Loop(net, self.schedule, self.out, resume=self.resume, placement=self.placement)

    def samples(self, model: StableDiffusion, *, with_aus: bool) -> tuple[LatentSet, LatentSet]:
        """What to train on, and what is held out (see `encode`)."""
        faces = islice(captioned.read(self.data), self.limit)
        return encode(model, faces, self.schedule, with_aus=with_aus)


class LoraWeights(nn.Module):
    """The weights of a LoRA in a U-Net, shared with it; a copy of this has copies of them.

    Args:
        unet: The U-Net.
        name: Of the LoRA in it.
    """

    def __init__(self, unet: Any, name: str):
        super().__init__()
        part = f".{name}."
        found = {n.replace(part, "."): p for n, p in unet.named_parameters() if part in n}
        self.names = tuple(found)
        self.weights = nn.ParameterList(found.values())

    def table(self) -> dict[str, Tensor]:
        """The weights by name."""
        return dict(zip(self.names, self.weights, strict=True))


def train_adapter(run: Run) -> None:
    """Train an AU adapter and write ``sd-adapter.safetensors`` into `out`; a LoRA stays as it is.

    Faces without AUs are left out.

    Raises:
        DataError: There are no faces with AUs for training, or none for validation.
        WeightsError: The model is missing, damaged or of another kind.
    """
    model = run.model()
    samples, held_out = run.samples(model, with_aus=True)
    torch.manual_seed(run.schedule.seed)
    unet = model.denoiser.unet
    units = AUAdapter.for_unet(unet, unet.config.cross_attention_dim)
    loop = run.loop(units)
    units.inject(unet)

    def save(averaged: nn.Module) -> None:
        adapter = SDAdapter(cast(AUAdapter, averaged))
        sd_adapter.save(adapter, run.out / ADAPTER_FILE)

    shown = partial(sd_samples.draw, model, units, sd_samples.rising(run.settings.sample_steps))
    _run(loop, partial(loss, model, units, run.settings), samples, held_out, save, shown)
    units.eject(unet)


def train_lora(run: Run) -> None:
    """Train a LoRA on captions and write ``pytorch_lora_weights.safetensors`` into `out`.

    AUs are needed only where the model has an adapter, which is there while the LoRA trains and is
    not changed.

    Raises:
        DataError: There are no faces for training, or none for validation.
        WeightsError: The model is missing, damaged or of another kind.
        DependencyError: `peft` is not installed.
    """
    loras.check_peft()
    from peft import LoraConfig

    model = run.model()
    units = model.units
    samples, held_out = run.samples(model, with_aus=units is not None)
    torch.manual_seed(run.schedule.seed)
    unet = model.denoiser.unet
    rank = run.settings.rank
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=LAYERS), _NAME)
    weights = LoraWeights(unet, _NAME)
    loop = run.loop(weights)

    def save(averaged: nn.Module) -> None:
        loras.save(cast(LoraWeights, averaged).table(), run.out / LORA_FILE)

    recipes = sd_samples.captions(run.data, run.settings.sample_steps)
    shown = partial(sd_samples.draw, model, None, recipes)
    _run(loop, partial(loss, model, units, run.settings), samples, held_out, save, shown)
    loras.take(Lora.of_unet(weights.table()), _NAME, unet)


def train_feranno(run: Run) -> None:
    """Train FERAnno on the model's features and write ``feranno.safetensors`` into `out`.

    The data must be a rendered data set, as FERAnno needs expressions and AUs, and the model must
    have the adapter and the LoRA that it will have when it is used.

    Raises:
        DataError: The data set is empty.
        WeightsError: The model is missing or damaged.
    """
    settings = run.settings.feranno
    method, path = feranno.on_model(run.model(), settings), run.out / FERANNO_FILE
    feranno.learn(
        method,
        settings,
        run.schedule,
        run.data,
        path,
        resume=run.resume,
        limit=run.limit,
        placement=run.placement,
    )


@torch.no_grad()
def encode(
    model: StableDiffusion, faces: Iterator[Captioned], schedule: Schedule, *, with_aus: bool
) -> tuple[LatentSet, LatentSet]:
    """Latents, text states and AUs of faces: those for training, and those held out.

    Raises:
        DataError: One of the two is empty.
    """
    rows: dict[bool, list[tuple[Tensor, Tensor, Tensor]]] = {False: [], True: []}
    size = model.codec.config.image_size
    for face in faces:
        if with_aus and face.aus is None:
            continue
        latents = model.codec.encode(fitted(to_tensor(face.image[None]), size))
        states = model.parts.text([face.caption], cut=True).states
        aus = torch.tensor([face.aus or (0.0,) * len(AU_SLOTS)])
        rows[face.held_out].append((latents.half(), states.half(), aus))
    for held_out, found in rows.items():
        if not found:
            what = "held out for validation" if held_out else "for training"
            raise DataError(f"has no faces {what}", field="--data", allowed="at least one")
    null = model.parts.text([""]).states
    train, kept = (_joined(rows[held_out], null).to(schedule.device) for held_out in (False, True))
    return train, kept


def _joined(rows: list[tuple[Tensor, Tensor, Tensor]], null: Tensor) -> LatentSet:
    latents, states, aus = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return LatentSet(
        latents=latents,
        states=states,
        mask=torch.ones(states.shape[:2], dtype=torch.bool),
        aus=aus,
        null_states=null,
        null_mask=torch.ones(null.shape[:2], dtype=torch.bool),
    )


def loss(
    model: StableDiffusion,
    units: AUAdapter | None,
    config: SDTraining,
    samples: LatentSet,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of what the U-Net predicts, noise or v, on a random batch."""
    denoiser = model.denoiser
    rows = torch.randint(len(samples), (config.batch,), generator=generator)
    clean = samples.latents[rows].float()
    noisy, timesteps, velocity = Noiser(denoiser.schedule)(clean, generator)
    states, mask = draw_text(samples, rows, config.without_text, generator)
    au: AUInput | None = None
    if units is not None:
        place = device_of(units.tokens)
        au = units(samples.aus[rows].to(place), torch.ones(config.batch, device=place))
    error = denoiser(noisy, timesteps, Context(states, mask, au)) - velocity
    if denoiser.prediction == "epsilon":
        # An error of v is one of noise over the signal's share.
        error = error * denoiser.alphas.to(error)[timesteps].sqrt()[:, None, None, None]
    return error.square().mean()


def _run(
    loop: Loop,
    loss: Callable[[LatentSet, torch.Generator], Tensor],
    samples: LatentSet,
    held_out: LatentSet,
    save: Callable[[nn.Module], None],
    shown: Callable[[], Mapping[str, Pictures]],
) -> None:
    def losses(generator: torch.Generator) -> Losses:
        return {"total": loss(samples, generator)}

    def measure() -> Mapping[str, float]:
        save(loop.averaged.module)
        with swapped(loop.model, loop.averaged.module):
            if loop.board is not None:
                with precision_of(loop.schedule):
                    for name, images in shown().items():
                        loop.board.pictures(name, images, loop.step)
            return {"loss": fixed_loss(partial(loss, held_out))}

    loop.run(losses, measure)


@contextmanager
def swapped(net: nn.Module, other: nn.Module) -> Iterator[None]:
    """While it lasts, two networks of one shape have each other's parameters."""

    def swap() -> None:
        for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
            ours.data, theirs.data = theirs.data, ours.data

    swap()
    try:
        yield
    finally:
        swap()
