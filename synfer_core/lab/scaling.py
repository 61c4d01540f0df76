"""Accuracy against the size of the data set, as SynFER measures what its data is worth
(https://arxiv.org/abs/2410.09865).

Every cell of the plan is one training with one seed and the test of what it learned. All cells of a
method see equally many images, so that what differs is how many of them are different. Within a
source and a seed, smaller sets lie within larger ones. What a cell came to is written aside under a
name that holds a hash of all that decides it, and a later run takes it from there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from synfer_core.errors import DataError, RequestError
from synfer_core.files import MAX_TEXT_BYTES, read_text_bytes, write_whole
from synfer_core.lab import nets, probe, steps, supervised
from synfer_core.lab.augment import Strength
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import NetConfig, Recogniser
from synfer_core.lab.pretraining import METHODS, Method, pretrain
from synfer_core.lab.steps import Budget, Tell
from synfer_core.lab.target import Target
from synfer_core.training.attributes import balanced_accuracy

Paradigm = Literal["supervised", "aligned"] | Method
PARADIGMS: tuple[Paradigm, ...] = ("supervised", "aligned", *METHODS)
CELLS = "cells"
FORMAT = 1
"""Part of what decides a cell: to be raised when the lab's training changes."""

_LEAST = 16
_VIEWS = 2


@dataclass(frozen=True, order=True)
class Cell:
    """One training and its test.

    Attributes:
        source: Name of what is learned from.
        method: ``supervised``; ``aligned``, the same brought near to real faces; or a
            self-supervised method with a linear probe on the same images.
        size: Images.
        seed: Of the choice of images, and of training.
    """

    source: str
    method: Paradigm
    size: int
    seed: int

    @property
    def by_labels(self) -> bool:
        """Whether the training looks at labels."""
        return self.method in ("supervised", "aligned")


