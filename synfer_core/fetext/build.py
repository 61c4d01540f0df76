"""Read first: a source becomes a data set in shards, and an interrupted run goes on.

list the source -> fix the configuration -> for each shard that is not there yet: records, or
rejections with their reason -> write it aside, rename it, note it in the journal -> data sheet.
A shard is a function of the configuration and its share of the listing alone, so that a run that
was killed and taken up again ends with the same bytes as one that was not.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import Any

from synfer_core.errors import BusyError, DataError, RequestError
from synfer_core.fetext import sheet
from synfer_core.fetext.config import Config
from synfer_core.fetext.records import NO_UPSCALER, Record, Rejection, Tools
from synfer_core.fetext.shards import WRITERS, file_name
from synfer_core.fetext.sources import Item, Source
from synfer_core.fetext.tally import Tally
from synfer_core.files import read_text_bytes, write_whole
from synfer_core.models.checkpoints import file_sha256

CONFIG, SUMMARY, REPORT = "config.json", "build.json", "report.json"
JOURNAL, REJECTED, SHEET = "journal", "rejected.jsonl", "datasheet.md"
_LARGEST_NOTE = 1 << 26


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done, total: Images of the source, those of earlier runs among them.
        key: The one that was just read.
        seconds_left: Seconds that the rest is likely to take; None before that can be told.
    """

    done: int
    total: int
    key: str
    seconds_left: float | None


Watch = Callable[[Progress], None]
"""Told after each image; may raise `CancelledError` to end the run."""


@dataclass(frozen=True)
class Built:
    """A data set that is whole.

    Attributes:
        tally: What is in it.
        read: Images read by this run, those of earlier runs left out.
        seconds: Seconds this run took, without loading models.
        processor_seconds: The same by the process's own clock, which stands still while it waits.
        peak_mb: Most memory the process held, in MB.
    """

    tally: Tally
    read: int
    seconds: float
    processor_seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.read / self.seconds if self.seconds else 0.0

    @property
    def rate_of_core(self) -> float:
        """Images a second and core."""
        return self.read / self.processor_seconds if self.processor_seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "images_read": self.read,
            "seconds": round(self.seconds, 2),
            "processor_seconds": round(self.processor_seconds, 2),
            "images_per_second": round(self.rate, 2),
            "images_per_second_and_core": round(self.rate_of_core, 2),
            "peak_memory_mb": round(self.peak_mb, 1),
            "records": self.tally.records,
            "rejected": self.tally.rejected,
        }


def build(source: Source, tools: Tools, config: Config, out: Path, watch: Watch) -> Built:
    """Build a data set in the folder `out`, or finish one that is there.

    Args:
        source: The images, whose listing `config` has.
        tools: What makes the records.
        config: What the data set depends on.
        out: A new folder, or that of an earlier run with the same configuration.
        watch: Told after each image.

    Raises:
        RequestError: The folder has another configuration, or something else, in it; the message
            names the first field that differs.
        DataError: The source changed while it was read.
        BusyError: Another process builds there.
        CancelledError: From `watch`.
    """
    start, worked = time.monotonic(), time.process_time()
    with _folder(out):
        _settle(config, out)
        clock = _Clock(config.count, watch)
        number = 0
        for number, items in enumerate(_batches(source, config.per_shard)):
            if _is_kept(out, number, config):
                clock.skip(len(items))
            else:
                _shard(number, items, tools, config, out, clock)
        if clock.done != config.count:
            raise DataError("changed while it was read", field=str(source.root))
        tally = _finish(out, number + 1, config)
        built = Built(
            tally=tally,
            read=clock.read,
            seconds=time.monotonic() - start,
            processor_seconds=time.process_time() - worked,
            peak_mb=peak_mb(),
        )
        write_whole(out / REPORT, as_json(built.to_dict()))
    return built


def as_json(value: object) -> bytes:
    """JSON as the files here have it."""
    return json.dumps(value, indent=1, allow_nan=False).encode() + b"\n"


