"""Does FERAnno read right, know how sure it may be, and find wrong labels?

It is asked about held-out renders of people whom it has not seen, about the same with some labels
made wrong, and about generated images; rivals answer the same questions.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.calibration import (
    adaptive_calibration_error,
    calibration_error,
    doubtful,
    fit_doubt,
)
from synfer_core.errors import DataError
from synfer_core.evaluation.confusion import by_name, confusion, draw_confusion
from synfer_core.evaluation.estimates import Estimate, bootstrap, share
from synfer_core.evaluation.pictures import result
from synfer_core.facs import EXPRESSIONS
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.training import dataset
from synfer_core.training.reading import labelled, refuse_shared_identities, slight_and_up

IMAGES = 800
CORRUPTED = 0.3
"""Share of the labels that are made wrong."""

DOUBTED = 0.04
"""Share of right validation labels that the threshold flags; of other people it may be more."""

BINS = 15
OURS = "feranno"
_CHUNK = 64

Reader = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Images (N, S, S, 3) to calibrated probabilities (N, 8), `facs.EXPRESSIONS` order."""


@dataclass(frozen=True)
class Faces:
    """Labelled renders at intensity B and up; row i of every field is one image.

    Attributes:
        images: (N, S, S, 3) uint8.
        labels: (N,) indices into `facs.EXPRESSIONS`.
        people: (N,) identity seeds.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: NDArray[np.int64]


def faces(data: Path, *splits: str, limit: int | None = None) -> Faces:
    """The labelled images of some splits at intensity B and up (`reading.slight_and_up`).

    Where there are more than `limit`, so many of them are drawn at random, always the same.

    Raises:
        DataError: There is none.
    """
    parts = [_split(data, split) for split in splits]
    images, labels, people = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not len(labels):
        raise DataError(f"no labelled {splits[0]} image at B or more", field=data.name)
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:limit])
    return Faces(images[rows], labels[rows], people[rows])


def _split(
    data: Path, split: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    found = dataset.load(data, split)
    rows = labelled(found)
    rows = rows[slight_and_up(found)[rows]]
    return found.images[rows], found.expressions[rows], found.identities[rows]


def held_out(data: Path, limit: int, apart_from: Path | None = None) -> Faces:
    """Images of people whom FERAnno has not seen.

    Args:
        data: A rendered data set; its test split is taken.
        limit: Images at most.
        apart_from: What FERAnno learned from, if `data` is another data set. Then all of its people
            are unseen, and the train split is taken too; validation images stay apart.

    Raises:
        DataError: There is no such image, or someone is in both data sets.
    """
    if apart_from is None:
        return faces(data, "test", limit=limit)
    refuse_shared_identities(data, apart_from)
    return faces(data, "test", "train", limit=limit)


def corrupt(labels: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.int64]:
    """The labels (N,) with a share of `CORRUPTED` replaced, each by another class at random."""
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(labels), round(CORRUPTED * len(labels)), replace=False)
    given = labels.copy()
    given[wrong] += rng.integers(1, len(EXPRESSIONS), len(wrong))
    return given % len(EXPRESSIONS)


@dataclass(frozen=True)
class Answers:
    """What one reader says of the held-out images.

    Attributes:
        faces: The images with their true labels.
        read: (N, 8) calibrated probabilities.
        threshold: Labels less likely than this are flagged; chosen on validation images.
    """

    faces: Faces
    read: NDArray[np.float32]
    threshold: float

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the likeliest expression is the true one."""
        return np.asarray(self.read.argmax(1) == self.faces.labels)

    def accuracy(self) -> Estimate:
        """Share of images read right."""
        return share(self.faces.people, self.right)

    def ece(self) -> float:
        """Expected calibration error over bins of equal width."""
        return calibration_error(self.read, self.faces.labels, BINS)

    def flagged(self) -> dict[str, Estimate]:
        """Shares of wrong and of right labels that are flagged where some are made wrong."""
        given = corrupt(self.faces.labels)
        flags, wrong = doubtful(self.read, given, self.threshold), given != self.faces.labels
        return {
            "corrupted": share(self.faces.people[wrong], flags[wrong]),
            "right": share(self.faces.people[~wrong], flags[~wrong]),
        }

    def lead(self, rival: Answers) -> Estimate:
        """How much more accurate this reader is than another on the same images."""
        more = self.right.astype(float) - rival.right
        return bootstrap(self.faces.people, lambda rows: float(more[rows].mean()))

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "accuracy": self.accuracy().to_dict(),
            "threshold": round(self.threshold, 4),
            "flagged": {name: e.to_dict() for name, e in self.flagged().items()},
            **self.without_intervals(),
            "bins": self.bins(),
        }

    def without_intervals(self) -> dict[str, Any]:
        """Both calibration errors, and counts of what was read by what is true."""
        table = confusion(self.faces.labels, self.read.argmax(1))
        return {
            "ece": round(self.ece(), 4),
            "adaptive_ece": round(
                adaptive_calibration_error(self.read, self.faces.labels, BINS), 4
            ),
            "confusion": by_name(table),
        }

    def bins(self) -> list[dict[str, float]]:
        """The reliability diagram: images, mean confidence and accuracy where there are images."""
        rows = zip(*reliability(self), strict=True)
        return [
            {"images": int(n), "confidence": round(float(c), 4), "accuracy": round(float(a), 4)}
            for n, c, a in rows
            if n
        ]


