"""Stage `feranno`: FERAnno on the frozen denoiser's features of inverted images.

The features are what costs time, so each image's are computed once, with a few changed copies, and
kept in memory; the network itself then sees them many times. The temperature is fitted at every
checkpoint and stored with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.calibration import calibration_error, fit_temperature
from synfer_core.decoding import to_tensor
from synfer_core.models import checkpoints, feranno
from synfer_core.models.feranno import (
    Annotated,
    Features,
    FERAnno,
    FERAnnoConfig,
    Looking,
    Readable,
)
from synfer_core.models.text import shared_encoder
from synfer_core.reference.model import ReferenceModel
from synfer_core.reference.probe import ReadableReference
from synfer_core.training import dataset
from synfer_core.training.augment import Augmentation, augment, mirror
from synfer_core.training.dataset import FaceSet
from synfer_core.training.loop import Loop, Losses, Schedule, device_of, precision_of
from synfer_core.training.placement import Placement
from synfer_core.training.reading import labelled, slight_and_up

_BATCH = 64

Read = Callable[[Tensor], Features]
"""Images (B, 3, S, S) in -1 to 1 as what a network sees, float16."""


@dataclass(frozen=True)
class FERAnnoTraining:
    """Settings of the stage.

    Attributes:
        steps: Steps of the sampler that is inverted.
        taps: Inversion steps whose features are read; ``(0,)`` is one call of the U-Net.
        width: Channels inside.
        blocks: Blocks for each scale.
        copies: Versions of each training image; the first is unchanged.
        batch: Images a step.
        au_weight: Weight of the AU loss beside the expressions'.
        augmentation: How the further copies are changed.
        reading: Images whose features are computed at once.
    """

    steps: int = 20
    taps: tuple[int, ...] = (0,)
    width: int = 160
    blocks: int = 2
    copies: int = 2
    batch: int = 64
    au_weight: float = 0.5
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(noise=0.05, blur=0.8, shrink=1.3)
    )
    reading: int = 64


AROUND = FERAnnoTraining(steps=1, width=128, blocks=1)
"""FERAnno on the model around a reference: one call, at noise alone, where it tells the most.

Half the work a step of two blocks, for features from which ridge regression alone reads 0.90."""


@dataclass(frozen=True)
class FeatureSet:
    """Features of labelled images; row i of every field is one image.

    Attributes:
        features: By places on a side s: (N, channels, s, s) float16.
        expressions: (N,) indices into `facs.EXPRESSIONS`.
        aus: (N, 36) in 0-1.
        slight: (N,) whether the expression is at B or more, or neutral.
    """

    features: Features
    expressions: Tensor
    aus: Tensor
    slight: Tensor

    def __len__(self) -> int:
        return len(self.expressions)

    @property
    def channels(self) -> dict[int, int]:
        """Channels by places on a side."""
        return {side: tensor.shape[1] for side, tensor in self.features.items()}

    def rows(self, rows: Tensor | slice, device: torch.device | str = "cpu") -> Features:
        """Features of some rows as float32."""
        return {side: t[rows].to(device).float() for side, t in self.features.items()}


def build(
    faces: FaceSet, read: Read, config: FERAnnoTraining, *, copies: int, seed: int
) -> FeatureSet:
    """Features of the labelled images of `faces`, `copies` of each."""
    rows = labelled(faces)
    parts: list[tuple[Features, Tensor, Tensor, Tensor]] = []
    generator = torch.Generator().manual_seed(seed)
    slight = slight_and_up(faces)
    for copy in range(copies):
        for chunk in dataset.chunks(len(rows), config.reading):
            batch = rows[chunk]
            images, aus = to_tensor(faces.images[batch]), torch.from_numpy(faces.aus[batch])
            expressions = torch.from_numpy(faces.expressions[batch])
            if copy > 0:
                images, aus = mirror(images, aus, expressions, generator)
                images = augment(images, generator, config.augmentation)
            parts.append((read(images), expressions, aus, torch.from_numpy(slight[batch])))
    return _join(parts)


def inverted(probe: Looking, config: FERAnnoTraining) -> Read:
    """Reads a model's features of inverted images."""

    @torch.no_grad()
    def read(images: Tensor) -> Features:
        features = probe.look(images, config.steps, config.taps)
        return {side: tensor.half() for side, tensor in features.items()}

    return read


def _join(parts: list[tuple[Features, Tensor, Tensor, Tensor]]) -> FeatureSet:
    features, expressions, aus, slight = zip(*parts, strict=True)
    return FeatureSet(
        features={side: torch.cat([f[side] for f in features]) for side in features[0]},
        expressions=torch.cat(expressions),
        aus=torch.cat(aus),
        slight=torch.cat(slight),
    )


