"""Single units from absent to maximum: the part ``ramps`` of `synfer eval control`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from synfer_core.evaluation.agreement import spearman
from synfer_core.evaluation.control_parts import (
    Floats,
    Hits,
    Rows,
    faces_found,
    make_all,
    people_of,
)
from synfer_core.evaluation.control_plan import UNITS, asked_units
from synfer_core.evaluation.estimates import Estimate, bootstrap_many
from synfer_core.evaluation.gauges import Gauges, both_sides
from synfer_core.evaluation.pictures import Make
from synfer_core.request import Recipe


@dataclass(frozen=True)
class Ramps:
    """Images of one unit each, at rising intensity, and a neutral one of each person.

    Attributes:
        recipes: N recipes, person by person.
        found: (N,) whether MediaPipe finds a face.
        read: (N, 22) intensities that the AU reader measures, `UNITS` order.
    """

    recipes: tuple[Recipe, ...]
    found: Hits
    read: Floats

    @classmethod
    def measure(cls, make: Make, gauges: Gauges, recipes: Sequence[Recipe]) -> Self:
        """Make the images and read them."""
        images = make_all(make, recipes)
        return cls(tuple(recipes), faces_found(gauges, images), both_sides(gauges.aus(images)))

    @property
    def people(self) -> Rows:
        """(N,) who is in each image."""
        return people_of(self.recipes)

    @property
    def ranks(self) -> Floats:
        """(P, 22) Spearman's correlation of each unit, asked and read, within each person."""
        asked = np.array([asked_units(recipe) for recipe in self.recipes])
        neutral = asked.sum(1) == 0
        ranks = np.zeros((len(np.unique(self.people)), len(UNITS)))
        for row, person in enumerate(np.unique(self.people)):
            for unit in range(len(UNITS)):
                rows = (self.people == person) & (neutral | (asked[:, unit] > 0))
                pair = asked[rows, unit : unit + 1], self.read[rows, unit : unit + 1]
                ranks[row, unit] = spearman(*pair)[0]
        return ranks

    def estimates(self, draws: int) -> tuple[Estimate, ...]:
        """Mean over people for each unit; then the median and the least of the units."""
        ranks = self.ranks

        def statistics(rows: Rows) -> Floats:
            means = ranks[rows].mean(0)
            return np.array([*means, np.median(means), means.min()])

        return bootstrap_many(np.arange(len(ranks)), statistics, draws=draws)

    def to_dict(self, draws: int) -> dict[str, Any]:
        """Median over units with its interval, the least, and each unit's."""
        *units, median, least = self.estimates(draws)
        by_unit = {key: one.to_dict() for key, one in zip(UNITS, units, strict=True)}
        return {**median.to_dict(), "least": least.to_dict(), "aus": by_unit}

    def take(self, rows: Rows) -> Self:
        """These rows alone."""
        recipes = tuple(self.recipes[i] for i in rows)
        return type(self)(recipes, self.found[rows], self.read[rows])
