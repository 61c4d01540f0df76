"""Stage 2: the denoiser, on latents, with text and identity.

Text is dropped in an eighth of the samples, the person in half of them and else each group of the
identity code in a seventh, so that either can be left out when generating.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from synfer_core.facekit.identity import IDENTITY_GROUPS
from synfer_core.models import codec as codecs
from synfer_core.models import denoiser as denoisers
from synfer_core.models.attention import AUInput
from synfer_core.models.denoiser import TRAIN_STEPS, Context, Denoiser, DenoiserConfig
from synfer_core.models.text import shared_encoder
from synfer_core.training.latents import LatentSet, load_or_build
from synfer_core.training.loop import Loop, Losses, Schedule


@dataclass(frozen=True)
class DenoiserTraining:
    """Settings of the stage.

    Attributes:
        denoiser: Sizes of the network.
        batch: Samples a step.
        drop_text: Share of samples without text.
        drop_person: Share of samples without identity.
        drop_group: Share of groups left out of the other samples' identity codes.
    """

    denoiser: DenoiserConfig
    batch: int = 32
    drop_text: float = 0.12
    drop_person: float = 0.5
    drop_group: float = 0.15


@dataclass(frozen=True)
class Batch:
    """Noisy latents, what was added, and what conditions them."""

    noisy: Tensor
    timesteps: Tensor
    velocity: Tensor
    context: Context


class Noiser:
    """Draws timesteps and noise, and the v that goes with them."""

    def __init__(self) -> None:
        self.scheduler = denoisers.ddim()

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Clean latents (B, C, s, s) to noisy latents, timesteps (B,) and v."""
        timesteps = torch.randint(TRAIN_STEPS, (len(clean),), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        return noisy, timesteps, self.scheduler.get_velocity(clean, noise, timesteps)


def draw_known(
    count: int, drop_person: float, drop_group: float, generator: torch.Generator
) -> Tensor:
    """(count, groups) in 0-1: which groups of the identity code each sample keeps."""
    groups = torch.rand(count, len(IDENTITY_GROUPS), generator=generator) >= drop_group
    person = torch.rand(count, 1, generator=generator) >= drop_person
    return (groups & person).float()


def draw_text(
    samples: LatentSet, rows: Tensor, drop: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Text states and mask of the rows, the empty text's in a share `drop` of them."""
    empty = torch.rand(len(rows), generator=generator) < drop
    states, mask = samples.states[rows].float(), samples.mask[rows]
    states = torch.where(empty[:, None, None], samples.null_states, states)
    return states, torch.where(empty[:, None], samples.null_mask, mask)


def draw_batch(
    samples: LatentSet,
    denoiser: Denoiser,
    noiser: Noiser,
    config: DenoiserTraining,
    generator: torch.Generator,
) -> Batch:
    """A training batch without AUs."""
    rows = torch.randint(len(samples), (config.batch,), generator=generator)
    noisy, timesteps, velocity = noiser(samples.latents[rows].float(), generator)
    states, mask = draw_text(samples, rows, config.drop_text, generator)
    known = draw_known(config.batch, config.drop_person, config.drop_group, generator)
    context = denoiser.context(states, mask, samples.codes[rows], known)
    return Batch(noisy, timesteps, velocity, context)


def train(
    config: DenoiserTraining,
    schedule: Schedule,
    data: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
) -> None:
    """Train a denoiser and write ``denoiser.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        models: Folder with ``codec.safetensors``.
        out: Folder for state, log, cached latents and weights.
        resume: Go on from the state in `out`.
        start: Weights to start from.

    Raises:
        DataError: The data set is empty.
        WeightsError: The codec is missing, or `start` does not fit.
    """
    codec, _ = codecs.load(models / "codec.safetensors")
    encoder = shared_encoder()
    samples, held_out = (
        load_or_build(data, split, out / f"latents-{split}.safetensors", codec, encoder)
        for split in ("train", "val")
    )
    torch.manual_seed(schedule.seed)
    denoiser = denoisers.load(start)[0].train() if start else Denoiser(config.denoiser)
    if start is None:
        denoiser.identity.fit(samples.codes)
    denoiser = denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop(denoiser, schedule, out, resume=resume)
    noiser = Noiser()

    def losses(generator: torch.Generator) -> Losses:
        batch = draw_batch(samples, denoiser, noiser, config, generator)
        output = denoiser(batch.noisy, batch.timesteps, batch.context)
        return {"total": F.mse_loss(output, batch.velocity)}

    def measure() -> Mapping[str, float]:
        averaged = cast(Denoiser, loop.averaged.module)
        denoisers.save(averaged, out / "denoiser.safetensors")
        return {"loss": validation_loss(held_out, averaged, config)}

    loop.run(losses, measure)


def validation_loss(held_out: LatentSet, denoiser: Denoiser, config: DenoiserTraining) -> float:
    """Mean loss over eight fixed batches of held-out samples."""
    generator = torch.Generator().manual_seed(0)
    noiser = Noiser()
    total = 0.0
    for _ in range(8):
        batch = draw_batch(held_out, denoiser, noiser, config, generator)
        output = denoiser(batch.noisy, batch.timesteps, batch.context)
        total += float(F.mse_loss(output, batch.velocity)) / 8
    return total


def with_aus(context: Context, au: AUInput) -> Context:
    """The same context with AU tokens."""
    return Context(context.tokens, context.mask, au)
