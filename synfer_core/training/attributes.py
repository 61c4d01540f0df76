"""Stage `attributes`: the judge of glasses, beard, hair colour and skin tone.

The loss is the cross-entropy of each attribute, its classes weighted so that rare ones count as
much as common ones; an image whose attribute is open (stubble, no hair) does not count for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synfer_core.decoding import to_tensor
from synfer_core.models import attributes
from synfer_core.models.attributes import CLASSES, FACTORS, AttributeConfig, AttributeReader
from synfer_core.training import dataset
from synfer_core.training.augment import Augmentation, augment
from synfer_core.training.dataset import FaceSet
from synfer_core.training.loop import Loop, Losses, Schedule, device_of
from synfer_core.training.reading import refuse_shared_identities

Targets = Mapping[str, Tensor]
"""(N,) class by attribute, `attributes.UNKNOWN` where it is open."""


@dataclass(frozen=True)
class AttributeTraining:
    """Settings of the stage.

    Attributes:
        net: Sizes of the judge.
        batch: Images a step.
        augmentation: How images are changed; colours less than for other readers, since hair and
            skin are told by them.
    """

    net: AttributeConfig = field(default_factory=AttributeConfig)
    batch: int = 48
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(colour=0.08))


def train(
    config: AttributeTraining,
    schedule: Schedule,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    limit: int | None = None,
    apart_from: Path | None = None,
) -> AttributeReader:
    """Train an attribute judge and write ``attributes.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        limit: Use at most this many training images.
        apart_from: The generator's data set; sharing an identity with it is refused.

    Raises:
        DataError: The data set is empty, or shares identities with `apart_from`.
    """
    if apart_from is not None:
        refuse_shared_identities(data, apart_from)
    faces = dataset.load(data, "train", limit=limit, factors=FACTORS)
    held_out = dataset.load(data, "val", limit=1600, factors=FACTORS)
    torch.manual_seed(schedule.seed)
    net = AttributeReader(config.net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop(net, schedule, out, resume=resume)
    targets = {name: t.to(schedule.device) for name, t in targets_of(faces).items()}
    weights = {name: balance(targets[name], len(CLASSES[name])) for name in CLASSES}

    def losses(generator: torch.Generator) -> Losses:
        rows = dataset.draw(generator, config.batch, len(faces))
        images = to_tensor(faces.images[rows], device_of(net))
        images = augment(flipped(images, generator), generator, config.augmentation)
        return attribute_losses(net(images), {n: t[rows] for n, t in targets.items()}, weights)

    def measure() -> Mapping[str, float]:
        averaged = cast(AttributeReader, loop.averaged.module)
        attributes.save(averaged, out / "attributes.safetensors")
        return accuracies(averaged, held_out)

    loop.run(losses, measure)
    return AttributeReader.load(out / "attributes.safetensors")


def targets_of(faces: FaceSet) -> dict[str, Tensor]:
    """Classes by attribute; the faces carry `attributes.FACTORS`."""
    columns = [faces.factors[name].tolist() for name in FACTORS]
    rows = [
        attributes.classes_of(dict(zip(FACTORS, values, strict=True)))
        for values in zip(*columns, strict=True)
    ]
    return {name: torch.tensor([row[name] for row in rows]) for name in CLASSES}


def balance(targets: Tensor, classes: int) -> Tensor:
    """Weights (classes,) under which each class weighs the same over the data set, 1 on average."""
    counts = torch.bincount(targets[targets >= 0], minlength=classes).float().clamp_min(1)
    return counts.sum() / (classes * counts)


def attribute_losses(
    logits: Mapping[str, Tensor], targets: Targets, weights: Mapping[str, Tensor]
) -> Losses:
    """Cross-entropy by attribute over the images where it is known, and their sum."""
    parts = {
        name: _cross_entropy(logits[name].float(), targets[name], weights[name]) for name in CLASSES
    }
    return {"total": torch.stack(list(parts.values())).sum(), **parts}


def _cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    known = targets >= 0
    each = F.cross_entropy(logits, targets.clamp_min(0), weights, reduction="none")
    return (each * known).sum() / known.sum().clamp_min(1)


def flipped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (B, 3, S, S), half of them mirrored: no attribute has a side."""
    flip = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flip.to(images.device)[:, None, None, None], images.flip(-1), images)


def accuracies(net: AttributeReader, faces: FaceSet) -> dict[str, float]:
    """By attribute, the mean over its classes of the share read right."""
    read, targets = net.read(faces.images), targets_of(faces)
    return {
        name: balanced_accuracy(read[name].argmax(1), targets[name].numpy()) for name in CLASSES
    }


def balanced_accuracy(read: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Mean over the classes that occur of the share read right; 0 where none occurs."""
    shares = [(read[truth == c] == c).mean() for c in np.unique(truth[truth >= 0])]
    return float(np.mean(shares)) if shares else 0.0
