"""Action units of a face: by our reader, by MediaPipe, or from a file of the user's.

What is known of each unit goes with its source. Our reader and MediaPipe measure intensities (0 to
5); a file in the order of OpenGraphAU (Luo et al. 2022, https://arxiv.org/abs/2205.01782) holds the
probabilities (0 to 1) that each of 41 units is there, which are no intensities and are kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from synfer_core.annotation import AUReader
from synfer_core.errors import DataError, ModelError, RejectedError
from synfer_core.faces import landmarks
from synfer_core.faces.blendshapes import read_aus, reader_name
from synfer_core.facs import ACTION_UNITS, INTENSITY_LETTERS
from synfer_core.fetext.gate import Seen
from synfer_core.fetext.sources import Item, opened_table
from synfer_core.models.checkpoints import file_sha256
from synfer_core.tables import Rows, number_in

_MAIN = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27)
_ONE_SIDED = (1, 2, 4, 6, 10, 12, 14)
OPENGRAPHAU: tuple[str, ...] = (
    *(f"AU{number}" for number in (*_MAIN, 32, 38, 39)),
    *(f"AU{side}{number}" for number in _ONE_SIDED for side in "LR"),
)
"""The 41 units of OpenGraphAU, in its order."""

READER, MEDIAPIPE = "reader", "mediapipe"
BUILT_IN = (READER, MEDIAPIPE)
"""Sources of action units that are no file."""

PRESENT = 0.5
"""Probability from which a unit of a file counts as there."""

UNGRADED = INTENSITY_LETTERS["C"]
"""Intensity that is worded without a degree; for units of which only presence is known."""


@dataclass(frozen=True)
class AULabels:
    """What is known of a face's action units.

    Attributes:
        source: Who says so.
        aus: AU key to intensity 0-5, of those that were measured.
        occurrence: 41 probabilities in the order of `OPENGRAPHAU`; None where none were given.
    """

    source: str
    aus: Mapping[str, float] = field(default_factory=dict)
    occurrence: tuple[float, ...] | None = None

    @property
    def worded(self) -> dict[str, float]:
        """AU key to intensity as a caption takes it; those that are present of a file's."""
        return dict(self.aus) if self.occurrence is None else _present(self.occurrence)


class Labeller(Protocol):
    """Says what is known of a face's action units."""

    @property
    def name(self) -> str:
        """What records call it."""

    @property
    def sha256(self) -> str:
        """Of its weights or file."""

    def label(self, item: Item, seen: Seen) -> AULabels:
        """The action units of one face."""


@dataclass(frozen=True)
class ByReader:
    """The built-in AU reader, which learned from renders."""

    reader: AUReader
    sha256: str

    @property
    def name(self) -> str:
        return self.reader.name

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read its weights.

        Raises:
            WeightsError: The file is missing or damaged.
        """
        return cls(AUReader.load(path), file_sha256(path))

    def label(self, item: Item, seen: Seen) -> AULabels:
        """All 36 slots.

        Raises:
            ModelError: It reads what is no number.
        """
        aus = self.reader.read(seen.crop).aus
        if not all(map(math.isfinite, aus.values())):
            raise ModelError("read no finite intensities", field=self.name)
        return AULabels(self.name, aus)


@dataclass(frozen=True)
class ByMediaPipe:
    """MediaPipe's scores by our rules: the few units that one image is enough for."""

    sha256: str = landmarks.MODEL_SHA256

    @property
    def name(self) -> str:
        return reader_name()

    def label(self, item: Item, seen: Seen) -> AULabels:
        """Lip corners, upper lip, jaw and lids."""
        return AULabels(self.name, read_aus(seen.face).aus)


@dataclass(frozen=True)
class ByFile:
    """A CSV file of the user's with a row of 41 probabilities for each image.

    Attributes:
        name: Its file name.
        sha256: Of the file.
        keys: Image key to row.
        values: (N, 41) float32.
    """

    name: str
    sha256: str
    keys: Mapping[str, int]
    values: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file with the columns ``key`` and, in any order, those of `OPENGRAPHAU`.

        Raises:
            DataError: A column is missing, a value is not between 0 and 1, or a key comes twice.
        """
        keys: dict[str, int] = {}
        rows: list[NDArray[np.float32]] = []
        with opened_table(path) as table:
            missing = [n for n in ("key", *OPENGRAPHAU) if n not in table.columns]
            if missing:
                raise DataError(f"has no column {missing[0]}", field=str(path))
            for row in table:
                if row["key"] in keys:
                    raise DataError(f"key {row['key']!r} comes twice", field=str(path))
                keys[row["key"]] = len(rows)
                rows.append(_probabilities(row, table, path))
        return cls(path.name, file_sha256(path), keys, np.array(rows, np.float32))

    def label(self, item: Item, seen: Seen) -> AULabels:
        """The row of the item.

        Raises:
            RejectedError: There is none.
        """
        row = self.keys.get(item.key)
        if row is None:
            raise RejectedError(f"{self.name} has no row for it", reason="no_aus")
        return AULabels(self.name, occurrence=tuple(map(float, self.values[row])))


def _probabilities(row: Mapping[str, str], table: Rows, path: Path) -> NDArray[np.float32]:
    values = []
    for name in OPENGRAPHAU:
        try:
            value = number_in(row[name])
        except ValueError:
            value = None
        if value is None or not 0 <= value <= 1:
            raise DataError(
                f"line {table.line}: {name} is {row[name]!r}",
                field=str(path),
                allowed="probabilities from 0 to 1",
            )
        values.append(value)
    return np.array(values, np.float32)


def _present(occurrence: tuple[float, ...]) -> dict[str, float]:
    """Units of the vocabulary that are there; sides where one side is there alone."""
    there = {k for k, p in zip(OPENGRAPHAU, occurrence, strict=True) if p >= PRESENT}
    worded: dict[str, float] = {}
    for number in ACTION_UNITS:
        both, sides = f"AU{number}", [f"AU{side}{number}" for side in "LR"]
        alone = [key for key in sides if key in there]
        if len(alone) == 1:
            worded[alone[0]] = UNGRADED
        elif alone or both in there:
            worded[both] = UNGRADED
    return worded


def load(source: str, folder: Path) -> Labeller:
    """The labeller of ``--aus``: ``reader``, ``mediapipe`` or the path of a CSV file.

    Raises:
        WeightsError, DataError: It cannot be read.
    """
    if source == READER:
        return ByReader.load(folder / "au-reader.safetensors")
    return ByMediaPipe() if source == MEDIAPIPE else ByFile.load(Path(source))
