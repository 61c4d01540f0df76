"""What the columns of a table of measured faces mean: units, their scale, labels, faces found.

OpenFace, LibreFace, ``synfer annotate`` and the tables of stimulus sets (``measured_AU12``) give
intensities from 0 to 5, py-feat numbers from 0 to 1. The columns say whose they are; where neither
they nor the numbers do, the scale must be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from synfer_core.errors import RequestError
from synfer_core.facs import (
    EXPRESSIONS,
    KNOWN_ELSEWHERE,
    MAX_INTENSITY,
    SYNONYMS,
    Expression,
    validate_aus,
)
from synfer_core.tables import MISSING, number_in

LABELS = ("expression", "label", "emotion")
"""Columns that name the expression, the first that is there."""

_COLUMN = re.compile(r"(measured_)?AU_?([LR]?)0*(\d{1,2})(_r|_intensit(?:y|ies))?", re.IGNORECASE)
_FOUND = ("success", "ok")
"""Columns that are 0 where no face was found: OpenFace's, and ours."""
_PYFEAT = frozenset({"FaceRectX", "FaceScore"})
_OURS = frozenset({"ok", "au_reader"})
_BOTH = "5 where intensities go from 0 to 5, 1 where they go from 0 to 1"


@dataclass(frozen=True)
class Columns:
    """The columns of one table that are read.

    Attributes:
        units: Column to AU key.
        unknown: Units that faces here cannot do, passed over.
        scale: The greatest intensity that the columns themselves tell, 5 or 1; None: not told.
        label: The column of the expression; None where there is none.
        found: The column that says whether there is a face; None where there is none.
        named: Whether the column of the expression also holds names of units and mixes, as the
            table of a stimulus set does.
    """

    units: Mapping[str, str]
    unknown: tuple[str, ...]
    scale: float | None
    label: str | None
    found: str | None
    named: bool = False

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """What is told by a table's first line.

        Raises:
            RequestError: There is no column of a unit, or two move one muscle.
        """
        told = {name: match for name in names if (match := _COLUMN.fullmatch(name))}
        unknown = tuple(n for n, match in told.items() if int(match[3]) in KNOWN_ELSEWHERE)
        units = _units({name: match for name, match in told.items() if name not in unknown})
        validate_aus(dict.fromkeys(units.values(), 0.0))
        graded = [_graded(told[name]) for name in units]
        lower = {name.lower(): name for name in reversed(names)}
        return cls(
            units,
            unknown,
            _scale(frozenset(names), graded),
            next((lower[name] for name in LABELS if name in lower), None),
            next((name for name in _FOUND if name in names), None),
            "measured_facs" in names,
        )

    def face(self, row: Mapping[str, str]) -> dict[str, float] | None:
        """The numbers of one face as they stand there; None where no face was found.

        A unit without a number was not measured, as one without a column.

        Raises:
            RequestError: A cell is no number; names it.
        """
        if self.found is not None and _zero(row[self.found]):
            return None
        values = {key: _number(row[name], key) for name, key in self.units.items()}
        measured = {key: value for key, value in values.items() if value is not None}
        return measured or None

    def expression(self, row: Mapping[str, str]) -> Expression | None:
        """What a row says is shown; None where it does not say, or names a unit or a mix.

        Raises:
            RequestError: It is no expression.
        """
        name = "" if self.label is None else row[self.label].strip().lower()
        if name in MISSING or (self.named and name not in SYNONYMS):
            return None
        if name not in SYNONYMS:
            allowed = ", ".join(EXPRESSIONS)
            raise RequestError(f"{name[:40]!r} is not known", field=self.label, allowed=allowed)
        return SYNONYMS[name]

    def greatest(
        self, values: Iterable[float], declared: float | None, usual: float | None = None
    ) -> float:
        """The greatest intensity of the table's scale: declared, told by the columns, or seen.

        Args:
            values: All numbers of the table.
            declared: As the user gives it.
            usual: What to take where nothing tells it.

        Raises:
            RequestError: Nothing tells it.
        """
        if declared is not None or self.scale is not None:
            return declared or self.scale or MAX_INTENSITY
        if max(values, default=0.0) > 1:
            return MAX_INTENSITY
        if usual is not None:
            return usual
        raise RequestError(
            "is not said, and no number in the table is above 1", field="aus.scale", allowed=_BOTH
        )


def _units(told: Mapping[str, re.Match[str]]) -> dict[str, str]:
    """Column to AU key; where a unit has a column that says its scale, one without is left out.

    LibreFace writes ``au_12``, whether it is there, beside ``au_12_intensity``.

    Raises:
        RequestError: There is no column of a unit, or one unit has two.
    """
    keys = {name: f"AU{match[2].upper()}{match[3]}" for name, match in told.items()}
    better = {keys[name] for name, match in told.items() if _graded(match)}
    units = {n: key for n, key in keys.items() if _graded(told[n]) or key not in better}
    if not units:
        raise RequestError("has no column of an AU", field="aus.file", allowed="such as AU12")
    for key in units.values():
        if len(same := [name for name in units if units[name] == key]) > 1:
            named = ", ".join(same)
            raise RequestError(f"{key} has the columns {named}", field="aus.file", allowed="one")
    return units


def _graded(match: re.Match[str]) -> bool:
    """Whether a column's name says that its numbers go from 0 to 5."""
    return bool(match[1] or match[4])


def _scale(names: frozenset[str], graded: Sequence[bool]) -> float | None:
    if names >= _PYFEAT:
        return 1.0
    return MAX_INTENSITY if all(graded) or names >= _OURS else None


def _zero(cell: str) -> bool:
    """Whether a flag is off; an empty one is."""
    try:
        return not number_in(cell)
    except ValueError:
        return cell.lower() in ("false", "no")


def _number(cell: str, key: str) -> float | None:
    try:
        return number_in(cell)
    except ValueError as error:
        raise RequestError(
            f"{cell[:40]!r} is no number", field=f"aus.{key}", allowed="0 to 5, or 0 to 1"
        ) from error
