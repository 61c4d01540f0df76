"""Finished runs of the lab: what is in their folder, read without guessing.

A run is a folder with ``run.json`` (`synfer_core.lab.runs`), ``figures.json`` and, of a scaling
run, ``scaling.csv`` with a row for each source of images, method and size.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from synfer_core.errors import DataError, MissingError, RequestError
from synfer_core.files import read_text_bytes
from synfer_core.lab.runs import FIGURES, METHODS, About, read
from synfer_core.tables import rows_of

SCALING = "scaling.csv"
MAX_RUNS = 500
"""Runs that are listed, the newest first."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: Of its folder.
        about: What it is.
    """

    name: str
    about: About

    @property
    def date(self) -> str:
        """When it ended, to the minute."""
        return str(self.about.ended)[:16].replace("T", " ")


@dataclass(frozen=True)
class Point:
    """Accuracy at one size of the training set.

    Attributes:
        size: Images that were learned from.
        mean, low, high: Accuracy and its 95 % interval over seeds, 0 to 1; of one seed, both ends
            are the mean.
    """

    size: float
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, str]) -> Self:
        """From a row of the table.

        Raises:
            ValueError: A value is no number.
            KeyError: A column is missing.
        """
        names = ("size", "accuracy", "accuracy_low", "accuracy_high")
        size, mean, low, high = (float(row[name]) for name in names)
        if not (size > 0 and all(map(math.isfinite, (size, mean, low, high)))):
            raise ValueError("not a finite number")
        return cls(size, mean, max(0.0, low), min(1.0, high))


@dataclass(frozen=True)
class Curve:
    """What one method made of one source of images.

    Attributes:
        source, method: Their names.
        real: Whether it is the reference of real photos, which is a level and no curve.
        points: In the order of their sizes, at least one.
    """

    source: str
    method: str
    real: bool
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.source}, {METHODS.get(self.method, self.method)}"


def runs_in(root: Path) -> list[Run]:
    """The finished runs in a folder, the newest first; whatever is no run is passed over."""
    if not root.is_dir():
        return []
    found = []
    for place in root.iterdir():
        try:
            run = Run(place.name, read(place))
        except DataError:
            continue
        if run.about.ended:
            found.append(run)
    return sorted(found, key=lambda run: (str(run.about.ended), run.name), reverse=True)[:MAX_RUNS]


def run_of(root: Path, name: object) -> tuple[Run, Path]:
    """A finished run by the name of its folder.

    Raises:
        MissingError: There is none of this name.
    """
    for run in runs_in(root):
        if run.name == name:
            return run, root / run.name
    raise MissingError("there is no finished run of this name", field="runs")


def curves_of(place: Path) -> tuple[Curve, ...]:
    """The curves of a run; empty where it has none.

    Raises:
        DataError: The table is damaged.
    """
    if not (place / SCALING).is_file():
        return ()
    try:
        data = read_text_bytes(place / SCALING, SCALING)
        found: dict[tuple[str, str, bool], list[Point]] = {}
        for row in rows_of(data):
            key = row["source"], row["method"], row["real"] == "True"
            found.setdefault(key, []).append(Point.of(row))
    except (RequestError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise DataError("is damaged", field=SCALING) from error
    return tuple(
        Curve(*key, tuple(sorted(points, key=lambda point: point.size)))
        for key, points in found.items()
    )


def figures_of(place: Path) -> list[tuple[str, str]]:
    """The numbers of a run's ``figures.json``, each with its place in the file; empty without one.

    Raises:
        DataError: The file is damaged.
    """
    if not (place / FIGURES).is_file():
        return []
    try:
        values = json.loads(read_text_bytes(place / FIGURES, FIGURES))
    except (RequestError, ValueError, RecursionError) as error:
        raise DataError("is damaged", field=FIGURES) from error
    return list(_flat(values, ""))


def _flat(value: Any, where: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        inner = ((f"{where}, {key}" if where else str(key), part) for key, part in value.items())
        return [row for name, part in inner for row in _flat(part, name.replace("_", " "))]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return []
    return [(where, f"{value:,}" if isinstance(value, int) else f"{value:.4g}")]
