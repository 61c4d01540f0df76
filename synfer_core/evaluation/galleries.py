"""Contact sheets for a person to judge: random faces, people by expressions, each AU in five steps.

The recipes are the same for every backbone, so that sheets can lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from synfer_core.evaluation.control_plan import FIRST_IDENTITY, UNITS
from synfer_core.evaluation.pictures import Make
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.captions import caption
from synfer_core.facekit.scene import sample_scene
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, from_slots
from synfer_core.report import Pixels
from synfer_core.request import Recipe

_PEOPLE = FIRST_IDENTITY + 4_000_000
_ONE = 3
"""The person who shows each unit."""
_LEVELS = (0.0, 1.25, 2.5, 3.75, 5.0)
_COLUMNS = 8
_UNITS_A_ROW = 2


@dataclass(frozen=True)
class Gallery:
    """Rows of recipes with names."""

    rows: tuple[tuple[Recipe, ...], ...]
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]

    def draw(self, make: Make, tell: Callable[[int, int], None]) -> bytes:
        """Make the images, each recipe once, and lay them out as JPEG.

        Args:
            make: From recipe to image.
            tell: Called with images made and in all.
        """
        made: dict[str, Pixels] = {}
        wanted = {recipe.to_json(): recipe for row in self.rows for recipe in row}
        for key, recipe in wanted.items():
            made[key] = make(recipe)
            tell(len(made), len(wanted))
        return contact_sheet(
            [[made[recipe.to_json()] for recipe in row] for row in self.rows],
            row_names=self.row_names,
            column_names=self.column_names,
        )


def random_faces(backbone: str, steps: int = 20) -> Gallery:
    """48 people as a data set would describe them: words, AUs and identity of a random scene."""
    recipes = [_random(backbone, number, steps) for number in range(6 * _COLUMNS)]
    starts = range(0, len(recipes), _COLUMNS)
    return Gallery(
        rows=tuple(tuple(recipes[i : i + _COLUMNS]) for i in starts),
        row_names=tuple(f"{i} to {i + _COLUMNS - 1}" for i in starts),
        column_names=("",) * _COLUMNS,
    )


def _random(backbone: str, number: int, steps: int) -> Recipe:
    rng = np.random.default_rng([48, number])
    scene = sample_scene(rng, identity=_PEOPLE + number)
    return Recipe(
        backbone=backbone,
        text=caption(scene, rng),
        aus={key: round(value, 2) for key, value in from_slots(scene.aus).items()},
        seed=number,
        identity_seed=_PEOPLE + number,
        steps=steps,
    )


def expressions(backbone: str, steps: int = 20) -> Gallery:
    """Eight people by the eight expressions, by preset, one noise a person."""
    people = range(_COLUMNS)
    return Gallery(
        rows=tuple(
            tuple(
                Recipe(
                    backbone=backbone,
                    aus=dict(PROTOTYPES[name]) or _neutral(),
                    expression=name,
                    seed=person,
                    identity_seed=_PEOPLE + person,
                    steps=steps,
                )
                for name in EXPRESSIONS
            )
            for person in people
        ),
        row_names=tuple(f"person {person}" for person in people),
        column_names=EXPRESSIONS,
    )


def units(backbone: str, steps: int = 20) -> Gallery:
    """One person with each unit from absent to its maximum in five steps, two units a row."""
    cells = [[_alone(backbone, key, level, steps) for level in _LEVELS] for key in UNITS]
    starts = range(0, len(UNITS), _UNITS_A_ROW)
    return Gallery(
        rows=tuple(tuple(chain(*cells[i : i + _UNITS_A_ROW])) for i in starts),
        row_names=tuple(", ".join(UNITS[i : i + _UNITS_A_ROW]) for i in starts),
        column_names=tuple(f"{level:g}" for level in _LEVELS) * _UNITS_A_ROW,
    )


def _alone(backbone: str, key: str, level: float, steps: int) -> Recipe:
    aus = {**_neutral(), key: level}
    person = _PEOPLE + _ONE
    return Recipe(backbone=backbone, aus=aus, seed=_ONE, identity_seed=person, steps=steps)


def _neutral() -> dict[str, float]:
    """Every unit said to be absent: without AUs a recipe leaves the face to the words."""
    return dict.fromkeys(UNITS, 0.0)


GALLERIES: Mapping[str, Callable[[str, int], Gallery]] = {
    "random": random_faces,
    "expressions": expressions,
    "aus": units,
}
"""By name: from the backbone's name and the denoising steps."""
