"""A seeded fuzzer: damaged files and texts for everything that reads what strangers send.

A case is made by its target, the seed and its number alone, so any of them can be made again. What
a reader may do with one is to read it or to raise an error of the tree, within `MOST_SECONDS`.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from synfer_core.errors import SynferError
from tests import mutating

MOST_SECONDS = 2.0
"""Of processor time for one case."""

HANGS_AFTER = 60
"""Seconds after which a case is given up."""

Kind = Literal["exception", "slow", "hang"]


@dataclass(frozen=True)
class Target:
    """Something that reads bytes of a stranger.

    Attributes:
        name: What it reads.
        seeds: Files that it reads, from which cases are made.
        read: Reads one.
        mutate: Makes a damaged file out of whole ones.
    """

    name: str
    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    mutate: mutating.Mutate


@dataclass(frozen=True)
class Finding:
    """A case that a reader handled wrongly.

    Attributes:
        target: What was to be read.
        seed, number: They make the case again, see `case`.
        kind: Whether another exception than the tree's came out, or it took too long.
        message: The exception, or the seconds.
    """

    target: str
    seed: int
    number: int
    kind: Kind
    message: str


class Hang(BaseException):
    """A case is given up; no handler of `Exception` swallows it."""


def case(target: Target, seed: int, number: int) -> bytes:
    """The bytes of one case; number 0 and on, one for each seed file, are the whole files."""
    if number < len(target.seeds):
        return target.seeds[number]
    return target.mutate(random.Random(f"{target.name} {seed} {number}"), target.seeds)


def fuzz(target: Target, seed: int, numbers: Sequence[int]) -> Iterator[Finding]:
    """What goes wrong among the cases of these numbers."""
    for number in numbers:
        data = case(target, seed, number)
        if found := tried(target.read, data):
            yield Finding(target.name, seed, number, *found)


def tried(read: Callable[[bytes], object], data: bytes) -> tuple[Kind, str] | None:
    """What is wrong with how bytes are read, if anything."""
    start = time.process_time()
    try:
        with given_up_after(HANGS_AFTER):
            read(data)
    except SynferError:
        pass
    except Hang:
        return "hang", f"no end in {HANGS_AFTER} s"
    except Exception as error:  # noqa: BLE001  # whatever comes out is what is looked for
        return "exception", f"{type(error).__name__}: {error}"[:300]
    seconds = time.process_time() - start
    return ("slow", f"{seconds:.1f} s") if seconds > MOST_SECONDS else None


@contextmanager
def given_up_after(seconds: int) -> Iterator[None]:
    """Raises `Hang` in the block after that time; for the main thread of a process."""

    def stop(_: int, __: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def accepted(target: Target, seed: int, numbers: Sequence[int]) -> int:
    """How many of the cases are read: with none, the damage is too great to test anything."""
    return sum(_reads(target, case(target, seed, number)) for number in numbers)


def _reads(target: Target, data: bytes) -> bool:
    try:
        target.read(data)
    except SynferError:
        return False
    return True


def by_name(targets: Sequence[Target]) -> Mapping[str, Target]:
    """Targets by what they read."""
    return {target.name: target for target in targets}
