"""The specification of a grid: JSON or YAML in, one recipe a cell out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from synfer_core.errors import RequestError
from synfer_core.facs import slots_of
from synfer_core.grids.axis import USUAL_INTENSITY, Axis, Value, check_axis
from synfer_core.request import Recipe
from synfer_core.stimuli.plan import scene_seed
from synfer_core.stimuli.spec import Specification
from synfer_core.values import Flag

MAX_CELLS = 400
"""Cells of one grid."""


@dataclass(frozen=True)
class Cell:
    """One face of a grid.

    Attributes:
        index: Place in reading order, from 0.
        row, column: Places on the axes, from 0.
        recipe: What to make.
    """

    index: int
    row: int
    column: int
    recipe: Recipe


class Grid(Specification):
    """Faces in rows and columns: a base recipe with two things changed.

    Attributes:
        base: What all cells share. Its action units stay where no axis moves them.
        rows, columns: What changes. Both may be ``units`` (each pair together) or ``intensity``
            of two units; else the two are of different kinds.
        same_scene: All people of an axis ``identity_seed`` stand in the scene that the base's seed
            draws. Without, each person has a scene of their own, but for what the base's scene
            sets.
    """

    version: Literal[1] = 1
    base: Recipe = Field(default_factory=Recipe)
    rows: Axis
    columns: Axis
    same_scene: Flag = True

    @field_validator("base", mode="before")
    @classmethod
    def _base(cls, value: object) -> object:
        if isinstance(value, Recipe):
            return value
        try:
            return Recipe.parse(value)
        except RequestError as error:
            raise _of_base(error) from error

    @field_validator("rows")
    @classmethod
    def _rows(cls, axis: Axis) -> Axis:
        return check_axis(axis, "rows")

    @field_validator("columns")
    @classmethod
    def _columns(cls, axis: Axis) -> Axis:
        return check_axis(axis, "columns")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_size(self)
        _check_pair(self.rows, self.columns)
        if self.base.enriched_text and (self.rows.sets_units or self.columns.sets_units):
            raise RequestError(
                "describes one face in words, and the cells show others",
                field="base.enriched_text",
                allowed="only with axes that leave action units and expression alone",
            )
        _ = self.cells  # every recipe is checked before any is made
        return self

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells in reading order."""
        places = [
            (row, column)
            for row in range(len(self.rows.values))
            for column in range(len(self.columns.values))
        ]
        return tuple(
            Cell(index, row, column, _recipe(self, row, column))
            for index, (row, column) in enumerate(places)
        )

    def name(self, cell: Cell) -> str:
        """Where a cell stands, such as ``AU12 lip corner puller, intensity 3``."""
        words = []
        for axis, place in ((self.rows, cell.row), (self.columns, cell.column)):
            name = axis.names[place]
            words.append(name if axis.kind in ("units", "expression") else f"{axis.title} {name}")
        return ", ".join(words)

    def to_json(self) -> str:
        """The grid as one line of JSON; `parse_text` gives an equal one back."""
        return self.model_dump_json(exclude_none=True)


def _of_base(error: RequestError) -> RequestError:
    where = "base" if error.field in (None, "recipe") else f"base.{error.field}"
    return type(error)(error.message, field=where, allowed=error.allowed)


def _check_size(grid: Grid) -> None:
    rows, columns = len(grid.rows.values), len(grid.columns.values)
    if rows * columns > MAX_CELLS:
        raise RequestError(
            f"{rows} x {columns} are {rows * columns:,} cells",
            field="columns.values",
            allowed=f"at most {MAX_CELLS} cells",
        )


