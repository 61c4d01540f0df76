"""Asked against measured: one table of action units and expression for any faces.

One row for each action unit that was asked for, or that a reader measured at `NOTICED` or more, and
each reader of it, and one row for the expression.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

from synfer_core.facs import canonical_key, slots_of
from synfer_core.report import AUReading, Label
from synfer_core.request import Recipe
from synfer_core.tables import Writer

COLUMNS = (
    *("face", "identity_seed", "seed", "backbone", "what"),
    *("asked", "measured", "difference", "reader"),
)
"""Columns of the table: `what` is an AU key or ``expression``; intensities are 0 to 5."""

NOTICED = 1.0
"""A unit that nobody asked for has a row from this intensity (A) on."""

Row = Mapping[str, str | int | float]


def rows_of(
    face: str, recipe: Recipe, readings: Sequence[AUReading], label: Label | None
) -> tuple[Row, ...]:
    """The rows of one face; cells without a value are empty.

    Args:
        face: What it is called.
        recipe: What it was made from.
        readings: Action units that were measured on it, one a reader.
        label: FERAnno's label, where there is one.
    """
    # As text: a browser's numbers end at 2**53.
    who = "" if recipe.identity_seed is None else str(recipe.identity_seed)
    same: Row = {
        "face": face,
        "identity_seed": who,
        "seed": str(recipe.seed),
        "backbone": recipe.backbone,
    }
    asked = {canonical_key(key): value for key, value in recipe.action_units.items()}
    units = [{**same, **one} for reading in readings for one in _units(asked, reading)]
    return (*units, {**same, **_expression(recipe, label)})


def _units(asked: Mapping[str, float], reading: AUReading) -> Iterable[Row]:
    covered = {slot for key in asked for slot in slots_of(key)}
    found = [k for k, v in reading.aus.items() if v >= NOTICED and not covered & set(slots_of(k))]
    for key in (*asked, *found):
        want, got = asked.get(key, 0.0), _measured(key, reading.aus)
        told = ("", "") if got is None else (round(got, 2), round(got - want, 2))
        row: Row = {"what": key, "asked": round(want, 2), "reader": reading.reader}
        yield {**row, "measured": told[0], "difference": told[1]}


def _measured(key: str, aus: Mapping[str, float]) -> float | None:
    """A reading for a key: itself, or the mean of its sides; None where the reader cannot tell."""
    if key in aus:
        return aus[key]
    sides = [aus[slot] for slot in slots_of(key) if slot in aus]
    return sum(sides) / len(sides) if sides else None


def _expression(recipe: Recipe, label: Label | None) -> Row:
    read, reader = (label.expression, label.reader) if label else ("", "")
    asked = recipe.expression or ""
    differs = "" if not (asked and read) else ("same" if asked == read else "other")
    return {
        "what": "expression",
        "asked": asked,
        "measured": read,
        "difference": differs,
        "reader": reader,
    }


def to_csv(rows: Iterable[Row]) -> bytes:
    """Rows as CSV in UTF-8."""
    text = io.StringIO()
    writer = Writer(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