@dataclass(frozen=True)
class Generated:
    """Readings of generated images; row i of every field is one image.

    Attributes:
        recipes: What was asked for.
        read: (N, 8) FERAnno's probabilities.
        judged: By judge: (N, 8) probabilities; no judge took part in generation.
    """

    recipes: tuple[Recipe, ...]
    read: NDArray[np.float32]
    judged: Mapping[str, NDArray[np.float32]]

    def to_dict(self) -> dict[str, Any]:
        """Shares of images on which FERAnno agrees with each judge and with the recipe."""
        people = [r.seed for r in self.recipes]
        ours = self.read.argmax(1)
        asked = np.array([EXPRESSIONS.index(r.expression or "neutral") for r in self.recipes])
        return {
            "images": len(self.recipes),
            "with_judge": {
                name: share(people, ours == judged.argmax(1)).to_dict()
                for name, judged in self.judged.items()
            },
            "with_recipe": share(people, ours == asked).to_dict(),
        }


@dataclass(frozen=True)
class Calibration:
    """All answers.

    Attributes:
        answers: By reader; `OURS` is FERAnno.
        validation: How many validation images the thresholds were chosen on.
        generated: Readings of generated images, if any were made.
        weights_sha256: The generator's weights.
        parameters: By reader, how many numbers it learned.
    """

    answers: Mapping[str, Answers]
    validation: int
    generated: Generated | None
    weights_sha256: str
    parameters: Mapping[str, int]

    @property
    def ours(self) -> Answers:
        """What FERAnno says."""
        return self.answers[OURS]

    @cached_property
    def rivals(self) -> Mapping[str, Answers]:
        """What the others say."""
        return {name: a for name, a in self.answers.items() if name != OURS}

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON: FERAnno's on top, the rivals' below."""
        rivals = {
            name: {
                "parameters": self.parameters[name],
                "lead": self.ours.lead(a).to_dict(),
                **a.to_dict(),
            }
            for name, a in self.rivals.items()
        }
        return {
            "images": len(self.ours.faces.labels),
            "people": len(np.unique(self.ours.faces.people)),
            "validation_images": self.validation,
            "weights_sha256": self.weights_sha256,
            "parameters": self.parameters[OURS],
            "corrupted": CORRUPTED,
            "doubted_on_validation": DOUBTED,
            **self.ours.to_dict(),
            "rivals": rivals,
            "generated": self.generated.to_dict() if self.generated else None,
        }

    def lines(self) -> list[str]:
        """The main figures in words."""
        told = [line for name, a in self.answers.items() for line in _told(name, a)]
        told += [f"lead over {name}: {self.ours.lead(a)}" for name, a in self.rivals.items()]
        if self.generated:
            agreed = self.generated.to_dict()["with_judge"]
            told += [f"agrees with judge {n}: {e['value']:.3f}" for n, e in agreed.items()]
        return told

    def diagram(self) -> bytes:
        """Reliability diagrams of all readers, and FERAnno's confusion matrix, as PNG."""
        from matplotlib.figure import Figure

        panels = len(self.answers) + 1
        figure = Figure(figsize=(4 * panels, 4), layout="constrained")
        *axes, last = figure.subplots(1, panels)
        for axis, (name, answers) in zip(axes, self.answers.items(), strict=True):
            _draw(axis, name, answers)
        table = confusion(self.ours.faces.labels, self.ours.read.argmax(1))
        draw_confusion(last, table)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def _told(name: str, answers: Answers) -> list[str]:
    flagged = answers.flagged()
    return [
        f"{name}: accuracy {answers.accuracy()}, calibration error {answers.ece():.3f}",
        f"  flagged below {answers.threshold:.3f}: {flagged['corrupted']} of corrupted labels,"
        f" {flagged['right']} of right ones",
    ]