def peak_mb() -> float:
    """Most memory this process has held so far, in MB (resident set)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass
class _Clock:
    """Counts images and tells how long the rest will take."""

    total: int
    watch: Watch
    done: int = 0
    read: int = 0

    def __post_init__(self) -> None:
        self._start = time.monotonic()

    def skip(self, images: int) -> None:
        """Images of a shard that is there."""
        self.done += images
        self._start = time.monotonic() if not self.read else self._start

    def tick(self, key: str) -> None:
        """One image more."""
        self.done, self.read = self.done + 1, self.read + 1
        each = (time.monotonic() - self._start) / self.read
        self.watch(Progress(self.done, self.total, key, each * (self.total - self.done)))


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """The folder, for this process alone; the system lets go of it when the process ends."""
    try:
        out.mkdir(exist_ok=True)
        handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RequestError(
            f"cannot be made: {error.strerror}", field=str(out), allowed="a new or empty folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError("another process builds here", retry_after=60, field=str(out)) from error
    finally:
        os.close(handle)


def _settle(config: Config, out: Path) -> None:
    """Write the configuration down, or see that it is that of the earlier run."""
    place = out / CONFIG
    if place.is_file():
        config.check_same(read_text_bytes(place, str(place)), str(out))
    elif any(path for path in out.iterdir() if not _is_leftover(path)):
        raise RequestError("holds something else", field=str(out), allowed="a new or empty folder")
    else:
        write_whole(place, as_json(config.to_dict()))
    (out / JOURNAL).mkdir(exist_ok=True)
    for folder in (out, out / JOURNAL):
        for path in filter(_is_leftover, folder.iterdir()):
            path.unlink()


def _is_leftover(path: Path) -> bool:
    """Whether a killed run was writing this file."""
    return path.name.startswith(".") and path.name.endswith(".part")


def _batches(source: Source, size: int) -> Iterator[list[Item]]:
    items = source.items()
    while batch := list(islice(items, size)):
        yield batch


def _note_path(out: Path, number: int) -> Path:
    return out / JOURNAL / f"{number:06d}.json"


def _read_note(out: Path, number: int) -> dict[str, Any]:
    path = _note_path(out, number)
    note: dict[str, Any] = json.loads(read_text_bytes(path, str(path), limit=_LARGEST_NOTE))
    return note


def _is_kept(out: Path, number: int, config: Config) -> bool:
    """Whether a shard is there whole; one that was damaged since is made anew."""
    path = out / file_name(number, config.container)
    if not (_note_path(out, number).is_file() and path.is_file()):
        return False
    return bool(_read_note(out, number)["sha256"] == file_sha256(path))


def _shard(
    number: int, items: list[Item], tools: Tools, config: Config, out: Path, clock: _Clock
) -> None:
    """Make a shard, write it, and then note that it is there."""
    rows: list[dict[str, Any]] = []
    tally = Counter[str]()
    rejected: list[Rejection] = []
    first = number * config.per_shard
    for index, item in enumerate(items, first):
        made = tools.make(index, item)
        if isinstance(made, Record):
            rows.append(made.row(config.quality))
            tally.update(_counted(made))
        else:
            rejected.append(made)
        clock.tick(item.key)
    data = WRITERS[config.container][1](rows)
    write_whole(out / file_name(number, config.container), data)
    note = {
        "file": file_name(number, config.container),
        "sha256": hashlib.sha256(data).hexdigest(),
        "images": len(items),
        "records": len(rows),
        "counts": dict(sorted(tally.items())),
        "rejected": [rejection.to_dict() for rejection in rejected],
    }
    write_whole(_note_path(out, number), as_json(note))


def _counted(record: Record) -> list[str]:
    """What a data sheet counts of a record, as ``kind:value``."""
    return [
        f"expression:{record.item.expression or 'no label'}",
        f"split:{record.item.split or 'no split'}",
        f"caption_by:{record.caption.writer}",
        f"au_source:{record.labels.source}",
        f"upscaler:{record.upscaler}",
        *(["enlarged:"] if record.upscaler != NO_UPSCALER else []),
    ]


def _finish(out: Path, shards: int, config: Config) -> Tally:
    """Write what sums up the shards."""
    notes = (_read_note(out, number) for number in range(shards))
    tally = reduce(Tally.add, notes, Tally())
    lines = (
        json.dumps(rejection).encode() + b"\n"
        for number in range(shards)
        for rejection in _read_note(out, number)["rejected"]
    )
    write_whole(out / REJECTED, b"".join(lines))
    write_whole(out / SUMMARY, as_json({**config.to_dict(), **tally.to_dict()}))
    write_whole(out / SHEET, sheet.datasheet(config, tally).encode())
    return tally


def notes_of(out: Path) -> Iterator[Mapping[str, Any]]:
    """The journal's notes of the shards that are there, in order."""
    for path in sorted((out / JOURNAL).glob("*.json")):
        yield _read_note(out, int(path.stem))