def _check_pair(rows: Axis, columns: Axis) -> None:
    """Refuse axes that set the same thing, and an intensity of nothing."""
    for place, axis, other in (("rows", rows, columns), ("columns", columns, rows)):
        bare = axis.kind == "intensity" and axis.unit is None
        if bare and (other.kind != "units" or other.intensity is not None):
            raise RequestError(
                "whose intensity it is, is not said",
                field=f"{place}.unit",
                allowed="an AU key such as AU12; none beside units without an intensity",
            )
    if rows.kind == columns.kind and rows.kind not in ("units", "intensity"):
        raise RequestError(
            f"is {rows.kind} as the rows are", field="columns.kind", allowed="another"
        )
    _check_muscles(rows, columns)


def _check_muscles(rows: Axis, columns: Axis) -> None:
    """Refuse two axes that move one muscle; the same unit on both of two lists is itself alone."""
    for one in _keys(rows):
        for other in _keys(columns):
            both_lists = rows.kind == columns.kind == "units"
            if set(slots_of(one)) & set(slots_of(other)) and not (both_lists and one == other):
                field = "columns.values" if columns.kind == "units" else "columns.unit"
                raise RequestError(
                    f"{other} moves what {one} of the rows moves",
                    field=field,
                    allowed="other units",
                )


def _keys(axis: Axis) -> tuple[str, ...]:
    """The AU keys that an axis moves one by one."""
    if axis.kind == "units":
        return tuple(map(str, axis.values))
    return () if axis.unit is None else (axis.unit,)


def _recipe(grid: Grid, row: int, column: int) -> Recipe:
    """The base with what both axes say; single units come last, on top of an expression."""
    pairs = ((grid.rows, grid.rows.values[row]), (grid.columns, grid.columns.values[column]))
    fields = grid.base.model_dump(exclude_none=True)
    for axis, value in pairs:
        fields = _merged(fields, axis.fields(value))
    try:
        return Recipe.parse(_with_units({**fields, **_own_scene(grid, fields)}, _units(*pairs)))
    except RequestError as error:
        raise _of_base(error) from error


def _own_scene(grid: Grid, fields: Mapping[str, Any]) -> dict[str, int]:
    """The seed of a person's own scene, where people are an axis and do not share one."""
    if grid.same_scene or "identity_seed" not in (grid.rows.kind, grid.columns.kind):
        return {}
    return {"seed": scene_seed(fields["seed"], fields["identity_seed"])}


_NESTED = ("guidance", "scene")
"""Recipe fields with parts: an axis changes one of them and leaves the others."""


def _merged(fields: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with a change; what says the same in another way goes."""
    for said in (("aus", "facs"), ("identity_seed", "identity_code")):
        if set(said) & set(change):
            fields = {name: value for name, value in fields.items() if name not in said}
    parts = {n: {**fields[n], **v} for n, v in change.items() if n in fields and n in _NESTED}
    return {**fields, **change, **parts}


def _units(row: tuple[Axis, Value], column: tuple[Axis, Value]) -> dict[str, float]:
    """What the axes move by name; a unit on both lists takes the larger intensity."""
    units: dict[str, float] = {}
    for (axis, value), (other, beside) in ((row, column), (column, row)):
        if axis.kind == "intensity" and axis.unit is not None:
            units[axis.unit] = float(value)
        elif axis.kind == "units":
            given = beside if other.kind == "intensity" and other.unit is None else axis.intensity
            intensity = USUAL_INTENSITY if given is None else float(given)
            units[str(value)] = max(intensity, units.get(str(value), 0.0))
    return units


def _with_units(fields: dict[str, Any], units: Mapping[str, float]) -> dict[str, Any]:
    """The fields with units moved; of a both-sides unit, the side that is not moved stays."""
    if not units:
        return fields
    moved = {slot for key in units for slot in slots_of(key)}
    aus: dict[str, float] = {}
    for key, value in Recipe.parse(fields).action_units.items():
        left = [slot for slot in slots_of(key) if slot not in moved]
        aus |= {key: value} if len(left) == len(slots_of(key)) else dict.fromkeys(left, value)
    rest = {name: value for name, value in fields.items() if name != "facs"}
    return {**rest, "aus": {**aus, **units}}
