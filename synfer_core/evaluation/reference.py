"""Pictures side by side with exact renders of the same recipes.

Each recipe asks for a full prototype on a person whom no network has seen. Its exact render is the
truth; the same recipe without action units, rendered, is the reference that a model may start
from. Copying that reference, and moving it by the exact flow, are what a model has to beat. What a
model makes of the same recipes when one thing is changed says what that thing decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.decibels import psnr
from synfer_core.evaluation import nearness
from synfer_core.evaluation.control_plan import UNITS
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap_many
from synfer_core.evaluation.nearness import REGIONS, Distance, Pixels
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, eye_centres
from synfer_core.faces.align import READ_SIZE
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, Expression
from synfer_core.models.exact import scene_of
from synfer_core.request import Recipe

FIRST_IDENTITY = 9_700_000_000
"""Seeds of the people, from here on; data sets draw theirs below 2**31."""

EXPLAINED = ("flow explained", "appearance explained")
FIGURES = (*REGIONS, "ms-ssim", "photo features", *EXPLAINED)
COPY, MOVED, EXACT = "reference copied", "exact flow", "exact"
_SHEET_PEOPLE = 12

Floats = NDArray[np.float64]
Tell = Callable[[int, int], None]
Glasses = Callable[[Pixels], float]
"""Probability that the person in a picture (S, S, 3) wears glasses."""


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        people: Each with one expression; the seven come in turn.
        changed: The first so many of them also with one thing of the recipe changed.
        size: Pixels on a side.
        steps: Denoising steps of a model.
    """

    people: int = 200
    changed: int = 40
    size: int = READ_SIZE
    steps: int = 20


@dataclass(frozen=True, eq=False)
class Case:
    """One recipe with its truth.

    Attributes:
        recipe: For the exact renderer.
        exact: Its render (S, S, 3).
        reference: The same scene, neutral (S, S, 3).
        offset: (S, S, 2) exact flow from `exact` to `reference`.
        where: By region, its pixels in either (S, S).
        eyes: (2, 2) eye centres in `exact`.
        bare: Whether the person wears no glasses.
    """

    recipe: Recipe
    exact: Pixels
    reference: Pixels
    offset: NDArray[np.float32]
    where: Mapping[str, nearness.Mask]
    eyes: NDArray[np.float32]
    bare: bool


@dataclass(frozen=True, eq=False)
class Made:
    """A picture of a case.

    Attributes:
        picture: (S, S, 3).
        explained: Shares of the energy of the exact latents' flow and appearance that its latents
            explain; None where it has no such latents.
    """

    picture: Pixels
    explained: tuple[float, float] | None = None


Ways = Callable[[Case], Mapping[str, Made]]
"""Makes the pictures of a case by name; it may use the reference and the recipe."""

Changes = Callable[[Case], Mapping[str, Pixels]]
"""Makes the picture of a case first, then the same with one thing changed, by what is changed."""


def baselines(case: Case) -> Mapping[str, Made]:
    """What needs no model."""
    return {
        COPY: Made(case.reference),
        MOVED: Made(nearness.warped(case.reference, case.offset)),
    }


def recipes(plan: Plan) -> list[Recipe]:
    """One for the exact renderer for each person."""
    shown = EXPRESSIONS[1:]
    return [
        recipe_of(person, shown[person % len(shown)], plan.steps) for person in range(plan.people)
    ]


def recipe_of(person: int, expression: Expression, steps: int) -> Recipe:
    """A person's full prototype, for the exact renderer; neutral names every unit as absent."""
    aus = dict(PROTOTYPES[expression]) or dict.fromkeys(UNITS, 0.0)
    return Recipe(
        backbone="facekit",
        aus=aus,
        expression=expression,
        seed=person,
        identity_seed=FIRST_IDENTITY + person,
        steps=steps,
    )


