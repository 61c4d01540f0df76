"""Live: seconds from a slider's move to its draft, and whether the draft shows the move.

Each move is made twice, as a draft and whole, so that both have the same person, noise and words.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.drafts import STEPS, Draft
from synfer_core.errors import WeightsError
from synfer_core.evaluation.agreement import spearman
from synfer_core.evaluation.control_plan import DISFA, FIRST_IDENTITY
from synfer_core.evaluation.latency import machine
from synfer_core.facs import slots_of
from synfer_core.models.backbone import Generation
from synfer_core.report import AUReading, Pixels
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

INTENSITIES = (1.0, 2.25, 3.5, 5.0)
TEXT = "a portrait photo, plain background"
_PEOPLE = 4_000_000
"""Its people, from this far on in the seeds of `control_plan`."""

Floats = NDArray[np.float64]
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """Which moves: every unit to every intensity, on every person.

    Attributes:
        people: How many people.
        units: Both-sides keys of the AUs.
        intensities: Where their slider goes, 0-5.
    """

    people: int = 3
    units: Sequence[str] = DISFA
    intensities: Sequence[float] = INTENSITIES

    def recipes(self) -> list[Recipe]:
        """One recipe a move, person by person, unit by unit, as a hand would go."""
        return [
            Recipe(
                text=TEXT,
                aus={unit: intensity},
                seed=person,
                identity_seed=FIRST_IDENTITY + _PEOPLE + person,
            )
            for person, unit, intensity in product(range(self.people), self.units, self.intensities)
        ]


@dataclass(frozen=True)
class Made:
    """One image of one move.

    Attributes:
        seconds: From recipe to pixels.
        processor: Seconds of processor time, which other load changes little.
        read: The moved unit as the AU reader measures it, the mean of its sides.
    """

    seconds: float
    processor: float
    read: float


@dataclass(frozen=True)
class Live:
    """All moves, as drafts and whole, in the order of the plan's recipes."""

    plan: Plan
    drafts: tuple[Made, ...]
    wholes: tuple[Made, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        draft, whole = (
            statistics.median(made.processor for made in group)
            for group in (self.drafts, self.wholes)
        )
        seconds = [made.seconds for made in self.drafts]
        return {
            "draft_seconds_median": statistics.median(seconds),
            "draft_seconds_p95": float(np.percentile(seconds, 95)),
            "image_seconds_median": statistics.median(made.seconds for made in self.wholes),
            "processor_share": draft / whole,
            "draft_steps": STEPS,
            "steps": Recipe().steps,
            "moves": len(self.drafts),
            "people": self.plan.people,
            "intensities": list(self.plan.intensities),
            "spearman": self._spearman(),
            "machine": machine(),
        }

    def _spearman(self) -> dict[str, Any]:
        """Of the intensity asked for with the reading, unit by unit, and the medians."""
        asked = self._by_unit([next(iter(r.aus.values())) for r in self.plan.recipes()])
        read = [self._by_unit([made.read for made in g]) for g in (self.drafts, self.wholes)]
        draft, whole = (spearman(asked, values) for values in read)
        alike = spearman(*read)
        rows = zip(self.plan.units, draft, whole, alike, strict=True)
        return {
            "aus": {
                unit: {"draft": float(d), "refined": float(w), "draft_with_refined": float(a)}
                for unit, d, w, a in rows
            },
            "draft_median": float(np.median(draft)),
            "refined_median": float(np.median(whole)),
            "draft_with_refined_median": float(np.median(alike)),
            "ratio": _ratio(float(np.median(draft)), float(np.median(whole))),
            "least_ratio": _least(draft, whole),
        }

    def _by_unit(self, values: Sequence[float]) -> Floats:
        """(people x intensities, units) of one value a move."""
        units, levels = len(self.plan.units), len(self.plan.intensities)
        table = np.asarray(values, np.float64).reshape(self.plan.people, units, levels)
        return table.swapaxes(1, 2).reshape(-1, units)


def _ratio(draft: float, whole: float) -> float | None:
    """None where the whole face does not show the move either."""
    return draft / whole if whole > 0 else None


def _least(draft: Floats, whole: Floats) -> float | None:
    """The least of the units' ratios."""
    ratios = [_ratio(float(d), float(w)) for d, w in zip(draft, whole, strict=True)]
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def measure(synthesizer: Synthesizer, plan: Plan, tell: Tell = lambda done, total: None) -> Live:
    """Make and read every move, after one draft that does not count.

    Args:
        synthesizer: The model under test, with an AU reader.
        plan: Which moves.
        tell: Called with moves done and all moves.

    Raises:
        WeightsError: There is no AU reader.
    """
    reader = synthesizer.annotator.au_reader
    if reader is None:
        raise WeightsError("is missing", field="au-reader.safetensors")
    recipes = plan.recipes()
    _draft(synthesizer, recipes[0])
    drafts, wholes = [], []
    for done, recipe in enumerate(recipes, start=1):
        drafts.append(_timed(_draft, synthesizer, recipe, reader.read))
        wholes.append(_timed(_whole, synthesizer, recipe, reader.read))
        tell(done, len(recipes))
    return Live(plan, tuple(drafts), tuple(wholes))


Make = Callable[[Synthesizer, Recipe], Pixels]


def _timed(
    make: Make, synthesizer: Synthesizer, recipe: Recipe, read: Callable[[Pixels], AUReading]
) -> Made:
    start, work = time.perf_counter(), time.process_time()
    image = make(synthesizer, recipe)
    seconds, processor = time.perf_counter() - start, time.process_time() - work
    (unit,) = recipe.aus
    found = read(image).aus
    return Made(seconds, processor, float(np.mean([found[slot] for slot in slots_of(unit)])))


def _draft(synthesizer: Synthesizer, recipe: Recipe) -> Pixels:
    *_, draft = synthesizer.draft(recipe)
    assert isinstance(draft, Draft)
    return draft.image


def _whole(synthesizer: Synthesizer, recipe: Recipe) -> Pixels:
    """As the page makes it, previews and attention maps included; readings are left out."""
    *_, made = synthesizer.backbones["builtin"].stream(recipe)
    assert isinstance(made, Generation)
    return made.image


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures in words."""
    ranks, here = figures["spearman"], figures["machine"]
    return [
        f"draft: median {figures['draft_seconds_median']:.2f} s, 95 % within "
        f"{figures['draft_seconds_p95']:.2f} s ({figures['draft_steps']} steps, "
        f"{figures['moves']} moves)",
        f"whole image: median {figures['image_seconds_median']:.2f} s ({figures['steps']} steps)",
        f"processor time of a draft: {figures['processor_share']:.0%} of the whole image's",
        *(
            f"  {unit}: Spearman {row['draft']:.2f} as a draft, {row['refined']:.2f} whole, "
            f"{row['draft_with_refined']:.2f} between the two"
            for unit, row in ranks["aus"].items()
        ),
        f"median Spearman: {ranks['draft_median']:.2f} of {ranks['refined_median']:.2f}, ratio "
        f"{_said(ranks['ratio'])}; the least unit's {_said(ranks['least_ratio'])}",
        f"machine: {here['processor']}, {here['cores']} cores, {here['threads']} threads, "
        f"load {here['load_1_min']}",
    ]


def _said(ratio: float | None) -> str:
    return "none" if ratio is None else f"{ratio:.2f}"
