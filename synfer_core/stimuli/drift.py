"""Identity similarity: whether an image still shows the person of its neutral image.

The similarity is the cosine of two identity codes, each as deviations from the mean person. The
threshold is measured on exact renders by ``synfer eval drift`` and lies beside the weights; it
counts for the identity reader that it was measured with and for no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter

from synfer_core.errors import DataError
from synfer_core.files import read_record, write_record
from synfer_core.report import Pixels

FILE = "drift.json"
"""In a folder of weights: the threshold and what it rests on."""

READER = "identity.safetensors"
Floats = NDArray[np.float64]
Read = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_SHORTEST = 1e-9


@dataclass(frozen=True)
class Threshold:
    """Where images of one person and of different people part best, and how well.

    Attributes:
        value: The similarity, -1 to 1.
        missed: Share of pairs of one person below it.
        confused: Share of pairs of different people at or above it.
        same, different: How many pairs of either kind there were.
        reader_sha256: The identity reader it was measured with.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    value: Annotated[float, Field(ge=-1, le=1)]
    missed: float
    confused: float
    same: int
    different: int
    reader_sha256: str
    version: Literal[1] = 1

    @classmethod
    def between(cls, same: Floats, different: Floats, reader_sha256: str) -> Self:
        """The equal-error threshold: as many pairs of one person below it as of others above it.

        Args:
            same: Similarities of pairs of one person.
            different: Similarities of pairs of different people.
            reader_sha256: The reader that measured them.

        Raises:
            DataError: There are no pairs of one of the two kinds.
        """
        if not len(same) or not len(different):
            raise DataError("a threshold needs pairs of one person and of different people")
        values = np.unique(np.concatenate([same, different]))
        missed = np.searchsorted(np.sort(same), values) / len(same)
        confused = 1 - np.searchsorted(np.sort(different), values) / len(different)
        best = int(np.abs(missed - confused).argmin())
        # All between two values that occur parts the pairs alike: the middle leaves room.
        between = values[max(best - 1, 0) : best + 1].mean()
        value, below, above = (round(float(v), 4) for v in (between, missed[best], confused[best]))
        return cls(value, below, above, len(same), len(different), reader_sha256)

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            RequestError: It cannot be written.
        """
        write_record(path, _THRESHOLD, self)

    @classmethod
    def load(cls, path: Path) -> Threshold:
        """Read the file.

        Raises:
            WeightsError: It is not in the expected form.
            RequestError: It cannot be read.
        """
        return read_record(path, _THRESHOLD)


_THRESHOLD = TypeAdapter(Threshold)


@dataclass(frozen=True)
class IdentityGauge:
    """Tells people apart.

    Attributes:
        codes: Codes (N, code) of images (N, S, S, 3) as they were made, before any treatment.
        name: Which reader it is.
        threshold: Similarity below which an image is flagged; None where none was measured.
    """

    codes: Read
    name: str
    threshold: float | None = None

    def similarity(self, image: Pixels, neutral: Pixels) -> float:
        """Cosine of the two codes, -1 to 1."""
        first, second = self.codes(np.stack([image, neutral])).astype(np.float64)
        return round(float(cosines(first[None], second[None])[0]), 4)


def cosines(first: Floats, second: Floats) -> Floats:
    """(N,) cosines of codes (N, code) row by row."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(1) / np.maximum(lengths, _SHORTEST), np.float64)


def load(folder: Path) -> tuple[IdentityGauge | None, str]:
    """The gauge of a folder of weights, and what a user should know of it, in plain words.

    Returns:
        None without an identity reader. The words are empty where reader and threshold are there.

    Raises:
        WeightsError: A file is damaged.
    """
    from synfer_core.evaluation.gauges import codes
    from synfer_core.models.checkpoints import file_sha256
    from synfer_core.models.identity_reader import IdentityReader

    path = folder / READER
    if not path.exists():
        return None, "These weights have no identity reader: there is no identity similarity."
    sha256 = file_sha256(path)
    threshold, why = _threshold(folder / FILE, sha256)
    read = partial(codes, IdentityReader.load(path))
    return IdentityGauge(read, f"identity {sha256[:8]}", threshold), why


def _threshold(path: Path, reader_sha256: str) -> tuple[float | None, str]:
    """The threshold for a reader, or why there is none."""
    remedy = "drift is not flagged (synfer eval drift measures the threshold)."
    if not path.exists():
        return None, f"No threshold of identity similarity was measured: {remedy}"
    known = Threshold.load(path)
    if known.reader_sha256 != reader_sha256:
        return None, f"The threshold of identity similarity is another reader's: {remedy}"
    return known.value, ""
