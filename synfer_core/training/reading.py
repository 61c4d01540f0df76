"""What the stages `classifier`, `judge` and `au-reader` share: a face in, its labels out.

Every net also learns the AUs where its images have them: 36 numbers say more about a face than one
of eight words, and small data sets go further. Free mixes of AUs have no label, so only the AU
reader sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synfer_core.decoding import to_tensor
from synfer_core.errors import DataError
from synfer_core.facs import AU_SLOTS, MAX_INTENSITY, MIRRORED_SLOTS
from synfer_core.models import classifier as classifiers
from synfer_core.models.classifier import (
    Classifier,
    ClassifierConfig,
    Kind,
    Reading,
)
from synfer_core.training import dataset
from synfer_core.training.augment import Augmentation, augment, mirror
from synfer_core.training.dataset import UNLABELLED, FaceSet
from synfer_core.training.loop import Loop, Losses, Schedule, device_of

SLIGHT = 1.5
"""The least intensity that rounds to B."""


@dataclass(frozen=True)
class ReadingTraining:
    """Settings of a reading stage.

    Attributes:
        kind: What the network will be.
        net: Its sizes.
        batch: Images a step.
        smoothing: Label smoothing of the expressions.
        au_weight: Weight of the AU loss beside the expressions'.
        side_weight: Weight of the loss of left less right beside that of each slot.
        augmentation: How images are changed.
    """

    kind: Kind
    net: ClassifierConfig
    batch: int = 48
    smoothing: float = 0.05
    au_weight: float = 0.5
    side_weight: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class Spread:
    """How much intensities in 0-1 vary over the training images.

    Attributes:
        slots: (36,) variance of each AU slot.
        sides: (36,) variance of each slot less that of the other side.
    """

    slots: Tensor
    sides: Tensor

    @classmethod
    def of(cls, aus: NDArray[np.float32], device: torch.device) -> Self:
        """The spread of intensities (N, 36); what never varies gets a floor."""
        slots = aus.var(axis=0) + 0.01
        sides = (aus - aus[:, MIRRORED_SLOTS]).var(axis=0) + 0.002
        return cls(torch.from_numpy(slots).to(device), torch.from_numpy(sides).to(device))


def identities(folder: Path) -> frozenset[int]:
    """All identity seeds of a rendered data set.

    Raises:
        DataError: The folder has no shards.
    """
    shards = sorted(folder.glob("shard-*.parquet"))
    if not shards:
        raise DataError("no images", field=folder.name, allowed="a rendered data set")
    columns = (pq.read_table(shard, columns=["identity"])["identity"] for shard in shards)
    return frozenset(i for column in columns for i in column.to_pylist())


def refuse_shared_identities(folder: Path, other: Path) -> None:
    """Make sure that two data sets show different people.

    Raises:
        DataError: Someone is in both.
    """
    shared = identities(folder) & identities(other)
    if shared:
        raise DataError(
            f"{len(shared)} identities are also in {other.name}",
            field=folder.name,
            allowed="a data set rendered from another seed",
        )


def labelled(faces: FaceSet) -> NDArray[np.int64]:
    """Rows that carry an expression."""
    rows: NDArray[np.int64] = np.flatnonzero(faces.expressions != UNLABELLED)
    return rows


def slight_and_up(faces: FaceSet) -> NDArray[np.bool_]:
    """Rows whose strongest AU is at B or more; neutral faces count.

    AU25 is left out: its label follows the lip gap, which is wide in faint expressions too.
    """
    others = [i for i, slot in enumerate(AU_SLOTS) if slot != "AU25"]
    strong = faces.aus[:, others].max(axis=1) * MAX_INTENSITY >= SLIGHT
    result: NDArray[np.bool_] = strong | (faces.expressions == 0)
    return result


def accuracy(net: Classifier, faces: FaceSet) -> float:
    """Share of labelled faces at B and up that `net` reads right."""
    rows = labelled(faces)
    rows = rows[slight_and_up(faces)[rows]]
    read = classifiers.probabilities(net, faces.images[rows]).argmax(1)
    return float((read == faces.expressions[rows]).mean())


def correlations(net: Classifier, faces: FaceSet) -> NDArray[np.float64]:
    """Pearson's r between read and true intensity for each AU slot; 0 where it never varies."""
    read = classifiers.intensities(net, faces.images)
    return np.array([pearson(read[:, i], faces.aus[:, i]) for i in range(len(AU_SLOTS))])


