"""Live drafts: each page has one job under way at most, and the newest value in one slot.

A draft goes through the one queue of its device. While it waits there for others, newer values
take its place in the slot, so that what is made in the end is the newest; nothing queues up.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

from app.bounded_store import BoundedStore, Bounds, weigh
from app.jobs import Job, JobQueue, Snapshot, State
from app.pages import Pages, client_of_page
from synfer_core.drafts import Draft
from synfer_core.report import Progress
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

USUAL = Bounds(seconds=1800.0, number=500, size=1 << 28)
"""Limits where the settings name no others."""


@dataclass(frozen=True)
class Wanted:
    """A value of the sliders.

    Attributes:
        turn: The page's own count of them.
        recipe: What they ask for.
    """

    turn: int
    recipe: Recipe


@dataclass(frozen=True)
class Drafted:
    """What a draft's job made, and for which value."""

    turn: int
    draft: Draft


class Slot:
    """One value that waits to be made; newer ones replace it until it is taken."""

    def __init__(self, value: Wanted):
        self._value = value
        self._taken = False
        self._lock = threading.Lock()

    def replace(self, value: Wanted) -> bool:
        """Put a newer value in; False, and no effect, once the old one has been taken."""
        with self._lock:
            if self._taken:
                return False
            self._value = value
            return True

    def take(self) -> Wanted:
        """The newest value; from here on it is being made."""
        with self._lock:
            self._taken = True
            return self._value


class Drafts:
    """The drafts of all pages.

    Args:
        synthesizer: Makes them.
        queue: The queue of its device.
        bounds: How many pages it remembers, and for how long.
        pages: Which are open.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        queue: JobQueue,
        bounds: Bounds = USUAL,
        pages: Pages | None = None,
    ):
        self._synthesizer, self._queue = synthesizer, queue
        pages = pages or Pages()
        self._pages = BoundedStore[tuple[Slot, Job]](
            bounds,
            size=lambda kept: weigh(kept[1].result),
            close=lambda kept: queue.cancel(kept[1]),
            alive=pages.connected,
        )
        self._turns = BoundedStore[int](bounds, size=lambda _: 0, alive=pages.connected)
        for store in (self._pages, self._turns):
            pages.watch(store)
        pages.on_leave(self.forget)

    def ask(self, page: str, value: Wanted) -> Job | None:
        """The job that makes a page's newest value: one that still waits, or a new one.

        A draft of an older value that is being made is given up; it is the page that decides when
        to ask for a newer one.

        Returns:
            None for a value that a newer one has overtaken on its way here.

        Raises:
            BusyError: The queue is full.
        """
        newest = self._turns.get(page)
        if newest is not None and value.turn < newest:
            return None
        self._turns.put(page, value.turn)
        slot, job = self._pages.get(page) or (None, None)
        if slot and job and not job.state.final and slot.replace(value):
            return job
        self.stop(page)
        slot = Slot(value)
        job = self._queue.submit(lambda: self._work(slot), owner=page, client=client_of_page(page))
        self._pages.put(page, (slot, job))
        return job

    def stop(self, page: str) -> None:
        """Give up what is being made or waits for a page."""
        self._pages.drop(page)

    def forget(self, page: str) -> None:
        """Stop what there is for a page that was closed."""
        self.stop(page)
        self._turns.drop(page)

    async def outcome(self, job: Job) -> Snapshot:
        """How a draft ended; or, after about a second, that it still waits for others."""
        seen = 0
        async for snapshot in self._queue.follow(job):
            seen += 1
            if snapshot.state is State.QUEUED and seen > 1:
                return snapshot
        self._queue.drop(job)  # it was for this page's eyes only; others' results stay collectable
        return snapshot

    def _work(self, slot: Slot) -> Generator[Progress | Drafted, None, None]:
        value = slot.take()
        for item in self._synthesizer.draft(value.recipe):
            yield item if isinstance(item, Progress) else Drafted(value.turn, item)
