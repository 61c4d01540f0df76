"""Where faces come from: an image folder, a manifest in CSV or Parquet, or a known data set.

A source is read twice, once to fingerprint its listing and once to build, each time in the same
order and without holding more than one folder's names or one batch of rows. `layouts` has the
readers of known data sets.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synfer_core.errors import DataError, ImageError, RequestError
from synfer_core.faces.images import ENDINGS, read_bytes
from synfer_core.facs import SYNONYMS, Expression
from synfer_core.tables import Rows, opened_rows

SPLITS: Mapping[str, str] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "val": "val",
        "valid": "val",
        "validation": "val",
        "test": "test",
        "testing": "test",
    }
)
"""Names of splits as folders and manifests have them, lower case."""

_BATCH = 64


@dataclass(frozen=True)
class Item:
    """One image of a source.

    Attributes:
        key: Its name in the source, such as ``train/happy/1.jpg``.
        path: Its file; None where the bytes stand in a manifest.
        data: Its bytes; None where it has a file.
        expression: The label that came with it; None where there is none.
        split: ``train``, ``val``, ``test`` or None.
        valence, arousal: Ratings from -1 to 1 that came with it.
        refusal: Why its label rules it out, such as AffectNet's ``uncertain``; empty otherwise.
    """

    key: str
    path: Path | None = None
    data: bytes | None = None
    expression: Expression | None = None
    split: str | None = None
    valence: float | None = None
    arousal: float | None = None
    refusal: str = ""

    @property
    def size(self) -> int:
        """Bytes of the image file; -1 where it is missing."""
        if self.data is not None:
            return len(self.data)
        try:
            return self.path.stat().st_size if self.path else -1
        except OSError:
            return -1

    def read(self) -> bytes:
        """The bytes of the image file.

        Raises:
            ImageError: It cannot be read.
        """
        if self.data is not None:
            return self.data
        if self.path is None:
            raise ImageError("has neither file nor bytes", field=self.key)
        return read_bytes(self.path)

    def line(self) -> bytes:
        """What the fingerprint of a listing covers: all but the contents of the image file."""
        values = [self.key, self.size, self.expression, self.split, self.valence, self.arousal]
        return json.dumps([*values, self.refusal]).encode() + b"\n"


@dataclass(frozen=True)
class Layout:
    """How a kind of source lies on the disk.

    Attributes:
        name: What ``--layout`` takes.
        title: What it is called in a data sheet.
        shape: The files it is told by.
        labels: What its labels are, and how they map to the eight expressions.
        read: Lists the images below a path, in a fixed order.
        terms: Whose terms hold, in a sentence; empty for the user's own files.
    """

    name: str
    title: str
    shape: str
    labels: str
    read: Callable[[Path], Iterator[Item]]
    terms: str = ""


@dataclass(frozen=True)
class Listing:
    """What a source holds: the number of images and the SHA-256 of their `Item.line`."""

    count: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A place and how to read it.

    Attributes:
        layout: How it lies on the disk.
        root: The folder or manifest.
        split: Only images of this split; None for all.
        limit: At most so many images, from the start; None for all.
    """

    layout: Layout
    root: Path
    split: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise RequestError("is out of range", field="--limit", allowed="1 or more")

    def items(self) -> Iterator[Item]:
        """The images, in a fixed order.

        Raises:
            DataError: The source is missing or not in the layout's form.
        """
        every = self.layout.read(self.root)
        wanted = (item for item in every if self.split is None or item.split == self.split)
        return islice(wanted, self.limit)

    def listing(self) -> Listing:
        """Count and fingerprint of the listing.

        Raises:
            DataError: As `items`, or there is no image.
        """
        digest, count = hashlib.sha256(), 0
        for item in self.items():
            digest.update(item.line())
            count += 1
        if not count:
            where = f" in the split {self.split}" if self.split else ""
            raise DataError(
                f"holds no image{where}", field=str(self.root), allowed=self.layout.shape
            )
        return Listing(count, digest.hexdigest())


def labelled(name: str | None) -> dict[str, Any]:
    """Fields of an item whose class has this name: its expression, or why it is refused."""
    if name is None or not name.strip():
        return {}
    known = SYNONYMS.get(name.strip().lower())
    return {"expression": known} if known else {"refusal": f"label {name[:40]!r} is not one of 8"}


def split_named(name: str | None) -> str | None:
    """The split that a folder or a manifest calls `name`."""
    return SPLITS.get(name.strip().lower()) if name else None