@dataclass(frozen=True)
class Outcome:
    """What a cell came to.

    Attributes:
        accuracy, balanced: Share of the test read right, and its mean over the expressions.
        seconds: That it took where it was made.
    """

    accuracy: float
    balanced: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        sizes: Numbers of images.
        methods: How they are learned from.
        seeds: Trainings of each, at least 2.
        reference: Images of the real set that the reference line learns from, at most.
        net: The network.
        augment: Of supervised training.
        supervised, pretraining: Budgets; their seeds are the cells'.
    """

    sizes: tuple[int, ...] = (250, 500, 1000, 2000, 5000)
    methods: tuple[Paradigm, ...] = ("supervised", "simclr")
    seeds: int = 3
    reference: int = 1000
    net: NetConfig = field(default_factory=NetConfig)
    augment: Strength = "wide"
    supervised: Budget = field(default_factory=lambda: Budget(10_000, 64))
    pretraining: Budget = field(default_factory=lambda: Budget(8_000, 64))

    def __post_init__(self) -> None:
        if self.seeds < 2:
            raise RequestError("is out of range", field="--seeds", allowed="2 or more")
        if min((*self.sizes, self.reference)) < _LEAST or not self.sizes:
            raise RequestError("is out of range", field="--sizes", allowed="16 images or more")
        if not self.methods or set(self.methods) - set(PARADIGMS):
            raise RequestError("is not known", field="--methods", allowed=", ".join(PARADIGMS))

    def budget(self, cell: Cell) -> Budget:
        """What a cell may see."""
        usual = self.supervised if cell.by_labels else self.pretraining
        return replace(usual, seed=cell.seed)

    def cost(self, cell: Cell) -> int:
        """Images that go through the network in a cell; a second view counts."""
        samples = self.budget(cell).samples
        return samples if cell.by_labels else _VIEWS * samples


@dataclass(frozen=True)
class Bench:
    """Where cells are made.

    Attributes:
        plan: What is compared.
        sources: What is learned from, by name; all with labels.
        test: All with labels.
        folder: Gets a file for each cell.
        real: Name of the source that draws the reference line; None for none.
        target: What method ``aligned`` brings the sources near to.
    """

    plan: Plan
    sources: Mapping[str, Faces]
    test: Faces
    folder: Path
    real: str | None = None
    target: Target | None = None

    def __post_init__(self) -> None:
        if "aligned" in self.plan.methods and self.target is None:
            raise RequestError("method aligned needs real faces", field="--align", allowed="DIR")

    def cells(self) -> list[Cell]:
        """The plan's cells, all of one seed before the next.

        Sizes that a source has not are left out.

        Raises:
            DataError: No source has enough images for any size.
        """
        cells = [
            Cell(name, method, size, seed)
            for seed in range(self.plan.seeds)
            for name, faces in self.sources.items()
            for size in self._sizes(name, faces)
            for method in self.plan.methods
            if (name, method) != (self.real, "aligned")
        ]
        if all(cell.source == self.real for cell in cells):
            raise DataError("no source has so many images", field="--sizes")
        return cells

    def _sizes(self, name: str, faces: Faces) -> list[int]:
        if name == self.real:
            return [min(self.plan.reference, len(faces))]
        return [size for size in sorted(set(self.plan.sizes)) if size <= len(faces)]

    def run(self, tell: Tell = steps.untold) -> dict[Cell, Outcome]:
        """Every cell's outcome, from its file where there is one.

        Args:
            tell: Called with images seen and in all, those of the cells that must be made.
        """
        outcomes = {cell: self.kept(cell) for cell in self.cells()}
        missing = [cell for cell, outcome in outcomes.items() if outcome is None]
        total = sum(self.plan.cost(cell) for cell in missing)
        done = 0
        for cell in missing:
            outcomes[cell] = self.make(cell, _shifted(tell, done, self.plan.cost(cell), total))
            done += self.plan.cost(cell)
        return {cell: outcome for cell, outcome in outcomes.items() if outcome is not None}

    def make(self, cell: Cell, tell: Tell = steps.untold) -> Outcome:
        """Train and test one cell, and write down what came of it."""
        start = time.perf_counter()
        net = self.learned(cell, tell)
        read = nets.in_batches(net, self.test.images).argmax(1)
        outcome = Outcome(
            accuracy=float((read == self.test.labels).mean()),
            balanced=balanced_accuracy(read, self.test.labels),
            seconds=round(time.perf_counter() - start, 2),
        )
        path = self.path(cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(outcome)).encode() + b"\n")
        return outcome

    def learned(self, cell: Cell, tell: Tell = steps.untold) -> Recogniser:
        """The network of a cell."""
        faces = self.sources[cell.source].first(cell.size, cell.seed)
        if cell.method == "supervised":
            return self._by_labels(cell, faces, None, tell)
        if cell.method == "aligned":
            return self._by_labels(cell, faces, self.target, tell)
        budget = self.plan.budget(cell)
        return probe.fit(pretrain(cell.method, faces, self.plan.net, budget, tell=tell), faces)

    def _by_labels(self, cell: Cell, faces: Faces, target: Target | None, tell: Tell) -> Recogniser:
        plan = self.plan
        weighed = target.weigh(faces, cell.seed) if target else None
        net = supervised.train(
            faces,
            plan.net,
            plan.budget(cell),
            plan.augment,
            weights=weighed.weights if weighed else None,
            tell=tell,
        )
        if target:
            target.adapt(net)
        return net

    def kept(self, cell: Cell) -> Outcome | None:
        """What an earlier run came to; None where there was none.

        Raises:
            DataError: Its file is damaged.
        """
        path = self.path(cell)
        if not path.is_file():
            return None
        try:
            return Outcome(**json.loads(read_text_bytes(path, str(path), limit=MAX_TEXT_BYTES)))
        except (ValueError, TypeError) as error:
            raise DataError("is damaged; delete it", field=str(path)) from error

    def path(self, cell: Cell) -> Path:
        """The file of a cell; its name holds a hash of all that decides the outcome."""
        learned: Any = self.plan.augment if cell.by_labels else probe.PENALTY
        if cell.method == "aligned":
            learned = [learned, *self._target_decides]
        decides: dict[str, Any] = {
            "format": FORMAT,
            "cell": {**asdict(cell), "source": self._hashes[cell.source]},
            "test": self._test_hash,
            "net": asdict(self.plan.net),
            "budget": asdict(self.plan.budget(cell)),
            "learned": learned,
        }
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
        name = f"{cell.source}-{cell.method}-{cell.size}-{cell.seed}-{digest[:12]}.json"
        return self.folder / CELLS / name

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {name: faces.sha256() for name, faces in self.sources.items()}

    @cached_property
    def _target_decides(self) -> list[object]:
        return self.target.decides() if self.target else []

    @cached_property
    def _test_hash(self) -> str:
        return self.test.sha256()


def _shifted(tell: Tell, before: int, cost: int, total: int) -> Callable[[int, int], None]:
    """Tells of one cell as a part of all."""
    return lambda done, samples: tell(before + cost * done // samples, total)