def reliability(answers: Answers) -> tuple[NDArray[np.float64], ...]:
    """Images, mean confidence and accuracy (nan where empty) in each of `BINS` bins."""
    confidence = answers.read.max(1).astype(np.float64)
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    sums = [
        np.bincount(places, weights=values, minlength=BINS).astype(np.float64)
        for values in (np.ones(len(places)), confidence, answers.right.astype(np.float64))
    ]
    counts, sure, right = sums
    filled = np.where(counts > 0, counts, np.nan)
    return counts, sure / filled, right / filled


def _draw(axis: Any, name: str, answers: Answers) -> None:
    counts, sure, right = reliability(answers)
    middles = (np.arange(BINS) + 0.5) / BINS
    axis.bar(middles, counts / counts.sum(), 0.9 / BINS, color="0.85", label="share of images")
    axis.plot((0, 1), (0, 1), "--", color="0.5", linewidth=1)
    filled = counts > 0
    axis.plot(sure[filled], right[filled], "o-", markersize=4, label="accuracy")
    axis.set(title=f"{name}, ECE {answers.ece():.3f}", xlabel="confidence", xlim=(0, 1))
    axis.set(ylim=(0, 1.02))
    axis.legend(loc="upper left", fontsize=8)


def answer(reader: Reader, validation: Faces, asked: Faces) -> Answers:
    """Ask one reader, and choose its threshold on the validation images."""
    threshold = fit_doubt(in_parts(reader, validation.images), validation.labels, DOUBTED)
    return Answers(asked, in_parts(reader, asked.images), threshold)


def in_parts(reader: Reader, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (N, 8) of many images, some at a time."""
    parts = [reader(images[i : i + _CHUNK]) for i in range(0, len(images), _CHUNK)]
    return np.concatenate(parts)


def generate(
    synthesizer: Synthesizer,
    reader: Reader,
    judges: Mapping[str, Reader],
    wanted: list[Recipe],
    *,
    tell: Callable[[int, int], None],
) -> Generated:
    """Make images and have them read.

    Args:
        synthesizer: The generator.
        reader: FERAnno.
        judges: By name.
        wanted: Such as `first_light.recipes`.
        tell: Called with images done and in all.
    """
    images = []
    for recipe in wanted:
        images.append(result(synthesizer, recipe).image)
        tell(len(images), len(wanted))
    seen = np.stack(images)
    judged = {name: in_parts(judge, seen) for name, judge in judges.items()}
    return Generated(tuple(wanted), in_parts(reader, seen), judged)
