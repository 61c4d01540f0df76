"""Stage 3: the AU adapter, with the U-Net frozen.

Words are dropped in half of the samples, so that the units alone must move the face; the adapter
itself is dropped in none: without it the U-Net is what stage 2 left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch.nn import functional as F

from synfer_core.models import au_adapter as adapters
from synfer_core.models import codec as codecs
from synfer_core.models import denoiser as denoisers
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.denoiser import Denoiser
from synfer_core.training.denoiser import Dropout, Noiser, draw_batch, fixed_loss, with_aus
from synfer_core.training.latents import LatentSet, load_splits
from synfer_core.training.loop import Loop, Losses, Schedule


@dataclass(frozen=True)
class AdapterTraining:
    """Settings of the stage.

    Attributes:
        batch: Samples a step.
        dropout: What samples go without.
    """

    batch: int = 32
    dropout: Dropout = Dropout(text=0.5, person=0.25, group=0.15)


def adapter_loss(
    samples: LatentSet,
    denoiser: Denoiser,
    adapter: AUAdapter,
    noiser: Noiser,
    config: AdapterTraining,
    generator: torch.Generator,
) -> torch.Tensor:
    """Mean squared error of v on a random batch, the AUs given."""
    batch = draw_batch(samples, denoiser, noiser, config.batch, config.dropout, generator)
    au = adapter(samples.aus[batch.rows], batch.noisy.new_ones(config.batch))
    output = denoiser(batch.noisy, batch.timesteps, with_aus(batch.context, au))
    return F.mse_loss(output, batch.velocity)


def train(
    config: AdapterTraining,
    schedule: Schedule,
    data: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
) -> None:
    """Train an AU adapter and write ``au-adapter.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        models: Folder with ``codec.safetensors`` and ``denoiser.safetensors``.
        out: Folder for state, log, cached latents and weights.
        resume: Go on from the state in `out`.
        start: Weights to start from.

    Raises:
        DataError: The data set is empty.
        WeightsError: A weight file is missing, or `start` does not fit.
    """
    codec, _ = codecs.load(models / "codec.safetensors")
    denoiser, _ = denoisers.load(models / "denoiser.safetensors")
    denoiser.requires_grad_(False).to(schedule.device)
    samples, held_out = (s.to(schedule.device) for s in load_splits(data, out, codec))
    torch.manual_seed(schedule.seed)
    width = denoiser.config.token_width
    adapter = adapters.load(start)[0].train() if start else AUAdapter.for_unet(denoiser.unet, width)
    loop = Loop(adapter, schedule, out, resume=resume)
    noiser = Noiser()
    adapter.inject(denoiser.unet)

    def losses(generator: torch.Generator) -> Losses:
        return {"total": adapter_loss(samples, denoiser, adapter, noiser, config, generator)}

    def measure() -> Mapping[str, float]:
        averaged = cast(AUAdapter, loop.averaged.module)
        adapters.save(averaged, out / "au-adapter.safetensors")
        return {"loss": _validation_loss(held_out, denoiser, adapter, averaged, config)}

    loop.run(losses, measure)
    adapter.eject(denoiser.unet)


def _validation_loss(
    held_out: LatentSet,
    denoiser: Denoiser,
    adapter: AUAdapter,
    averaged: AUAdapter,
    config: AdapterTraining,
) -> float:
    """Mean loss over eight fixed batches, with the averaged adapter in place of the trained."""
    adapter.eject(denoiser.unet)
    averaged.inject(denoiser.unet)
    loss = fixed_loss(partial(adapter_loss, held_out, denoiser, averaged, Noiser(), config))
    averaged.eject(denoiser.unet)
    adapter.inject(denoiser.unet)
    return loss
