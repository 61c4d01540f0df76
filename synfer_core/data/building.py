"""Read first: a plan becomes a checked and documented set, from wherever the last run stopped.

find what is there -> give out the shards that are missing or damaged -> the same again until all
are good or have had their tries -> drop near-duplicates -> manifest, card, hashes.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synfer_core.data import card, duplicates, manifest, shards
from synfer_core.data.engines import Engine, Event, Fault
from synfer_core.data.making import Maker
from synfer_core.data.manifest import LOCK, MANIFEST, Record
from synfer_core.data.plan import Plan
from synfer_core.data.progress import Tally
from synfer_core.errors import BusyError, DataError, RequestError
from synfer_core.files import write_whole

RECIPE, MADE_BY = "recipe.json", "made-by.json"
TRIES = 4
"""How often a shard is given out in one run."""

_STATUSES = {
    "made": "made",
    "rejected": "rejected",
    "failed": "failed",
    "duplicates": "duplicate",
}


@dataclass(frozen=True)
class Checked:
    """So many shards of all have been looked at, whether they are there and whole."""

    done: int
    total: int


Watch = Callable[[Event | Checked, Tally], None]
"""Told of each sample and shard; may raise `CancelledError` to end the run."""


def made_by(maker: Maker, models: Path, threads: int) -> dict[str, Any]:
    """What makes a set, as it is kept with it: other makers make other pixels."""
    experts = models / "experts.json"
    recipe = maker.tools.check(maker.recipe(maker.plan.row(0)))
    return {
        "plan_sha256": maker.plan.sha256,
        "table_sha256": maker.plan.table_sha256,
        "maker_sha256": maker.tools.maker,
        "model_sha256": maker.tools.model_sha256(recipe),
        "experts_sha256": manifest.file_sha256(experts) if experts.exists() else None,
        "origin": maker.tools.origin(recipe).note,
        "synfer_studio": version("synfer-studio"),
        "torch": version("torch"),
        "threads": threads,
    }


@dataclass(frozen=True)
class Outcome:
    """How a build ended.

    Attributes:
        made, rejected, failed, duplicates: Samples by what became of them.
        faults: What went wrong on the way and was made good or listed, by reason.
    """

    made: int
    rejected: int
    failed: int
    duplicates: int
    faults: Mapping[str, int]

    @property
    def total(self) -> int:
        """Samples in all."""
        return self.made + self.rejected + self.failed + self.duplicates


@dataclass
class Build:
    """One run on a set.

    Attributes:
        plan: What is asked for.
        folder: Where it goes; made if absent.
        made_by: From `made_by`.
        engine: Makes the shards.
        watch: Told of each sample and shard.
    """

    plan: Plan
    folder: Path
    made_by: Mapping[str, Any]
    engine: Engine
    watch: Watch = lambda event, tally: None
    _tries: Counter[int] = field(default_factory=Counter)
    _why: dict[int, str] = field(default_factory=dict)
    _faults: Counter[str] = field(default_factory=Counter)
    _gone: dict[int, int] = field(default_factory=dict)
    _lost: set[int] = field(default_factory=set)

    def run(self) -> Outcome:
        """Make what is missing and finish the set.

        Raises:
            DataError: The folder holds another set.
            BusyError: Another run works on it.
            RequestError: It cannot be written.
            CancelledError: From the generator or `watch`; what is made stays.
        """
        with _locked(self.folder):
            self._claim()
            tally = _empty(self.plan)
            while numbers := self._unfinished(tally):
                self._make(numbers, tally)
            return self._finish()

    def _claim(self) -> None:
        """Write down what the folder holds, or check that it is this set."""
        here = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
        if here and RECIPE not in here:
            allowed = "a new or empty folder, or one with a set"
            raise DataError("holds other files", field=str(self.folder), allowed=allowed)
        known = json.dumps(self.made_by, indent=1, sort_keys=True).encode() + b"\n"
        for name, data in {RECIPE: self.plan.to_json(), MADE_BY: known}.items():
            path = self.folder / name
            if not path.exists():
                write_whole(path, data)
            elif path.read_bytes() != data:
                raise DataError(
                    "is of another set, or was made by another model",
                    field=str(path),
                    allowed="a new folder, or the recipe and weights it was begun with",
                )

    def _unfinished(self, tally: Tally) -> list[int]:
        """Shards that are missing, damaged or have faults, and may be tried again."""
        shards.sweep(self.folder)
        self._gone, self._lost = self._duplicates(), set()
        unfinished = []
        for number in range(self.plan.shards):
            records = self._read(number)
            good = records is not None and shards.intact(self.folder, records, self._gone)
            if records is not None and good and not self._faulty(number, records):
                for record in records:
                    tally.add(record, now=False)
            elif self._tries[number] < TRIES:
                unfinished.append(number)
                for record in shards.begun(self.folder, number, self.plan.indices(number)):
                    tally.add(record, now=False)
            else:
                self._lost.add(number)
            self.watch(Checked(number + 1, self.plan.shards), tally)
        return unfinished

    def _faulty(self, number: int, records: Iterable[Record]) -> bool:
        """Whether samples failed unforeseen, and have not been tried again in this run."""
        return not self._tries[number] and any(record.fault for record in records)

    def _duplicates(self, without: Collection[int] = ()) -> dict[int, int]:
        """By near-duplicate, the sample it is like, as far as shards are there.

        Args:
            without: Shards that do not count.
        """
        if self.plan.spec.distance is None:
            return {}
        numbers = (n for n in range(self.plan.shards) if n not in without)
        hashes = {r.index: r.hash for n in numbers for r in self._read(n) or () if r.hash}
        return duplicates.find(hashes, self.plan.spec.distance)

    def _read(self, number: int) -> tuple[Record, ...] | None:
        return shards.read(self.folder, number, self.plan.indices(number))

    def _make(self, numbers: list[int], tally: Tally) -> None:
        for number in numbers:
            if self._tries[number] and self._read(number) and number not in self._why:
                self._faults["a damaged shard"] += 1
            self._tries[number] += 1
            shards.discard(self.folder, number)
        with closing(self.engine.run(self.folder, numbers)) as events:
            for event in events:
                self._heard(event, tally)
                self.watch(event, tally)

    def _heard(self, event: Event, tally: Tally) -> None:
        if isinstance(event, Record):
            tally.add(event, now=event.index not in tally)
        elif isinstance(event, Fault):
            tally.drop(self.plan.indices(event.shard))
            self._why[event.shard] = event.why
            self._faults[event.why] += 1
        else:
            self._why.pop(event.shard, None)

    def _finish(self) -> Outcome:
        """Drop near-duplicates, and write what a set has beside its images."""
        lost, like = self._settle()
        for number in lost:
            shards.discard(self.folder, number)
        summary = card.Summary(self.plan)
        records = (r for n in range(self.plan.shards) for r in self._settled(n, lost, like))
        manifest.write(self.folder / MANIFEST, map(summary.add, records))
        for index in like:
            (self.folder / shards.file_of(self._shard_of(index), index)).unlink(missing_ok=True)
        card.write(self.folder, summary, self.made_by)
        manifest.write_sums(self.folder, (RECIPE, MADE_BY, MANIFEST, *card.FILES))
        return Outcome(
            **{name: summary.statuses[status] for name, status in _STATUSES.items()},
            faults=dict(self._faults),
        )

    def _settle(self) -> tuple[set[int], dict[int, int]]:
        """Shards that are not to be had, and the near-duplicates among all others."""
        lost = set(self._lost)
        while True:
            like = self._duplicates(lost)
            # What was like an image that is lost is in the set again, unless its file has gone.
            bare = {self._shard_of(i) for i in self._gone if i not in like and not self._has(i)}
            if bare <= lost:
                return lost, like
            lost |= bare

    def _shard_of(self, index: int) -> int:
        return index // self.plan.spec.shard

    def _has(self, index: int) -> bool:
        return (self.folder / shards.file_of(self._shard_of(index), index)).exists()

    def _settled(self, number: int, lost: Collection[int], like: Mapping[int, int]) -> list[Record]:
        """The records of a shard as the manifest has them; of a lost one, why."""
        records = None if number in lost else self._read(number)
        if records is not None:
            return [_dropped(r, like[r.index]) if r.index in like else r for r in records]
        why = self._why.get(number, "the shard was damaged each time")
        error = DataError(why, field=shards.name_of(number)).to_dict()
        rows = map(self.plan.row, self.plan.indices(number))
        return [
            Record(
                index=row.index,
                status="failed",
                asked=row.label,
                person=row.person,
                cell=row.named,
                error=error,
                fault=True,
            )
            for row in rows
        ]


def so_far(plan: Plan, folder: Path) -> Tally:
    """How far the set in a folder is by its records alone; `Build` looks at the images too."""
    tally = _empty(plan)
    for number in range(plan.shards):
        indices = plan.indices(number)
        records = shards.read(folder, number, indices)
        for record in shards.begun(folder, number, indices) if records is None else records:
            tally.add(record, now=False)
    return tally


def _empty(plan: Plan) -> Tally:
    return Tally.of(dict(zip(plan.labels, plan.counts.values(), strict=True)))


def _dropped(record: Record, like: int) -> Record:
    return record.model_copy(update={"status": "duplicate", "like": like, "label": None})


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder, for one run alone; the lock goes with the process, however it ends.

    Raises:
        BusyError: Another run has it.
        RequestError: It cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise RequestError(f"cannot be written: {error.strerror}", field=str(folder)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                "another run works on this set", field=str(folder), retry_after=60
            ) from error
        yield