def pearson(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's r of two series, 0 where one is constant."""
    x, y = a.astype(np.float64) - a.mean(), b.astype(np.float64) - b.mean()
    norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / norm if norm > 0 else 0.0


def train_reader(
    config: ReadingTraining,
    schedule: Schedule,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    limit: int | None = None,
    apart_from: Path | None = None,
) -> Classifier:
    """Train a reading network and write ``<kind>.safetensors`` into `out`.

    Args:
        config: Settings of the stage.
        schedule: Time budget and rates.
        data: A rendered data set.
        out: Folder for state, log and weights.
        resume: Go on from the state in `out`.
        start: Weights to start from.
        limit: Use at most this many training images.
        apart_from: The generator's data set; sharing an identity with it is refused.

    Raises:
        DataError: The data set is empty, or shares identities with `apart_from`.
        WeightsError: `start` does not fit.
    """
    if apart_from is not None:
        refuse_shared_identities(data, apart_from)
    faces = dataset.load(data, "train", limit=limit)
    held_out = dataset.load(data, "val", limit=1600)
    torch.manual_seed(schedule.seed)
    net = _network(config, start)
    loop = Loop(net, schedule, out, resume=resume)
    losses = batches(config, net, faces)

    def measure() -> Mapping[str, float]:
        averaged = cast(Classifier, loop.averaged.module)
        classifiers.save(averaged, out / f"{config.kind}.safetensors", config.kind)
        return figures(averaged, held_out)

    loop.run(losses, measure)
    return classifiers.load(out / f"{config.kind}.safetensors", config.kind)[0]


def _network(config: ReadingTraining, start: Path | None) -> Classifier:
    net: Classifier = classifiers.load(start, config.kind)[0] if start else Classifier(config.net)
    net.train().requires_grad_(True)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def figures(net: Classifier, faces: FaceSet) -> dict[str, float]:
    """Accuracy and mean r, as far as the network has the heads."""
    values: dict[str, float] = {}
    if net.expressions is not None:
        values["accuracy"] = accuracy(net, faces)
    if net.aus is not None:
        r = correlations(net, faces)
        values |= {"r": float(r.mean()), "r_least": float(r.min())}
    return values


def batches(
    config: ReadingTraining, net: Classifier, faces: FaceSet
) -> Callable[[torch.Generator], Losses]:
    """The function that draws a batch and returns its losses."""
    rows = labelled(faces) if config.net.expressions else np.arange(len(faces))
    if not len(rows):
        raise DataError("no image carries an expression", field="expression")
    device = device_of(net)
    spread = Spread.of(faces.aus[rows], device)

    def losses(generator: torch.Generator) -> Losses:
        batch = rows[dataset.draw(generator, config.batch, len(rows))]
        expressions = torch.from_numpy(faces.expressions[batch]).to(device)
        aus = torch.from_numpy(faces.aus[batch]).to(device)
        images = to_tensor(faces.images[batch], device)
        images, aus = mirror(images, aus, expressions, generator)
        images = augment(images, generator, config.augmentation)
        return reading_losses(config, net(images), aus, expressions, spread)

    return losses


def reading_losses(
    config: ReadingTraining,
    reading: Reading,
    aus: Tensor,
    expressions: Tensor,
    spread: Spread,
) -> Losses:
    """Cross-entropy of the expressions and squared error of the AUs, each over its variance.

    Rare units vary little; without `spread` they would hardly be learned. Sides differ still less:
    in a sum over slots the difference drowns, so it has a loss of its own.
    """
    total = aus.new_zeros(())
    parts: dict[str, Tensor] = {}
    if reading.expressions is not None:
        logits = reading.expressions.float()
        loss = F.cross_entropy(logits, expressions, label_smoothing=config.smoothing)
        parts["expression"] = loss
        total = total + loss
    if reading.aus is not None:
        error = reading.aus - aus
        parts["au"] = (error**2 / spread.slots).mean()
        weight = config.au_weight if "expression" in parts else 1.0
        total = total + weight * parts["au"]
        if config.side_weight:
            apart = error - error[:, MIRRORED_SLOTS]
            parts["sides"] = (apart**2 / spread.sides).mean()
            total = total + weight * config.side_weight * parts["sides"]
    return {"total": total, **parts}
