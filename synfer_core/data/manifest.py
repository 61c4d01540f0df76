"""What is known of each sample, and whether the files of a set are still those that were made."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import ValidationError

from synfer_core.errors import DataError, ImageError
from synfer_core.faces.images import decoding
from synfer_core.facs import Expression
from synfer_core.files import placed, write_whole
from synfer_core.provenance.export import pixels_sha256
from synfer_core.stimuli.spec import Part

MANIFEST = "manifest.jsonl"
SUMS = "SHA256SUMS"
"""Hashes of the files that are no images, as ``sha256sum -c`` reads them."""
IMAGES = "images"
RECORDS = "records.jsonl"
LOCK = ".lock"

Status = Literal["made", "rejected", "failed", "duplicate"]


class Attempt(Part):
    """One image that was made of a sample.

    Attributes:
        verdict: What was said of its label; ``unjudged`` where nobody was asked, ``error`` where
            none was made.
        read: The likeliest expression, where a reader was asked.
        confidence: Its probability, 0 to 1.
        error: Why none was made.
    """

    verdict: Literal["confirmed", "relabelled", "rejected", "unjudged", "error"]
    read: Expression | None = None
    confidence: float | None = None
    error: str | None = None


class Record(Part):
    """One sample of a set.

    Attributes:
        index: Its number, from 0.
        status: ``made`` is in the set; ``rejected``: no attempt passed the verdict; ``failed``:
            none came to an image; ``duplicate``: too like an earlier one.
        asked: The label asked for; None without labels.
        label: The label it has; None without labels, and where it is not in the set.
        file: Path of its image in the set, where it has or had one.
        sha256: Of that file's bytes.
        pixels_sha256: Of its RGB bytes.
        hash: Perceptual hash, 64 hexadecimal digits.
        size: Pixels on a side.
        person: Identity seed.
        cell: Factors of the person that were asked for.
        apparent: What the person suggests, as far as it is known.
        recipe: Of the last attempt, complete.
        model_sha256: Of what made it: weights, or the renderer's data pack.
        attempts: What was made of it, the last one last.
        aus: AUs measured on the image, 0-5.
        au_reader: Who measured them.
        probabilities: The label reader's, by expression.
        label_reader: Who read them.
        error: Why it failed, as ``SynferError.to_dict``.
        fault: Whether it failed in a way nobody foresaw; the next run then tries again.
        like: Of a duplicate, the sample it is like.
    """

    index: int
    status: Status
    asked: Expression | None = None
    label: Expression | None = None
    file: str | None = None
    sha256: str | None = None
    pixels_sha256: str | None = None
    hash: str | None = None
    size: int | None = None
    person: int
    cell: Mapping[str, str] = {}
    apparent: Mapping[str, str] = {}
    recipe: Mapping[str, Any] = {}
    model_sha256: str = ""
    attempts: tuple[Attempt, ...] = ()
    aus: Mapping[str, float] = {}
    au_reader: str = ""
    probabilities: Mapping[str, float] = {}
    label_reader: str = ""
    error: Mapping[str, str | None] | None = None
    fault: bool = False
    like: int | None = None

    @property
    def kept(self) -> bool:
        """Whether it is in the set."""
        return self.status == "made"

    def to_json(self) -> str:
        """As one line of JSON, without what is empty."""
        return self.model_dump_json(exclude_defaults=True)


def write(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON Lines, beside the file's place and renamed, one in memory at a time.

    Raises:
        RequestError: They cannot be written.
    """
    with placed(path) as aside, aside.open("w", encoding="utf-8") as file:
        file.writelines(f"{record.to_json()}\n" for record in records)


def read(path: Path) -> Iterator[Record]:
    """Records of a JSON Lines file, one after another.

    Raises:
        DataError: It is missing, or a line is no record.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield Record.model_validate_json(line)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path)) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"is damaged: {str(error).splitlines()[0]}", field=str(path)) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write `SUMS` over some files of a set.

    Raises:
        RequestError: It cannot be written.
    """
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in sorted(names)]
    write_whole(folder / SUMS, "".join(lines).encode())


@dataclass(frozen=True)
class Verification:
    """How a set stands against its manifest; paths are inside the set.

    Attributes:
        images: Images that should be there.
        missing, extra, changed: Files that are not there, that should not be, or are others.
    """

    images: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether all is as it was made."""
        return not (self.missing or self.extra or self.changed)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"good": self.good, **vars(self)}


def verify(
    folder: Path, tell: Callable[[int, int], None] = lambda done, total: None
) -> Verification:
    """Compare every file of a set with its manifest, images by their bytes and by their pixels.

    Args:
        folder: The set.
        tell: Called with images done and in all.

    Raises:
        DataError: There is no manifest that can be read.
    """
    total = sum(record.kept for record in read(folder / MANIFEST))
    listed = set(_names(folder))
    missing, changed = _against_sums(folder)
    done = 0
    for record in read(folder / MANIFEST):
        if not record.kept:
            continue
        listed.add(str(record.file))
        state = _state(folder, record)
        if state:
            (missing if state == "missing" else changed).append(str(record.file))
        done += 1
        tell(done, total)
    extra = sorted(name for name in _files(folder) if name not in listed)
    return Verification(total, tuple(missing), tuple(extra), tuple(changed))


def _state(folder: Path, record: Record) -> str:
    """``missing``, ``changed`` or, where all is well, empty."""
    path = folder / str(record.file)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "changed"
    same = hashlib.sha256(data).hexdigest() == record.sha256
    return "" if same and pixels_of(data) == record.pixels_sha256 else "changed"


def pixels_of(png: bytes) -> str | None:
    """SHA-256 of a PNG's RGB bytes; None where it cannot be read."""
    try:
        with decoding("image"), Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            return pixels_sha256(np.asarray(picture.convert("RGB")))
    except ImageError:
        return None


def _sums(folder: Path) -> dict[str, str]:
    """By file, the hash that `SUMS` names.

    Raises:
        DataError: There is no such file, or it is damaged.
    """
    try:
        lines = (folder / SUMS).read_text().splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", field=str(folder / SUMS)) from error


def _against_sums(folder: Path) -> tuple[list[str], list[str]]:
    missing, changed = [], []
    for name, digest in _sums(folder).items():
        if not (folder / name).is_file():
            missing.append(name)
        elif file_sha256(folder / name) != digest:
            changed.append(name)
    return missing, changed


def _names(folder: Path) -> Iterator[str]:
    """Files of a set that are no images."""
    yield from (SUMS, LOCK, *_sums(folder))
    yield from (str(path.relative_to(folder)) for path in folder.glob(f"{IMAGES}/*/{RECORDS}"))


def _files(folder: Path) -> Iterator[str]:
    yield from (str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())
