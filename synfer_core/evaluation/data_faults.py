"""Does a build end well whatever goes wrong? Faults are put in by real means.

Workers raise, are killed (SIGKILL) and meet a full disk (RLIMIT_FSIZE), finished shards are cut
short. Each fault comes once, at a sample or shard that is drawn before.
"""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from synfer_core.data import manifest, shards
from synfer_core.data.building import Build, Checked, made_by
from synfer_core.data.engines import Done, Engine, Event
from synfer_core.data.making import Maker, Workshop
from synfer_core.data.manifest import MANIFEST
from synfer_core.data.plan import Plan
from synfer_core.data.progress import Tally
from synfer_core.errors import RequestError
from synfer_core.report import Result
from synfer_core.request import Recipe

KINDS = ("exception", "killed worker", "full disk", "corrupt shard")
_BYTES = 100
"""A file may have so many on the full disk: fewer than any image."""


def draw(plan: Plan, count: int, seed: int = 0) -> dict[int, str]:
    """By sample, the fault that comes with it; kinds in turn, samples at random.

    Raises:
        RequestError: There are fewer samples than faults.
    """
    if count > plan.total:
        raise RequestError(f"{count} faults", field="--faults", allowed=f"at most {plan.total}")
    chosen = np.random.default_rng(seed).permutation(plan.total)[:count]
    return {int(index): KINDS[i % len(KINDS)] for i, index in enumerate(chosen)}


@dataclass(frozen=True)
class FaultyWorkshop:
    """A workshop in which things go wrong.

    Attributes:
        plan: What is made.
        workshop: Opens the maker.
        faults: From `draw`.
        marks: Folder in which each fault leaves its mark, so that it comes once.
    """

    plan: Plan
    workshop: Workshop
    faults: Mapping[int, str]
    marks: Path

    def open(self) -> Maker:
        """The maker, with faults in its generator."""
        maker = self.workshop.open()
        generate, by_seed = maker.tools.generate, self._by_seed()

        def faulty(recipe: Recipe) -> Result:
            _allow_files()
            index = by_seed.get(recipe.seed)
            if index is not None and self._first(index):
                _fail(self.faults[index])
            return generate(recipe)

        return replace(maker, tools=replace(maker.tools, generate=faulty))

    def _by_seed(self) -> dict[int, int]:
        """Noise seeds tell samples apart; each has one of its own."""
        made = [n for n, kind in self.faults.items() if kind != "corrupt shard"]
        return {self.plan.recipe(self.plan.row(n)).seed: n for n in made}

    def _first(self, index: int) -> bool:
        mark = self.marks / f"{index}"
        if mark.exists():
            return False
        mark.touch()
        return True


def _allow_files() -> None:
    """Take a full disk back."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def _fail(kind: str) -> None:
    if kind == "exception":
        raise RuntimeError("an injected fault")
    if kind == "killed worker":
        os.kill(os.getpid(), signal.SIGKILL)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_BYTES, hard))


@dataclass
class Vandal:
    """Cuts an image of a shard short, once each, when the shard is done.

    Attributes:
        folder: The set.
        plan: What is made.
        samples: Whose images are cut.
        cut: How many were.
    """

    folder: Path
    plan: Plan
    samples: set[int]
    cut: int = 0

    def watch(self, event: Event | Checked, tally: Tally) -> None:
        """See `building.Watch`."""
        if not isinstance(event, Done):
            return
        for index in self.samples & set(self.plan.indices(event.shard)):
            path = self.folder / shards.file_of(event.shard, index)
            if path.exists():
                path.write_bytes(path.read_bytes()[:-_BYTES])
                self.cut += 1
            self.samples.discard(index)


@dataclass(frozen=True)
class FaultTrial:
    """What came of a build with faults.

    Attributes:
        put_in: Faults by kind.
        met: What the build says it met.
        samples: In all.
        listed: Samples in the manifest, each once.
        statuses: These by what became of them.
        verified: Whether every file is as the manifest has it.
    """

    put_in: Mapping[str, int]
    met: Mapping[str, int]
    samples: int
    listed: int
    statuses: Mapping[str, int] = field(default_factory=dict)
    verified: bool = False

    @property
    def good(self) -> bool:
        """Whether everything is made or listed, and the manifest holds."""
        return self.verified and self.listed == self.samples

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"good": self.good, **vars(self)}


def run(
    plan: Plan,
    folder: Path,
    models: Path,
    faults: Mapping[int, str],
    maker: Maker,
    engine: Engine,
) -> FaultTrial:
    """Build a set while things go wrong; `engine` works in a `FaultyWorkshop`."""
    cut = {index for index, kind in faults.items() if kind == "corrupt shard"}
    vandal = Vandal(folder, plan, cut)
    with engine as working:
        known = made_by(maker, models, threads=1)
        outcome = Build(plan, folder, known, working, vandal.watch).run()
    records = list(manifest.read(folder / MANIFEST))
    kinds = Counter(kind for kind in faults.values() if kind != "corrupt shard")
    return FaultTrial(
        put_in={**kinds, "corrupt shard": vandal.cut},
        met=outcome.faults,
        samples=plan.total,
        listed=len({record.index for record in records}),
        statuses=dict(Counter(record.status for record in records)),
        verified=manifest.verify(folder).good,
    )