def case_of(renderer: Renderer, recipe: Recipe, size: int) -> Case:
    """Render a recipe and its reference."""
    scene, neutral = scene_of(recipe), scene_of(recipe.model_copy(update={"aus": {}}))
    (exact, reference), (flow,) = renderer.render_with_flows([scene, neutral], [(0, 1)], size)
    points, there = (renderer.landmarks(one, size) for one in (scene, neutral))
    return Case(
        recipe=recipe,
        exact=exact,
        reference=reference,
        offset=flow.offset,
        where=nearness.either(nearness.regions(points, size), nearness.regions(there, size)),
        eyes=eye_centres(points),
        bare=_bare(scene),
    )


def _bare(scene: Scene) -> bool:
    return scene.styling.glasses == "none"


@dataclass(frozen=True)
class Seen:
    """What was measured.

    Attributes:
        methods: Names of the K methods, `COPY` first.
        values: (K, N, len(FIGURES)); not a number where a method has no latents.
        ghosts: (K + 1, M) glasses seen on the people who wear none, last in exact renders.
        changes: By what was changed, (C, len(REGIONS)) decibels between the picture and the
            changed one, of the first C people.
        rows: Pictures of the first people, for the sheet.
        draws: Bootstrap samples.
    """

    methods: tuple[str, ...]
    values: Floats
    ghosts: NDArray[np.bool_]
    changes: Mapping[str, Floats]
    rows: tuple[tuple[Pixels, ...], ...]
    plan: Plan
    draws: int = DRAWS

    def figures(self) -> dict[str, dict[str, Estimate]]:
        """By method, each figure's mean over people."""
        return {
            name: self._means(values)
            for name, values in zip(self.methods, self.values, strict=True)
        }

    def gains(self) -> dict[str, dict[str, Estimate]]:
        """By method but copying, what is above copying, on the same people."""
        copied = self.values[0]
        others = zip(self.methods[1:], self.values[1:], strict=True)
        return {name: self._means(values - copied) for name, values in others}

    def changed(self) -> dict[str, dict[str, Estimate]]:
        """By what was changed: decibels by region, and how far that is, see `shares`."""
        found = {name: self._means(values, REGIONS) for name, values in self.changes.items()}
        return {name: {**means, **self._shares(name)} for name, means in found.items()}

    def _shares(self, name: str) -> dict[str, Estimate]:
        """By region, the root mean square of a change as a share of what copying is off by."""
        apart, regions = self.changes[name], len(REGIONS)
        copied = self.values[0, : len(apart), :regions]
        names = [f"{region}, share" for region in REGIONS]
        return self._means(10 ** ((copied - apart) / 20), names)

    def _means(self, values: Floats, names: Sequence[str] = FIGURES) -> dict[str, Estimate]:
        """Means over people (N, figures) of what is there."""
        there = ~np.isnan(values).any(0)
        known, people = values[:, there], np.arange(len(values))
        found = bootstrap_many(people, lambda rows: known[rows].mean(0), draws=self.draws)
        return dict(zip(np.array(names)[there].tolist(), found, strict=True))

    def ghosts_of(self) -> dict[str, str]:
        """By method and for exact renders, glasses seen on how many people without."""
        counts = zip((*self.methods, EXACT), self.ghosts, strict=True)
        return {name: f"{int(seen.sum())} of {len(seen)}" for name, seen in counts}

    def added_ghosts(self) -> dict[str, int]:
        """By method, glasses seen on how many people without, where the exact render has none."""
        exact = self.ghosts[-1]
        counts = zip(self.methods, self.ghosts[:-1], strict=True)
        return {name: int((seen & ~exact).sum()) for name, seen in counts}

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        parts = {
            "figures": self.figures(),
            "above copying": self.gains(),
            "changed": self.changed(),
        }
        told = {
            part: {
                name: {what: value.to_dict() for what, value in values.items()}
                for name, values in by_name.items()
            }
            for part, by_name in parts.items()
        }
        ghosts = {"glasses where none are": self.ghosts_of(), "of these added": self.added_ghosts()}
        plan = vars(self.plan) | {"people changed": self.plan.changed}
        return {**plan, **told, **ghosts}

    def lines(self) -> list[str]:
        """For the terminal."""
        gains, ghosts = self.gains(), self.ghosts_of()
        told = [f"{self.plan.people} people, {self.plan.size} px; dB by region, then likeness"]
        for name, values in self.figures().items():
            told.append(f"{name}: glasses where none are {ghosts[name]}")
            for what, value in values.items():
                gain = gains.get(name, {}).get(what)
                told.append(f"  {what}: {value}" + (f", above copying {gain}" if gain else ""))
        told.append(f"{EXACT} renders: glasses where none are {ghosts[EXACT]}")
        for name, values in self.changed().items():
            told.append(f"changed, {name}: dB apart, then as a share of what copying is off by")
            told += [f"  {what}: {value}" for what, value in values.items()]
        return told

    def sheet(self) -> bytes:
        """A JPEG: the first people in rows, reference and truth, then what each method made."""
        names = [row[0] for row in self._named()]
        columns = ["reference", EXACT, *self.methods[1:]]
        pictures = [row[1] for row in self._named()]
        return contact_sheet(pictures, row_names=names, column_names=columns)

    def _named(self) -> Iterator[tuple[str, tuple[Pixels, ...]]]:
        for recipe, row in zip(recipes(self.plan), self.rows, strict=False):
            yield recipe.expression or "", row


