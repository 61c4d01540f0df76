"""What the server keeps for pages: never for ever, never too many, never too much.

Everything that outlasts the event of a page stands in such a store, under the page's name.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from pydantic import BaseModel

V = TypeVar("V")


@dataclass(frozen=True)
class Bounds:
    """Limits of one store.

    Attributes:
        seconds: After which an entry is dropped that nobody asked for.
        number: Entries.
        size: Bytes of all entries together.
    """

    seconds: float
    number: int
    size: int


@dataclass
class _Entry(Generic[V]):
    value: V
    size: int
    used: float


class BoundedStore(Generic[V]):
    """Values by name; what was asked for longest ago goes first. Threads may share it.

    The newest entry always stays, so the bytes are those of the limit and of one entry at most.
    What is at work does not count, for whoever works has limits of its own.

    Args:
        bounds: Its limits.
        size: Bytes of a value.
        close: Called with each value that is dropped or replaced, not with one that is taken.
        alive: Whether an entry's age does not count now, such as that of an open page.
        held: Whether an entry is at work and may not be dropped now.
        clock: Seconds, from whenever.
    """

    def __init__(
        self,
        bounds: Bounds,
        *,
        size: Callable[[V], int] | None = None,
        close: Callable[[V], object] | None = None,
        alive: Callable[[str], bool] | None = None,
        held: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.bounds = bounds
        self._size: Callable[[V], int] = size or weigh
        self._close, self._alive, self._held = close, alive or _no, held or _no
        self._clock = clock
        self._entries: OrderedDict[str, _Entry[V]] = OrderedDict()
        self._lock = threading.RLock()

    def put(self, name: str, value: V, *, room: bool = True) -> V:
        """Keep a value, in place of what was there.

        Args:
            name: What it is kept under.
            value: What is kept.
            room: Whether older ones make room at once, or at the next sweep.
        """
        with self._lock:
            old = self._entries.pop(name, None)
            self._entries[name] = _Entry(value, self._size(value), self._clock())
        if old is not None and old.value is not value:
            self._ended([old])
        if room:
            self._make_room()
        return value

    def get(self, name: str) -> V | None:
        """A value, which counts as asked for; None where there is none."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            entry.used = self._clock()
            self._entries.move_to_end(name)
            return entry.value

    def find(self, name: str) -> V | None:
        """A value, which does not count as asked for; None where there is none."""
        with self._lock:
            entry = self._entries.get(name)
            return None if entry is None else entry.value

    def take(self, name: str) -> V | None:
        """Remove a value without closing it."""
        with self._lock:
            entry = self._entries.pop(name, None)
            return None if entry is None else entry.value

    def drop(self, name: str) -> None:
        """Remove a value and close it."""
        with self._lock:
            entry = self._entries.pop(name, None)
        if entry is not None:
            self._ended([entry])

    def resize(self, name: str) -> None:
        """Measure a value that has grown, and was thus asked for; older ones make room."""
        with self._lock:
            if entry := self._entries.get(name):
                entry.used = self._clock()
                self._entries.move_to_end(name)
                entry.size = self._size(entry.value)
        self._make_room()

    def names(self) -> list[str]:
        """Names of all entries, the one asked for longest ago first."""
        with self._lock:
            return list(self._entries)

    def values(self) -> list[V]:
        """All values, in the order of `names`; this does not count as asking for them."""
        with self._lock:
            return [entry.value for entry in self._entries.values()]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        with self._lock:
            return sum(entry.size for entry in self._entries.values())

    def sweep(self) -> None:
        """Drop what is too old; what is alive now has an age of none."""
        now = self._clock()
        with self._lock:
            for name, entry in self._entries.items():
                entry.size = self._size(entry.value)
                if self._alive(name):
                    entry.used = now
            limit = now - self.bounds.seconds
            old = [name for name, entry in self._entries.items() if entry.used <= limit]
            ended = [self._entries.pop(name) for name in old if not self._held(name)]
        self._ended(ended)
        self._make_room()

    def _make_room(self) -> None:
        ended = []
        with self._lock:
            newest = next(reversed(self._entries), None)
            idle = {n: e.size for n, e in self._entries.items() if not self._held(n)}
            number, size = len(idle), sum(idle.values())
            # Pages that are gone make room before those that are open.
            for name in sorted(idle, key=self._alive):
                if number <= self.bounds.number and size <= self.bounds.size:
                    break
                if name != newest:
                    ended.append(self._entries.pop(name))
                    number, size = number - 1, size - idle[name]
        self._ended(ended)

    def _ended(self, entries: Iterable[_Entry[V]]) -> None:
        """Close values, outside the lock: that may take a while."""
        for entry in entries:
            if self._close is not None:
                self._close(entry.value)


def _no(_: str) -> bool:
    return False


def weigh(value: object) -> int:
    """About how many bytes of memory a value takes: arrays, bytes and text in whatever holds them.

    A thing that is there twice counts once.
    """
    total, seen, waiting = 0, set[int](), [value]
    while waiting:
        one = waiting.pop()
        if one is None or isinstance(one, bool | int | float) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            total += one.nbytes
        elif isinstance(one, bytes | bytearray | str):
            total += sys.getsizeof(one)
        elif isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        elif dataclasses.is_dataclass(one) or isinstance(one, BaseModel):
            waiting += _parts(one)
        total += 64
    return total


def _parts(one: object) -> list[object]:
    with suppress(TypeError):  # it has slots
        return list(vars(one).values())
    return []
