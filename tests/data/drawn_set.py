"""A factory that draws: makers that are quick, known, and go wrong where they are told to."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synfer_core.data.building import Build, Outcome, Watch
from synfer_core.data.engines import Engine, LocalEngine
from synfer_core.data.making import Maker
from synfer_core.data.plan import Plan
from synfer_core.data.spec import DataSet
from synfer_core.facs import EXPRESSIONS
from synfer_core.report import Label, Result
from synfer_core.request import Recipe
from synfer_core.stimuli.tools import Tools
from tests.stimuli.drawn import TOOLS, draw

MADE_BY = {
    "model_sha256": "a" * 64,
    "maker_sha256": "b" * 64,
    "origin": "Drawn.",
    "synfer_studio": "0",
    "torch": "0",
    "threads": 1,
}
TRICKS = ("raise", "die", "full")


def plan(**fields: Any) -> Plan:
    """Twelve samples in shards of four, nobody asked, no near-duplicates looked for."""
    values: dict[str, Any] = {
        "counts": {"happiness": 6, "surprise": 6},
        "verdicts": {"by": "none"},
        "distance": None,
        "watermark": False,
        "shard": 4,
    }
    return Plan.of(DataSet.parse({**values, **fields}))


def read(recipe: Recipe) -> Result:
    """A drawn recipe, noisy by its seed; of every third seed FERAnno reads surprise."""
    result = draw(recipe)
    noise = np.random.default_rng(recipe.seed).integers(0, 30, result.image.shape, np.uint8)
    seen = "surprise" if recipe.seed % 3 == 0 else recipe.expression
    sure = tuple(0.93 if name == seen else 0.01 for name in EXPRESSIONS)
    values = vars(result) | {"image": result.image // 2 + noise, "label": Label(sure, "feranno 1")}
    return Result(**values)


@dataclass(frozen=True)
class DrawnWorkshop:
    """Draws the samples of a plan.

    Attributes:
        plan: What is asked for.
        tricks: By sample, what goes wrong there once: ``raise``, ``die`` or ``full`` (a disk).
        once: Folder in which each trick leaves its mark.
    """

    plan: Plan
    tricks: Mapping[int, str] = field(default_factory=dict)
    once: Path | None = None

    def open(self) -> Maker:
        tools = Tools(**vars(TOOLS) | {"generate": self._generate})
        if self.plan.spec.verdicts.by == "none":
            return Maker(self.plan, tools, None)
        from synfer_core.data.judging import FERAnnoJudge  # loads torch, which workers can spare

        return Maker(self.plan, tools, FERAnnoJudge.of(self.plan.spec.verdicts))

    def _generate(self, recipe: Recipe) -> Result:
        for index, trick in self.tricks.items():
            if recipe == self.plan.recipe(self.plan.row(index)) and self._first(index):
                play(trick)
        return read(recipe)

    def _first(self, index: int) -> bool:
        assert self.once is not None
        mark = self.once / str(index)
        if mark.exists():
            return False
        mark.touch()
        return True


def play(trick: str) -> None:
    """Go wrong by real means."""
    if trick == "raise":
        raise RuntimeError("a driver is gone")
    if trick == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if trick == "full":  # what is written from here on ends in "File too large"
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def build(
    folder: Path,
    workshop: DrawnWorkshop,
    engine: Engine | None = None,
    watch: Watch = lambda event, tally: None,
) -> Outcome:
    """Build a drawn set."""
    with engine or LocalEngine(workshop.open()) as working:
        return Build(workshop.plan, folder, MADE_BY, working, watch).run()


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a set but its lock."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}
