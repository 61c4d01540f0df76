"""How far a build is: counts by class, acceptance rates, and the time that is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from synfer_core.data.manifest import Record


@dataclass
class ClassCount:
    """Samples of one class so far.

    Attributes:
        asked: Samples in all.
        done: Samples with an outcome.
        kept: Of these, with an image.
        attempts: Images made.
        verdicts: Attempts by verdict.
    """

    asked: int
    done: int = 0
    kept: int = 0
    attempts: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def acceptance(self) -> float | None:
        """Share of the images made that were accepted; None before the first."""
        return self.kept / self.attempts if self.attempts else None

    def to_dict(self) -> dict[str, object]:
        """As JSON."""
        rate = self.acceptance
        return {
            "asked": self.asked,
            "done": self.done,
            "kept": self.kept,
            "attempts": self.attempts,
            "verdicts": dict(sorted(self.verdicts.items())),
            "acceptance": None if rate is None else round(rate, 4),
        }


_Seen = tuple[str, bool, tuple[str, ...]]
"""What is kept of a sample: class, whether it has an image, verdicts."""


@dataclass
class Tally:
    """Counts by class, each sample once however often its shard is made.

    Attributes:
        classes: By class, ``unlabelled`` for samples without a label.
    """

    classes: dict[str, ClassCount]
    _seen: dict[int, _Seen] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _made: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Tally:
        """Nothing made yet."""
        return cls({name: ClassCount(count) for name, count in counts.items()})

    def add(self, record: Record, *, now: bool = True) -> None:
        """Count a sample; `now` if it was made in this run and says how fast that goes."""
        self.drop([record.index])
        verdicts = tuple(attempt.verdict for attempt in record.attempts)
        seen = record.asked or "unlabelled", record.file is not None, verdicts
        self._seen[record.index] = seen
        self._count(seen, 1)
        self._made += now

    def __contains__(self, index: int) -> bool:
        """Whether a sample has been counted."""
        return index in self._seen

    def drop(self, indices: Iterable[int]) -> None:
        """Take back samples whose shard was not made."""
        for index in indices:
            if index in self._seen:
                self._count(self._seen.pop(index), -1)

    def _count(self, seen: _Seen, sign: int) -> None:
        name, kept, verdicts = seen
        count = self.classes[name]
        count.done += sign
        count.kept += sign * kept
        count.attempts += sign * len(verdicts)
        for verdict in verdicts:
            count.verdicts[verdict] += sign

    @property
    def done(self) -> int:
        """Samples with an outcome."""
        return sum(count.done for count in self.classes.values())

    @property
    def total(self) -> int:
        """Samples in all."""
        return sum(count.asked for count in self.classes.values())

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest is likely to take; None before that can be told."""
        if not self._made:
            return None
        each = (time.monotonic() - self._started) / self._made
        return each * max(0, self.total - self.done)


def in_words(seconds: float | None) -> str:
    """A time that is left; empty where it cannot be told."""
    return "" if seconds is None else f"{span(seconds)} left"


def span(seconds: float) -> str:
    """A length of time in words."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def bar(done: int, total: int, width: int = 24) -> str:
    """A progress bar in characters."""
    full = width * done // max(total, 1)
    return f"[{'#' * full}{'.' * (width - full)}] {done:,}/{total:,}"


def rates(tally: Tally) -> str:
    """Acceptance by class in one line."""
    told = []
    for name, count in tally.classes.items():
        rate = count.acceptance
        told.append(f"{name} {'-' if rate is None else f'{rate:.0%}'}")
    return "accepted: " + ", ".join(told)