def train(
    config: FERAnnoTraining,
    schedule: Schedule,
    data: Path,
    models: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    limit: int | None = None,
) -> FERAnno:
    """Train FERAnno and write ``feranno.safetensors`` into `out`.

    Computing the features comes first and is not part of the time budget.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        models: Folder with the built-in model's weights.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        start: FERAnno to go on from: that of the same denoiser before it was trained on.
        limit: Read at most this many training images.

    Raises:
        DataError: The data set is empty.
        WeightsError: A weight file is missing or damaged, or `start` has other sizes.
    """
    method = on_model(readable(models), config, start)
    path = out / "feranno.safetensors"
    learn(method, config, schedule, data, path, resume=resume, limit=limit)
    return feranno.load(path)[0]


def readable(models: Path) -> ReadableReference:
    """The model whose features are read.

    Raises:
        WeightsError: A file is missing, damaged or does not fit the others.
    """
    return ReadableReference(ReferenceModel.load(models), shared_encoder())


@dataclass(frozen=True)
class Method:
    """A way to read expressions; all ways are trained alike.

    Attributes:
        read: Images as what the network sees.
        network: A fresh network for such features.
        save: Writes it with its temperature.
    """

    read: Read
    network: Callable[[FeatureSet], nn.Module]
    save: Callable[[nn.Module, Path, float], None]


def on_model(model: Readable, config: FERAnnoTraining, start: Path | None = None) -> Method:
    """FERAnno on the features of a model, fresh or as in the file `start`."""
    backbone, probe = model.fingerprint(), model.probe()

    def network(samples: FeatureSet) -> FERAnno:
        net = FERAnno(network_config(config, samples.channels, probe, backbone))
        if start is not None:
            checkpoints.fill(net, checkpoints.load(start, "feranno"), start.name)
        net.fit(samples.rows(slice(0, 2000)))
        return net

    def save(net: nn.Module, path: Path, temperature: float) -> None:
        feranno.save(cast(FERAnno, net), path, temperature=temperature)

    return Method(inverted(probe, config), network, save)


def learn(
    method: Method,
    config: FERAnnoTraining,
    schedule: Schedule,
    data: Path,
    path: Path,
    *,
    resume: bool,
    limit: int | None,
    placement: Placement | None = None,
) -> None:
    """Train a method's network into `path`; state and log go beside it (see `train`)."""
    seed = schedule.seed
    faces = dataset.load(data, "train", limit=limit)
    with precision_of(schedule):
        samples = build(faces, method.read, config, copies=config.copies, seed=seed)
    validation = dataset.load(data, "val", limit=2000)
    held_out = build(validation, method.read, config, copies=1, seed=0)
    torch.manual_seed(seed)
    net = method.network(samples)
    loop = Loop(net, schedule, path.parent, resume=resume, placement=placement)

    def measure() -> Mapping[str, float]:
        figures = measured(loop.averaged.module, held_out)
        method.save(loop.averaged.module, path, figures["temperature"])
        return figures

    loop.run(batches(config, net, samples), measure)


def network_config(
    config: FERAnnoTraining, channels: Mapping[int, int], probe: Looking, backbone: str
) -> FERAnnoConfig:
    """FERAnno for a probe's features, which have these channels by places on a side."""
    return FERAnnoConfig(
        channels=tuple(channels.items()),
        backbone=backbone,
        steps=config.steps,
        taps=config.taps,
        latents=probe.placed(len(config.taps)),
        halves=probe.halves,
        width=config.width,
        blocks=config.blocks,
    )


def batches(
    config: FERAnnoTraining, net: nn.Module, samples: FeatureSet
) -> Callable[[torch.Generator], Losses]:
    """The function that draws a batch and returns its losses."""
    device = device_of(net)
    spread = samples.aus.var(dim=0).to(device) + 0.01

    def losses(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(samples), (config.batch,), generator=generator)
        read: Annotated = net(samples.rows(rows, device))
        expressions, aus = samples.expressions[rows].to(device), samples.aus[rows].to(device)
        expression = F.cross_entropy(read.logits.float(), expressions)
        au = ((read.aus - aus) ** 2 / spread).mean()
        return {"total": expression + config.au_weight * au, "expression": expression, "au": au}

    return losses


def measured(net: nn.Module, held_out: FeatureSet) -> dict[str, float]:
    """Accuracy at B and up, the fitted temperature, and the calibration error under it."""
    parts = (held_out.rows(rows, device_of(net)) for rows in dataset.chunks(len(held_out), _BATCH))
    logits = torch.cat([net(part).logits for part in parts]).float().cpu().numpy()
    labels = held_out.expressions.numpy()
    temperature = fit_temperature(logits, labels)
    slight = held_out.slight.numpy()
    return {
        "accuracy": float((logits.argmax(1) == labels)[slight].mean()),
        "temperature": temperature,
        "ece": calibration_error(softmax(logits / temperature, axis=1), labels),
    }
