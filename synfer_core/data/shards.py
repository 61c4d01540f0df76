"""Parts of a set that one worker makes: a folder, written aside and renamed, there whole or not.

A worker that is told to stop keeps what it has of its shard aside, and whoever makes that shard
next goes on there.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from synfer_core.data import manifest
from synfer_core.data.manifest import IMAGES, RECORDS, Record
from synfer_core.errors import CancelledError, DataError, RequestError

_THERE = (errno.ENOTEMPTY, errno.EEXIST)
_STOPS = (CancelledError, KeyboardInterrupt, GeneratorExit)


def name_of(number: int) -> str:
    """Folder of a shard inside the set."""
    return f"{IMAGES}/{number:06d}"


def file_of(number: int, index: int) -> str:
    """Image of a sample inside the set."""
    return f"{name_of(number)}/{index:08d}.png"


@dataclass
class Shard:
    """A shard that is being filled."""

    aside: Path
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record, png: bytes | None) -> None:
        """Take one sample, and its image where it has one."""
        self.records.append(record)
        if png is not None and record.file is not None:
            (self.aside / Path(record.file).name).write_bytes(png)


@contextmanager
def writing(folder: Path, number: int, indices: range) -> Iterator[Shard]:
    """A shard that takes its place when the block ends well; `begun` has it when it was stopped.

    It has what an earlier one left there. Anything else than a stop leaves nothing behind. Two
    workers that make the same shard make the same: the first to finish counts.

    Raises:
        OSError: It cannot be written, such as on a full disk.
        RequestError: The same, of its list of records.
    """
    target = folder / name_of(number)
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    shard = Shard(aside, _taken_over(folder, number, indices, aside))
    try:
        yield shard
        manifest.write(aside / RECORDS, shard.records)
        _rename(aside, target)
    except _STOPS:
        with suppress(OSError, RequestError):  # it is being stopped: what cannot be kept is not
            _keep(shard, _place_of_begun(folder, number))
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _rename(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        if error.errno not in _THERE:
            raise


def _place_of_begun(folder: Path, number: int) -> Path:
    target = folder / name_of(number)
    return target.with_name(f".{target.name}.begun")


def _keep(shard: Shard, place: Path) -> None:
    if shard.records:
        manifest.write(shard.aside / RECORDS, shard.records)
        shutil.rmtree(place, ignore_errors=True)
        shard.aside.rename(place)


def _taken_over(folder: Path, number: int, indices: range, aside: Path) -> list[Record]:
    """What was begun of a shard, moved to `aside`; a new folder where nothing was."""
    try:
        _place_of_begun(folder, number).rename(aside)
    except FileNotFoundError:
        aside.mkdir(parents=True)
    records = list(_sound(aside, indices))
    names = {Path(record.file).name for record in records if record.file}
    for path in aside.glob("*.png"):
        if path.name not in names:
            path.unlink()
    return records


def begun(folder: Path, number: int, indices: range) -> tuple[Record, ...]:
    """The first samples of a shard whose worker was stopped, as far as they are whole.

    Args:
        folder: The set.
        number: Of the shard.
        indices: Its samples.
    """
    return tuple(_sound(_place_of_begun(folder, number), indices))


def _sound(place: Path, indices: range) -> Iterator[Record]:
    try:
        records = tuple(manifest.read(place / RECORDS))
    except DataError:
        return
    for index, record in zip(indices, records, strict=False):
        whole = not record.file or _intact(place / Path(record.file).name, record, optional=False)
        if record.index != index or record.fault or not whole:
            return
        yield record


def read(folder: Path, number: int, indices: range) -> tuple[Record, ...] | None:
    """The records of a shard; None where it is not there or its list is damaged."""
    try:
        records = tuple(manifest.read(folder / name_of(number) / RECORDS))
    except DataError:
        return None
    return records if [record.index for record in records] == list(indices) else None


def intact(folder: Path, records: Collection[Record], without: Collection[int]) -> bool:
    """Whether every image is there with the bytes that were made.

    Args:
        folder: The set.
        records: Of one shard.
        without: Samples whose image may have been taken away.
    """
    return all(_intact(folder / r.file, r, r.index in without) for r in records if r.file)


def _intact(path: Path, record: Record, optional: bool) -> bool:
    try:
        return manifest.file_sha256(path) == record.sha256
    except FileNotFoundError:
        return optional
    except OSError:
        return False


def discard(folder: Path, number: int) -> None:
    """Remove a shard."""
    shutil.rmtree(folder / name_of(number), ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what workers that were killed have left."""
    for aside in (folder / IMAGES).glob(".*.part"):
        shutil.rmtree(aside, ignore_errors=True)
