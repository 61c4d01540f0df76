"""Images of sets that were stopped: a page's own, kept until it goes on, builds anew or closes.

They lie as bare pixels in files without a name. How much disk they take is bounded: so many bytes a
set, so many sets that wait, and so long; the one that waits longest makes room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.bounded_store import BoundedStore, Bounds
from app.pages import Pages
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.store import SpoolStore

MOST_BYTES = 3_200_000_000
"""Of one set's images: 1,000 of 1024 pixels on a side."""

MOST_WAITING = 3
"""Sets that wait to go on."""


@dataclass(frozen=True)
class Begun:
    """A set that was begun: its plan, and its images so far."""

    plan: Plan
    store: SpoolStore

    @property
    def partial(self) -> Plan:
        """The part of the plan whose images are there."""
        return self.plan.only(lambda recipe: self.store.get(recipe) is not None)


class BegunSets:
    """By page, the set that it has begun.

    Args:
        runs: Whether a page's set is being made: such a set does not wait.
        seconds: For which a set waits whose page is not open any more.
        pages: Which are open.
    """

    def __init__(
        self, runs: Callable[[str], bool], seconds: float = 1800.0, pages: Pages | None = None
    ):
        pages = pages or Pages()
        self._runs = runs
        self._sets = BoundedStore[Begun](
            Bounds(seconds, MOST_WAITING, MOST_WAITING * MOST_BYTES),
            size=lambda begun: begun.store.size,
            close=lambda begun: begun.store.close(),
            alive=pages.connected,
            held=runs,
        )
        pages.watch(self._sets)

    def begin(self, page: str, plan: Plan) -> Begun:
        """A page's new set; it takes over images that the page has of the very same plan."""
        old = self._sets.take(page)
        if old and [s.recipe for s in old.plan.stimuli] == [s.recipe for s in plan.stimuli]:
            return self._sets.put(page, Begun(plan, old.store))
        if old:
            old.store.close()
        return self._sets.put(page, Begun(plan, SpoolStore(MOST_BYTES)))

    def get(self, page: str) -> Begun | None:
        """What a page has begun."""
        return self._sets.get(page)

    def of(self, store: SpoolStore) -> Begun | None:
        """The set whose images these are; None where it was dropped."""
        return next((begun for begun in self._sets.values() if begun.store is store), None)

    def drop(self, page: str) -> None:
        """Delete what a page has begun."""
        self._sets.drop(page)
