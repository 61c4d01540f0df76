"""Who makes the shards: this process, or several processes; `ray_engine` has a third.

All do the same with a shard (`build_shard`), so the same pixels come out. A shard that cannot be
made comes back as a `Fault` and the others go on; `building` then gives it out again.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from synfer_core.data import shards
from synfer_core.data.making import Maker, Workshop
from synfer_core.data.manifest import Record
from synfer_core.errors import CancelledError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """A shard is in its place."""

    shard: int


@dataclass(frozen=True)
class Fault:
    """A shard was not made, and why."""

    shard: int
    why: str


Event = Record | Done | Fault
"""A sample that was made, or the end of its shard."""


class Engine(Protocol):
    """Makes shards."""

    def run(self, folder: Path, numbers: Iterable[int]) -> Generator[Event, None, None]:
        """Make shards of the set in `folder`, in any order; each ends in `Done` or `Fault`.

        Closing it stops the work.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def build_shard(maker: Maker, folder: Path, number: int) -> Generator[Event, None, None]:
    """Make one shard; whatever it meets but a cancel ends in a `Fault`.

    Closing it stops it; samples that are made stay, and the next one begins with their records.
    """
    indices = maker.plan.indices(number)
    try:
        with shards.writing(folder, number, indices) as shard:
            yield from tuple(shard.records)
            for index in indices[len(shard.records) :]:
                sample = maker.make(index)
                shard.add(sample.record, sample.png)
                yield sample.record
    except CancelledError:
        raise
    except Exception as error:  # a full disk, for one, must not end the other shards
        log.exception("shard %d", number)
        yield Fault(number, f"{type(error).__name__}: {error}")
    else:
        yield Done(number)


@dataclass
class LocalEngine:
    """This process, one shard after another.

    Attributes:
        maker: Makes the samples.
    """

    maker: Maker

    def run(self, folder: Path, numbers: Iterable[int]) -> Generator[Event, None, None]:
        """See `Engine`."""
        for number in numbers:
            yield from build_shard(self.maker, folder, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    shard: int | None = None


@dataclass
class ProcessEngine:
    """Several processes on this machine; one that dies is replaced.

    Attributes:
        workshop: Opens a maker in each.
        workers: How many.
    """

    workshop: Workshop
    workers: int
    _all: list[_Worker] = field(default_factory=list)

    def run(self, folder: Path, numbers: Iterable[int]) -> Generator[Event, None, None]:
        """See `Engine`."""
        left = deque(numbers)
        while left or any(worker.shard is not None for worker in self._all):
            self._give_out(folder, left)
            busy = {worker.pipe: worker for worker in self._all if worker.shard is not None}
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                yield self._heard(busy[pipe])

    def _give_out(self, folder: Path, left: deque[int]) -> None:
        """A shard for each worker without one; workers are started as they are needed."""
        idle = [worker for worker in self._all if worker.shard is None]
        while left and (idle or len(self._all) < self.workers):
            worker = idle.pop() if idle else self._start()
            number = left.popleft()
            worker.shard = number
            with contextlib.suppress(BrokenPipeError):  # it has died: `_heard` will find out
                worker.pipe.send((folder, number))

    def _heard(self, worker: _Worker) -> Event:
        """What a worker says; of a dead one, that its shard was not made.

        After a fault the worker goes: what is wrong with it may last, such as a limit it has met.
        """
        number = worker.shard
        assert number is not None
        try:
            event: Event = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            event = Fault(number, f"the worker ended with code {worker.process.exitcode}")
        if isinstance(event, Fault):
            self._all.remove(worker)
            _end(worker)
        elif isinstance(event, Done):
            worker.shard = None
        return event

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self.workshop, theirs), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._all.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers; the shards they were making are made again by the next run."""
        for worker in self._all:
            worker.process.terminate()
        for worker in self._all:
            _end(worker)
        self._all.clear()


def _end(worker: _Worker) -> None:
    worker.process.terminate()
    worker.process.join()
    worker.pipe.close()


def _work(workshop: Workshop, pipe: Connection) -> None:
    """What a worker process does until nobody is there any more to tell it what to do."""
    maker: Maker | None = None
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            folder, number = pipe.recv()
            maker = maker or workshop.open()
            for event in build_shard(maker, folder, number):
                pipe.send(event)
