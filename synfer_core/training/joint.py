"""Stage 2b: denoiser and AU adapter together, where hours are few.

The paper trains the adapter with the U-Net frozen, which is stage 3. On two CPU cores both learn
faster side by side: the AUs explain what the words leave open. AUs are dropped in a quarter of the
samples, so that the U-Net without its adapter stays a model of its own; stage 3 can go on from
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from synfer_core.models import au_adapter as adapters
from synfer_core.models import codec as codecs
from synfer_core.models import denoiser as denoisers
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.denoiser import Denoiser
from synfer_core.training.denoiser import Batch, Dropout, Noiser, draw_batch, fixed_loss, with_aus
from synfer_core.training.latents import LatentSet, fit_directions, load_splits
from synfer_core.training.loop import Loop, Losses, Schedule


@dataclass(frozen=True)
class JointTraining:
    """Settings of the stage.

    Attributes:
        batch: Samples a step.
        dropout: What samples go without.
        drop_aus: Share of samples without AUs.
        emphasis: How much more a latent counts that AUs explain fully. They explain 3 % of the
            variance within a person, so that without emphasis nothing pulls at the adapter.
    """

    batch: int = 32
    dropout: Dropout = Dropout(text=0.25, person=0.3, group=0.1)
    drop_aus: float = 0.25
    emphasis: float = 20.0


class Pair(nn.Module):
    """A denoiser and its adapter, injected: one module to average and to save."""

    def __init__(self, denoiser: Denoiser, adapter: AUAdapter):
        super().__init__()
        self.denoiser = denoiser
        self.adapter = adapter

    def forward(self, batch: Batch, aus: Tensor, scale: Tensor) -> Tensor:
        """Predicted v of a batch, its AUs (B, 36) in 0-1 acting at `scale` (B,)."""
        self.adapter.inject(self.denoiser.unet)
        context = with_aus(batch.context, self.adapter(aus, scale))
        output: Tensor = self.denoiser(batch.noisy, batch.timesteps, context)
        self.adapter.eject(self.denoiser.unet)
        return output


def joint_loss(
    samples: LatentSet,
    pair: Pair,
    noiser: Noiser,
    weights: Tensor,
    config: JointTraining,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of v on a random batch, weighted by place and channel (C, s, s)."""
    batch = draw_batch(samples, pair.denoiser, noiser, config.batch, config.dropout, generator)
    scale = (torch.rand(config.batch, generator=generator) >= config.drop_aus).float()
    scale = scale.to(batch.noisy.device)
    output = pair(batch, samples.aus[batch.rows], scale)
    loss: Tensor = ((output - batch.velocity).square() * weights).mean()
    return loss


def emphasis(share: Tensor, strength: float) -> Tensor:
    """Weights of mean 1 that rise with the share of the variance that AUs explain."""
    weights = 1 + strength * share
    return weights / weights.mean()


def train(
    config: JointTraining,
    schedule: Schedule,
    data: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
) -> None:
    """Train both and write ``denoiser.safetensors`` and ``au-adapter.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        models: Folder with the codec's and the denoiser's weights, and the adapter's if any.
        out: Folder for state, log, cached latents and weights.
        resume: Go on from the state in `out`.

    Raises:
        DataError: The data set is empty.
        WeightsError: A weight file is missing or damaged.
    """
    codec, _ = codecs.load(models / "codec.safetensors")
    samples, held_out = load_splits(data, out, codec)
    torch.manual_seed(schedule.seed)
    pair = load_pair(models)
    loop = Loop(pair, schedule, out, resume=resume)
    noiser = Noiser()
    weights = emphasis(fit_directions(samples).share, config.emphasis)
    weights = weights.view(samples.latents.shape[1:]).to(schedule.device)
    samples, held_out = samples.to(schedule.device), held_out.to(schedule.device)

    def losses(generator: torch.Generator) -> Losses:
        return {"total": joint_loss(samples, pair, noiser, weights, config, generator)}

    def measure() -> Mapping[str, float]:
        averaged = cast(Pair, loop.averaged.module)
        denoisers.save(averaged.denoiser, out / "denoiser.safetensors")
        adapters.save(averaged.adapter, out / "au-adapter.safetensors")
        loss = partial(joint_loss, held_out, averaged, noiser, weights)
        without = replace(config, drop_aus=1.0)
        return {
            "loss": fixed_loss(partial(loss, config)),
            "no_aus": fixed_loss(partial(loss, without)),
        }

    loop.run(losses, measure)


def load_pair(models: Path) -> Pair:
    """Denoiser and adapter to train; a fresh adapter where there is none yet."""
    denoiser, _ = denoisers.load(models / "denoiser.safetensors")
    path = models / "au-adapter.safetensors"
    width = denoiser.config.token_width
    adapter = adapters.load(path)[0] if path.exists() else AUAdapter.for_unet(denoiser.unet, width)
    return Pair(denoiser.train(), adapter.train())
