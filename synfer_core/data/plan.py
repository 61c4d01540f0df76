"""The plan of a data set: sample i as a row and a recipe, a pure function of recipe and number.

Nothing is kept of the samples before, so that any worker can make any of them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synfer_core.data.aus import Table, at_random, varied_prototype
from synfer_core.data.spec import DataSet
from synfer_core.enrichment import enrich_recipe
from synfer_core.errors import RequestError
from synfer_core.facekit import demographics
from synfer_core.facekit.demographics import Cell
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.request import Recipe

_ORDER, _TABLE, _DRAW = 12, 13, 14
"""Names of random streams; another number is another data set."""


@dataclass(frozen=True)
class Row:
    """One sample that is asked for.

    Attributes:
        index: Its number in the data set, from 0.
        label: What it is to show; None without a label.
        person: Identity seed.
        cell: Apparent factors that are asked for.
        line: Row of the table its AUs come from, from 0; None without a table.
    """

    index: int
    label: Expression | None
    person: int
    cell: Cell
    line: int | None

    @property
    def named(self) -> dict[str, str]:
        """The factors, as files have them."""
        return {str(factor): value for factor, value in self.cell.items()}


@dataclass(frozen=True)
class Plan:
    """All samples of a data set.

    Attributes:
        spec: What they follow from.
        table: Of measured AUs, where the recipe names one.
    """

    spec: DataSet
    table: Table | None

    @classmethod
    def of(cls, spec: DataSet) -> Self:
        """The plan of a recipe.

        Raises:
            RequestError: The table cannot be read or lacks a class, there are too many
                combinations of factors, or a recipe is not allowed.
        """
        plan = cls(spec, Table.read(spec.aus.file, spec.aus.scale) if spec.aus.file else None)
        for label in plan.counts:
            if plan.table is not None and not plan.table.of(label):
                raise RequestError(f"has no row of {label}", field="aus.file")
        plan.recipe(plan.row(0))
        return plan

    @cached_property
    def counts(self) -> dict[Expression | None, int]:
        """Samples by label, in order."""
        counts = self.spec.counts
        if not isinstance(counts, int):
            if self.table is not None and self.table.labels is None:
                raise RequestError(
                    "the table has no column expression", field="counts", allowed="a number"
                )
            return dict(counts.items())
        if self.spec.aus.source == "prototypes":
            return _shared_out(counts, EXPRESSIONS)
        if self.table is not None and self.table.labels is not None:
            present = set(self.table.labels)
            return _shared_out(counts, tuple(e for e in EXPRESSIONS if e in present))
        return {None: counts}

    @cached_property
    def total(self) -> int:
        """Samples in all."""
        return sum(self.counts.values())

    @property
    def shards(self) -> int:
        """Parts that are made and handed over whole."""
        return math.ceil(self.total / self.spec.shard)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, ``unlabelled`` where there are none."""
        return tuple(label or "unlabelled" for label in self.counts)

    def indices(self, shard: int) -> range:
        """Samples of one shard."""
        first = shard * self.spec.shard
        return range(first, min(first + self.spec.shard, self.total))

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Sample to its place in the list of all samples sorted by class."""
        return np.random.default_rng([self.spec.seed, _ORDER]).permutation(self.total)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """By class, the place in that list behind its last sample."""
        return np.cumsum(list(self.counts.values()))

    @cached_property
    def _cells(self) -> tuple[Cell, ...]:
        return demographics.cells(self.spec.people.balance, self.spec.seed)

    @cached_property
    def _lines(self) -> Mapping[Expression | None, NDArray[np.int64]]:
        """By label, rows of the table in the order in which they are used."""
        assert self.table is not None
        rng = np.random.default_rng([self.spec.seed, _TABLE])
        return {label: rng.permutation(self.table.of(label)) for label in self.counts}

    def row(self, index: int) -> Row:
        """What is asked for of one sample."""
        place = int(self._order[index])
        number = int(np.searchsorted(self._ends, place, side="right"))
        label = list(self.counts)[number]
        within = place - (int(self._ends[number]) - self.counts[label])
        count = self.spec.people.count
        person = place if count is None else place % count
        cell = self._cells[person % len(self._cells)]
        line = None
        if self.table is not None:
            line = int(self._lines[label][within % len(self._lines[label])])
        return Row(index, label, self.spec.people.first_seed + person, cell, line)

    def recipe(self, row: Row, attempt: int = 0) -> Recipe:
        """What to make; another attempt draws other noise, and AUs unless a table gives them.

        Raises:
            RequestError: The words are too long together.
        """
        spec = self.spec
        rng = np.random.default_rng([spec.seed, _DRAW, row.index, attempt])
        fields: dict[str, Any] = {
            **spec.recipe,
            "backbone": spec.backbone,
            "text": ", ".join(filter(None, (demographics.describe(row.cell), spec.text))),
            "expression": row.label,
            "seed": int(rng.integers(2**53)),
            "identity_seed": row.person,
        }
        aus = self._aus(row, rng)
        # Without any AU a recipe leaves the face to the words; an empty FACS string says neutral.
        fields |= {"aus": aus} if aus else {"facs": ""}
        if spec.strength:
            fields["guidance"] = {**spec.recipe.get("guidance", {}), "semantic": spec.strength}
        recipe = Recipe.parse(fields)
        return enrich_recipe(recipe)[0] if spec.enrich else recipe

    def _aus(self, row: Row, rng: np.random.Generator) -> Mapping[str, float]:
        if row.line is not None and self.table is not None:
            return self.table.rows[row.line]
        if row.label is None:
            return at_random(self.spec.aus, rng)
        return varied_prototype(self.spec.aus, row.label, rng)

    def to_json(self) -> bytes:
        """The recipe as it is kept with the set; a table by its name alone."""
        values = self.spec.model_dump(mode="json", exclude_none=True)
        if self.spec.aus.file is not None:
            values["aus"] |= {"file": self.spec.aus.file.name}
        return json.dumps(values, indent=1, sort_keys=True).encode() + b"\n"

    @property
    def table_sha256(self) -> str | None:
        """Of the table of AUs, where there is one."""
        return self.table.sha256 if self.table else None

    @property
    def sha256(self) -> str:
        """Of the recipe and the table together."""
        return hashlib.sha256(self.to_json() + (self.table_sha256 or "").encode()).hexdigest()


def _shared_out(count: int, labels: tuple[Expression, ...]) -> dict[Expression | None, int]:
    """A number of samples in equal parts; the first labels take what is over."""
    each, over = divmod(count, len(labels))
    return {label: each + (i < over) for i, label in enumerate(labels) if each + (i < over)}
