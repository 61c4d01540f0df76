"""Where action units come from: prototypes that vary, tables of measured faces, or chance."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from synfer_core.data.au_columns import Columns
from synfer_core.data.spec import AUs
from synfer_core.errors import RequestError
from synfer_core.facs import ACTION_UNITS, MAX_INTENSITY, PROTOTYPES, Expression, validate_aus
from synfer_core.files import read_text_bytes
from synfer_core.tables import Rows, rows_of

MAX_TABLE_BYTES = 1 << 28


@dataclass(frozen=True)
class Table:
    """Measured faces.

    Attributes:
        rows: AUs of each face, 0-5.
        labels: Their expressions, None where a row names none; None where no row does.
        sha256: Of the file's bytes.
        notes: Things the user should know, in plain words.
    """

    rows: tuple[Mapping[str, float], ...]
    labels: tuple[Expression | None, ...] | None
    sha256: str
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, scale: float | None = None, usual: float | None = None) -> Self:
        """Read a table with a column for each AU; see `au_columns`.

        Columns of other names are passed over, and rows in which no face was found.

        Args:
            path: Its file.
            scale: The greatest intensity, 5 or 1, where it is known; None takes what is told there.
            usual: The same where nothing tells it; None refuses such a table.

        Raises:
            RequestError: It cannot be read, has no AU column, does not tell its scale, or a value
                is not allowed.
        """
        data = read_text_bytes(path, "aus.file", limit=MAX_TABLE_BYTES)
        try:
            lines = rows_of(data)
            columns = Columns.of(lines.columns)
            read = list(_read(lines, columns))
        except csv.Error as error:
            raise RequestError(f"cannot be read as a table: {error}", field="aus.file") from error
        found = [(number, aus, label) for number, aus, label in read if aus is not None]
        if not found:
            raise RequestError("holds no face", field="aus.file", allowed="one row a face")
        values = (value for _, aus, _ in found for value in aus.values())
        greatest = columns.greatest(values, scale, usual)
        rows = tuple(_scaled(aus, greatest, number) for number, aus, _ in found)
        labels = tuple(label for *_, label in found)
        known = labels if any(labels) else None
        notes = tuple(_notes(columns, len(read) - len(found)))
        return cls(rows, known, hashlib.sha256(data).hexdigest(), notes)

    def of(self, label: Expression | None) -> tuple[int, ...]:
        """Numbers of the rows of one label; of all where there is none."""
        if label is None or self.labels is None:
            return tuple(range(len(self.rows)))
        return tuple(i for i, name in enumerate(self.labels) if name == label)


Face = tuple[int, dict[str, float] | None, Expression | None]
"""Line of the table, the numbers there, and the expression; without numbers there is no face."""


def _read(lines: Rows, columns: Columns) -> Iterator[Face]:
    for row in lines:
        with _on_line(lines.line):
            aus = columns.face(row)
            yield lines.line, aus, None if aus is None else columns.expression(row)


def _scaled(aus: Mapping[str, float], greatest: float, line: int) -> dict[str, float]:
    """AUs of a face, 0-5, without those that are absent."""
    with _on_line(line):
        for key, value in aus.items():
            if not 0 <= value <= greatest:
                raise RequestError(
                    f"intensity {value:g} is out of range",
                    field=f"aus.{key}",
                    allowed=f"0 to {greatest:g}",
                )
    factor = MAX_INTENSITY / greatest
    return {k: round(v * factor, 6) for k, v in validate_aus(aus).items() if v > 0}


@contextmanager
def _on_line(line: int) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        raise RequestError(
            f"line {line}, {error.field}: {error.message}", field="aus.file", allowed=error.allowed
        ) from error


def _notes(columns: Columns, empty: int) -> Iterator[str]:
    if columns.unknown:
        yield f"{', '.join(columns.unknown)} of the table: no face here can do it; passed over."
    if empty:
        yield f"{empty:,} rows of the table show no face and were left out."


def varied_prototype(spec: AUs, label: Expression, rng: np.random.Generator) -> dict[str, float]:
    """The label's prototype with its overall strength and each AU varied, 0-5."""
    strength = rng.uniform(*spec.strength)
    factors = rng.uniform(1 - spec.jitter, 1 + spec.jitter, len(PROTOTYPES[label]))
    return {
        key: round(float(min(MAX_INTENSITY, value * strength * factor)), 3)
        for (key, value), factor in zip(PROTOTYPES[label].items(), factors, strict=True)
    }


def at_random(spec: AUs, rng: np.random.Generator) -> dict[str, float]:
    """Some AUs, each at an intensity of its own, 0-5."""
    units = spec.units or tuple(unit.key for unit in ACTION_UNITS.values())
    count = int(rng.integers(spec.active[0], spec.active[1] + 1))
    chosen = rng.choice(len(units), min(count, len(units)), replace=False)
    return {units[i]: round(float(rng.uniform(*spec.intensity)), 3) for i in chosen}
