"""Stage `latent-classifier`: the expression off latents, for semantic guidance to follow.

What guidance shows it is no clean face but the denoiser's prediction of one, in which everything
that the noise still hides is missing. The stage makes such latents in closed form: noise is added
as in training a denoiser, and the best linear prediction for each latent (Wiener's filter), with
mean m and variance s of the training set and a the cumulative alpha of a random timestep, is

    x0 = m + s sqrt(a) / (s a + 1 - a) (x_t - sqrt(a) m),    x_t = sqrt(a) x + sqrt(1 - a) noise

Early on that is next to the mean face, which no one can read; the classifier learns to say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from synfer_core.decoding import to_tensor
from synfer_core.models import codec as codecs
from synfer_core.models import latent_classifier as classifiers
from synfer_core.models.codec import Codec
from synfer_core.models.denoiser import ddim
from synfer_core.models.latent_classifier import FILE, LatentClassifier, LatentClassifierConfig
from synfer_core.training import dataset
from synfer_core.training.dataset import UNLABELLED, FaceSet
from synfer_core.training.loop import Loop, Losses, Schedule
from synfer_core.training.reading import slight_and_up

_BATCH = 64


@dataclass(frozen=True)
class LatentTraining:
    """Settings of the stage.

    Attributes:
        batch: Latents a step.
        smoothing: Label smoothing of the expressions.
        au_weight: Weight of the AU loss beside the expressions'.
        noisiest: Timesteps are drawn below this one, of 1000.
        read_at: Timesteps at which accuracy is measured.
    """

    batch: int = 128
    smoothing: float = 0.05
    au_weight: float = 0.3
    noisiest: int = 900
    read_at: tuple[int, ...] = (0, 300, 600)


@dataclass(frozen=True)
class LabelledLatents:
    """Row i of every field is one image.

    Attributes:
        latents: (N, C, s, s) float32.
        aus: (N, 36) float32 in 0-1.
        expressions: (N,) int64, `dataset.UNLABELLED` where there is no label.
        slight: (N,) bool, whether something shows; see `reading.slight_and_up`.
    """

    latents: Tensor
    aus: Tensor
    expressions: Tensor
    slight: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def to(self, device: str) -> LabelledLatents:
        """The same on another device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items()})


@torch.no_grad()
def encode(faces: FaceSet, codec: Codec) -> LabelledLatents:
    """Latents of a data set, with its labels."""
    parts = [
        codec.encode(to_tensor(faces.images[rows])) for rows in dataset.chunks(len(faces), _BATCH)
    ]
    return LabelledLatents(
        latents=torch.cat(parts),
        aus=torch.from_numpy(faces.aus),
        expressions=torch.from_numpy(faces.expressions),
        slight=torch.from_numpy(np.asarray(slight_and_up(faces))),
    )


class Predictor:
    """Latents as the best linear prediction finds them behind noise.

    Args:
        mean: (C, s, s) of the training set.
        deviation: (C, s, s) of the training set.
    """

    def __init__(self, mean: Tensor, deviation: Tensor):
        self.mean = mean
        self.variance = deviation.square()
        self.alphas = ddim().alphas_cumprod.to(mean.device)

    def __call__(self, clean: Tensor, timesteps: Tensor, generator: torch.Generator) -> Tensor:
        """Predictions (B, C, s, s) of clean latents at timesteps (B,) in 0-999."""
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        alpha = self.alphas[timesteps.to(clean.device)][:, None, None, None]
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        gain = self.variance * alpha.sqrt() / (self.variance * alpha + 1 - alpha)
        predicted: Tensor = self.mean + gain * (noisy - alpha.sqrt() * self.mean)
        return predicted


def train(
    config: LatentTraining,
    schedule: Schedule,
    data: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    limit: int | None = None,
) -> LatentClassifier:
    """Train a latent classifier and write ``latent-classifier.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set, the generator's own.
        models: Folder with ``codec.safetensors``.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        start: Weights to start from.
        limit: Use at most this many training images.

    Raises:
        DataError: The data set is empty.
        WeightsError: The codec is missing, or `start` learned another codec's latents.
    """
    codec, _ = codecs.load(models / "codec.safetensors")
    samples = encode(dataset.load(data, "train", limit=limit), codec).to(schedule.device)
    held_out = encode(dataset.load(data, "val", limit=1600), codec).to(schedule.device)
    torch.manual_seed(schedule.seed)
    net = classifiers.load(start, codec)[0] if start else _fresh(samples, codec)
    loop = Loop(net.train().requires_grad_(True), schedule, out, resume=resume)
    spread = samples.aus.var(0) + 0.01

    def losses(generator: torch.Generator) -> Losses:
        return latent_losses(net, samples, spread, config, generator)

    def measure() -> Mapping[str, float]:
        averaged = cast(LatentClassifier, loop.averaged.module)
        classifiers.save(averaged, out / FILE)
        return {
            f"accuracy_{timestep}": accuracy(averaged, held_out, timestep)
            for timestep in config.read_at
        }

    loop.run(losses, measure)
    return classifiers.load(out / FILE, codec)[0]


def _fresh(samples: LabelledLatents, codec: Codec) -> LatentClassifier:
    config = LatentClassifierConfig(
        codec=codec.linear.fingerprint(),
        latent_size=codec.config.latent_size,
        latent_channels=codec.config.latent_channels,
    )
    net = LatentClassifier(config)
    net.fit(samples.latents.cpu())
    return net


def latent_losses(
    net: LatentClassifier,
    samples: LabelledLatents,
    spread: Tensor,
    config: LatentTraining,
    generator: torch.Generator,
) -> Losses:
    """Cross-entropy of the expressions where there is one, and squared error of the AUs.

    Each AU's error counts over its variance `spread` (36,): rare units vary little.
    """
    rows = torch.randint(len(samples), (config.batch,), generator=generator)
    timesteps = torch.randint(config.noisiest, (config.batch,), generator=generator)
    rows = rows.to(samples.latents.device)
    predict = Predictor(net.mean, net.deviation)
    reading = net(predict(samples.latents[rows], timesteps, generator))
    expression = expression_loss(
        reading.expressions.float(), samples.expressions[rows], config.smoothing
    )
    aus = ((reading.aus.float() - samples.aus[rows]).square() / spread).mean()
    return {"total": expression + config.au_weight * aus, "expression": expression, "au": aus}


def expression_loss(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy of logits (B, 8) over the labelled ones of targets (B,); 0 without any."""
    known = targets != UNLABELLED
    each = F.cross_entropy(
        logits, targets.clamp_min(0), reduction="none", label_smoothing=smoothing
    )
    return (each * known).sum() / known.sum().clamp_min(1)


@torch.no_grad()
def accuracy(net: LatentClassifier, samples: LabelledLatents, timestep: int) -> float:
    """Share of the labelled faces at B and up that is read right behind noise of a timestep."""
    rows = (samples.expressions != UNLABELLED) & samples.slight
    clean, targets = samples.latents[rows], samples.expressions[rows]
    generator = torch.Generator().manual_seed(timestep)
    predict = Predictor(net.mean, net.deviation)
    seen = predict(clean, torch.full((len(clean),), timestep), generator)
    parts = [net(seen[part]).expressions for part in dataset.chunks(len(seen), _BATCH)]
    return float((torch.cat(parts).argmax(1) == targets).float().mean())