def measure(
    renderer: Renderer,
    ways: Sequence[Ways],
    plan: Plan,
    distance: Distance,
    glasses: Glasses,
    *,
    tell: Tell,
    changes: Changes | None = None,
    draws: int = DRAWS,
) -> Seen:
    """Make and compare the pictures of all recipes.

    Args:
        ways: What makes pictures, beside `baselines`.
        distance: In features of a network that took no part.
        glasses: The attribute judge.
        tell: Called with recipes done and in all.
        changes: Makes the pictures of the first `Plan.changed` people with one thing changed.
    """
    tables: dict[str, list[list[float]]] = {}
    apart: dict[str, list[list[float]]] = {}
    ghosts, rows = [], []
    for done, recipe in enumerate(recipes(plan), 1):
        case = case_of(renderer, recipe, plan.size)
        made = {name: one for way in (baselines, *ways) for name, one in way(case).items()}
        for name, one in made.items():
            tables.setdefault(name, []).append(_row(one, case, distance))
        pictures = [one.picture for one in made.values()]
        if case.bare:
            ghosts.append([glasses(picture) > 0.5 for picture in (*pictures, case.exact)])
        if done <= _SHEET_PEOPLE:
            rows.append((case.reference, case.exact, *pictures[1:]))
        if changes is not None and done <= plan.changed:
            for name, values in _apart(case, changes(case)).items():
                apart.setdefault(name, []).append(values)
        tell(done, plan.people)
    return Seen(
        methods=tuple(tables),
        values=np.array(list(tables.values())),
        ghosts=np.array(ghosts, bool).reshape(-1, len(tables) + 1).T,
        changes={name: np.array(values) for name, values in apart.items()},
        rows=tuple(rows),
        plan=plan,
        draws=draws,
    )


def _row(made: Made, case: Case, distance: Distance) -> list[float]:
    found = nearness.measures(made.picture, case.exact, case.where, case.eyes, distance)
    shares = made.explained or (np.nan, np.nan)
    return [*found.values(), *shares]


def _apart(case: Case, pictures: Mapping[str, Pixels]) -> dict[str, list[float]]:
    """Decibels by region between the first picture and each other."""
    (_, plain), *others = pictures.items()
    return {
        name: [psnr(picture, plain, case.where[region]) for region in REGIONS]
        for name, picture in others
    }
