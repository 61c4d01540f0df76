"""Stage 2: the denoiser, on latents, with text and identity.

Text is dropped in an eighth of the samples, the person in half of them and else each group of the
identity code in a seventh, so that either can be left out when generating.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from synfer_core.facekit.identity import IDENTITY_GROUPS
from synfer_core.models import codec as codecs
from synfer_core.models import denoiser as denoisers
from synfer_core.models.attention import AUInput
from synfer_core.models.denoiser import (
    SCHEDULE,
    TRAIN_STEPS,
    Context,
    Denoiser,
    DenoiserConfig,
    NoiseSchedule,
)
from synfer_core.training.latents import LatentSet, load_splits
from synfer_core.training.loop import Loop, Losses, Schedule


@dataclass(frozen=True)
class Dropout:
    """Shares of training samples that go without a condition, so that it can be left out later.

    Attributes:
        text: Share of samples without text.
        person: Share of samples without identity.
        group: Share of groups left out of the other samples' identity codes.
    """

    text: float
    person: float
    group: float


@dataclass(frozen=True)
class DenoiserTraining:
    """Settings of the stage.

    Attributes:
        denoiser: Sizes of the network.
        batch: Samples a step.
        dropout: What samples go without.
    """

    denoiser: DenoiserConfig
    batch: int = 32
    dropout: Dropout = Dropout(text=0.12, person=0.5, group=0.15)


@dataclass(frozen=True)
class Batch:
    """Noisy latents, what was added, and what conditions them; `rows` says which samples."""

    rows: Tensor
    noisy: Tensor
    timesteps: Tensor
    velocity: Tensor
    context: Context


class Noiser:
    """Draws timesteps and noise, and the v that goes with them.

    Args:
        schedule: Of the noise that the denoiser knows.
    """

    def __init__(self, schedule: NoiseSchedule = SCHEDULE) -> None:
        self.scheduler = denoisers.ddim(schedule)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Clean latents (B, C, s, s) to noisy latents, timesteps (B,) and v."""
        timesteps = torch.randint(TRAIN_STEPS, (len(clean),), generator=generator).to(clean.device)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        return noisy, timesteps, self.scheduler.get_velocity(clean, noise, timesteps)


def draw_known(count: int, dropout: Dropout, generator: torch.Generator) -> Tensor:
    """(count, groups) in 0-1: which groups of the identity code each sample keeps."""
    groups = torch.rand(count, len(IDENTITY_GROUPS), generator=generator) >= dropout.group
    person = torch.rand(count, 1, generator=generator) >= dropout.person
    return (groups & person).float()


def draw_text(
    samples: LatentSet, rows: Tensor, drop: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Text states and mask of the rows, the empty text's in a share `drop` of them."""
    empty = (torch.rand(len(rows), generator=generator) < drop).to(samples.mask.device)
    states, mask = samples.states[rows].float(), samples.mask[rows]
    states = torch.where(empty[:, None, None], samples.null_states, states)
    return states, torch.where(empty[:, None], samples.null_mask, mask)


def draw_batch(
    samples: LatentSet,
    denoiser: Denoiser,
    noiser: Noiser,
    count: int,
    dropout: Dropout,
    generator: torch.Generator,
) -> Batch:
    """A training batch of `count` samples, its context without AUs."""
    rows = torch.randint(len(samples), (count,), generator=generator)
    noisy, timesteps, velocity = noiser(samples.latents[rows].float(), generator)
    states, mask = draw_text(samples, rows, dropout.text, generator)
    known = draw_known(count, dropout, generator).to(noisy.device)
    context = denoiser.context(states, mask, samples.codes[rows], known)
    return Batch(rows, noisy, timesteps, velocity, context)


def denoiser_loss(
    samples: LatentSet,
    denoiser: Denoiser,
    noiser: Noiser,
    config: DenoiserTraining,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of v on a random batch."""
    batch = draw_batch(samples, denoiser, noiser, config.batch, config.dropout, generator)
    return F.mse_loss(denoiser(batch.noisy, batch.timesteps, batch.context), batch.velocity)


def fixed_loss(loss: Callable[[torch.Generator], Tensor]) -> float:
    """Mean of a loss over eight batches that are the same every time."""
    generator = torch.Generator().manual_seed(0)
    return sum(float(loss(generator)) for _ in range(8)) / 8


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
    samples, held_out = (s.to(schedule.device) for s in load_splits(data, out, codec))
    torch.manual_seed(schedule.seed)
    denoiser = denoisers.load(start)[0].train() if start else Denoiser(config.denoiser)
    if start is None:
        denoiser.identity.fit(samples.codes.cpu())
    denoiser = denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop(denoiser, schedule, out, resume=resume)
    noiser = Noiser()

    def losses(generator: torch.Generator) -> Losses:
        return {"total": denoiser_loss(samples, denoiser, noiser, config, generator)}

    def measure() -> Mapping[str, float]:
        averaged = cast(Denoiser, loop.averaged.module)
        denoisers.save(averaged, out / "denoiser.safetensors")
        return {"loss": fixed_loss(partial(denoiser_loss, held_out, averaged, noiser, config))}

    loop.run(losses, measure)


def with_aus(context: Context, au: AUInput) -> Context:
    """The same context with AU tokens."""
    return Context(context.tokens, context.mask, au)