def images_below(folder: Path) -> Iterator[Path]:
    """Image files below a folder by suffix, each folder's names in order, files before folders.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(folder)) from error
    yield from (path for path in entries if path.suffix.lower() in ENDINGS and path.is_file())
    for path in entries:
        if path.is_dir():
            yield from images_below(path)


def _folder(root: Path) -> Iterator[Item]:
    for path in images_below(root):
        parts = path.relative_to(root).parts
        folders = [part.lower() for part in parts[:-1]]
        expression = next((SYNONYMS[name] for name in folders if name in SYNONYMS), None)
        split = next((SPLITS[name] for name in folders if name in SPLITS), None)
        yield Item("/".join(parts), path, expression=expression, split=split)


@contextmanager
def opened_table(path: Path) -> Iterator[Rows]:
    """A CSV file as rows by column name.

    Raises:
        DataError: It cannot be read, here or while its rows are taken.
    """
    try:
        with opened_rows(path) as rows:
            yield rows
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot be read as CSV: {error}", field=str(path)) from error


def rating(value: object) -> float | None:
    """A valence or arousal; None where there is none, such as AffectNet's -2."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if -1 <= number <= 1 else None


def _row_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an item that a row of a manifest gives."""
    return {
        "split": split_named(row.get("split")),
        "valence": rating(row.get("valence")),
        "arousal": rating(row.get("arousal")),
        **labelled(row.get("expression")),
    }


def _csv(root: Path) -> Iterator[Item]:
    with opened_table(root) as rows:
        if "path" not in rows.columns:
            raise DataError("has no column path", field=str(root), allowed=_CSV_SHAPE)
        for row in rows:
            name = row["path"]
            yield Item(name, root.parent / name, **_row_fields(row))


def _parquet(root: Path) -> Iterator[Item]:
    shards = sorted(root.glob("*.parquet")) if root.is_dir() else [root]
    for shard in shards:
        yield from _parquet_file(shard, root.parent if root.is_file() else root)


def _parquet_file(shard: Path, base: Path) -> Iterator[Item]:
    try:
        with pq.ParquetFile(shard) as file:
            columns = [name for name in _PARQUET_COLUMNS if name in file.schema_arrow.names]
            _check_columns(file.schema_arrow, columns, str(shard))
            number = 0
            for batch in file.iter_batches(_BATCH, columns=columns):
                for row in batch.to_pylist():
                    yield _parquet_item(row, f"{shard.name}#{number}", base)
                    number += 1
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"cannot be read as Parquet: {error}", field=str(shard)) from error


def _check_columns(schema: pa.Schema, columns: list[str], field: str) -> None:
    if not {"path", "image"} & set(columns):
        raise DataError("has no column path or image", field=field, allowed=_SHAPE)
    for name in {"path", "expression", "split"} & set(columns):
        kind = schema.field(name).type
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(value) or pa.types.is_large_string(value)):
            raise DataError(f"column {name} is {kind}", field=field, allowed="words")


def _parquet_item(row: Mapping[str, Any], name: str, base: Path) -> Item:
    image = row.get("image")
    data = image.get("bytes") if isinstance(image, dict) else image
    if isinstance(data, bytes):
        return Item(name, data=data, **_row_fields(row))
    named = row.get("path") or (image.get("path") if isinstance(image, dict) else None)
    return Item(named or name, base / named if named else None, **_row_fields(row))


_PARQUET_COLUMNS = ("path", "image", "expression", "split", "valence", "arousal")
_CSV_SHAPE = "*.csv with a column path, and expression, split, valence, arousal where known"
_SHAPE = "*.parquet, or a folder of them, with a column path or image (bytes)"
_OWN = (
    "Class names of the eight expressions and usual synonyms (happy, sad, surprised, afraid, "
    "disgusted, angry)"
)

FOLDER = Layout(
    "folder",
    "a folder of images",
    "a folder with JPEG, PNG or WebP images, in folders of classes and splits where known",
    f"{_OWN} as names of folders, at any depth; images elsewhere have no label.",
    _folder,
)
CSV = Layout(
    "csv",
    "a CSV manifest",
    _CSV_SHAPE,
    f"{_OWN} in the column `expression`; other names are refused, an empty field is no label.",
    _csv,
)
PARQUET = Layout(
    "parquet",
    "Parquet files",
    _SHAPE,
    f"{_OWN} in the column `expression`; other names are refused, an empty field is no label.",
    _parquet,
)
