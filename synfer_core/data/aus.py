"""Where action units come from: prototypes that vary, tables of measured faces, or chance."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from synfer_core.data.spec import AUs
from synfer_core.errors import RequestError
from synfer_core.facs import (
    ACTION_UNITS,
    EXPRESSIONS,
    MAX_INTENSITY,
    PROTOTYPES,
    Expression,
    validate_aus,
)
from synfer_core.files import read_text_bytes

MAX_TABLE_BYTES = 1 << 28
LABEL = "expression"
"""Column of a table that names the expression, where it has one."""

_COLUMN = re.compile(r"AU([LR]?)0?(\d{1,2})(?:_r)?")


@dataclass(frozen=True)
class Table:
    """Measured faces.

    Attributes:
        rows: AUs of each face, 0-5.
        labels: Their expressions; None where the table has no column `LABEL`.
        sha256: Of the file's bytes.
    """

    rows: tuple[Mapping[str, float], ...]
    labels: tuple[Expression, ...] | None
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a CSV file with a column for each AU (``AU12``, ``AUL4``, OpenFace's ``AU12_r``).

        Columns of other names are passed over.

        Raises:
            RequestError: It cannot be read, has no AU column, or a value is not allowed.
        """
        data = read_text_bytes(path, "aus.file", limit=MAX_TABLE_BYTES)
        try:
            lines = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), skipinitialspace=True)
            found = list(_read(lines))
        except (csv.Error, UnicodeDecodeError) as error:
            raise RequestError(f"is no CSV file: {error}", field="aus.file") from error
        if not found:
            raise RequestError("holds no face", field="aus.file", allowed="one row a face")
        rows, labels = zip(*found, strict=True)
        known = None if labels[0] is None else labels
        return cls(rows, known, hashlib.sha256(data).hexdigest())

    def of(self, label: Expression | None) -> tuple[int, ...]:
        """Numbers of the rows of one label; of all where there is none."""
        if label is None or self.labels is None:
            return tuple(range(len(self.rows)))
        return tuple(i for i, name in enumerate(self.labels) if name == label)


def _read(lines: csv.DictReader[str]) -> Iterator[tuple[dict[str, float], Expression | None]]:
    names = [name.strip() for name in lines.fieldnames or ()]
    columns = {name: f"AU{m[1]}{m[2]}" for name in names if (m := _COLUMN.fullmatch(name))}
    if not columns:
        raise RequestError("has no column of an AU", field="aus.file", allowed="such as AU12")
    for number, line in enumerate(lines, 2):
        row = {(name or "").strip(): value for name, value in line.items()}
        try:
            aus = validate_aus({key: _number(row[name]) for name, key in columns.items()})
            label = _label(row[LABEL]) if LABEL in names else None
        except RequestError as error:
            raise RequestError(
                f"line {number}, {error.field}: {error.message}",
                field="aus.file",
                allowed=error.allowed,
            ) from error
        yield {key: value for key, value in aus.items() if value > 0}, label


def _number(text: str | None) -> object:
    """A cell as a number, or as it is, for `validate_aus` to refuse."""
    try:
        return float(text or "")
    except ValueError:
        return text


def _label(text: str | None) -> Expression:
    name = (text or "").strip().lower()
    found = next((e for e in EXPRESSIONS if e == name), None)
    if found is None:
        allowed = ", ".join(EXPRESSIONS)
        raise RequestError(f"{name[:40]!r} is not known", field=LABEL, allowed=allowed)
    return found


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
