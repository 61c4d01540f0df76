"""Longer pieces of work: a thread of their own, image by image through the device's queue.

So others get their turn between two images, and cancelling stops within one denoising step.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar

from app.jobs import JobQueue, Snapshot, State, Work
from app.pages import client_of_page
from app.turns import in_turn
from synfer_core.errors import CancelledError, SynferError
from synfer_core.report import Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

T = TypeVar("T")


class Errand(Generic[T]):
    """One piece of work. It is made in the event loop, and its `work` runs in a thread.

    Args:
        name: What it is called in the queue.
        synthesizer: Makes the images.
        queue: The queue of its device.
        work: Does it; calls `generate` and, between images, `stop_if_cancelled` and `ring`.
    """

    def __init__(self, name: str, synthesizer: Synthesizer, queue: JobQueue, work: Callable[[], T]):
        self.synthesizer, self.queue = synthesizer, queue
        self.owner = f"{name} {secrets.token_urlsafe(8)}"
        self.client: str | None = None
        self.outcome: T | SynferError | None = None
        self.cancelled = False
        self._name, self._made = name, 0
        self._first: Recipe | None = None
        self._work = work
        self._loop, self._bell = asyncio.get_running_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"synfer-{name}", daemon=True)

    async def follow(self) -> AsyncIterator[None]:
        """Start it, and ring at each change, until the end."""
        self._thread.start()
        while self._thread.is_alive():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), timeout=1.0)
            self._bell.clear()
            yield

    def cancel(self) -> None:
        """Stop within one denoising step."""
        self.cancelled = True
        self.queue.cancel_owner(self.owner)

    def generate(self, recipe: Recipe) -> Result:
        """Called in the thread: one image, through the queue.

        Raises:
            CancelledError: The errand was cancelled.
            SynferError: The image cannot be made.
        """
        result: Result = self._in_queue(lambda: self.synthesizer.stream(recipe), recipe)
        return result

    def generate_several(self, recipes: Sequence[Recipe]) -> Sequence[Result | SynferError]:
        """Called in the thread: several images that are made together, through the queue.

        Raises:
            CancelledError: The errand was cancelled.
        """
        results: Sequence[Result | SynferError] = self._in_queue(
            lambda: self.synthesizer.stream_several(recipes), *recipes
        )
        return results

    def _in_queue(self, work: Work, *recipes: Recipe) -> Any:
        made = asyncio.run_coroutine_threadsafe(self._queued(work), self._loop).result()
        self._made, self._first = self._made + len(recipes), self._first or recipes[0]
        return made

    def stop_if_cancelled(self) -> None:
        """Called in the thread.

        Raises:
            CancelledError: The errand was cancelled.
        """
        if self.cancelled:
            raise CancelledError("It was cancelled.")

    def ring(self) -> None:
        """Tell whoever follows that something has changed."""
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._bell.set)

    def _run(self) -> None:
        started = time.monotonic()
        try:
            self.outcome = self._work()
            self._learn(time.monotonic() - started)
        except SynferError as error:
            self.outcome = error
        finally:
            self.queue.forget(self.owner)
            self.ring()

    def _learn(self, seconds: float) -> None:
        """Note what an image of such work takes in all: making, measuring, matching, files."""
        if self._first is not None:
            self.queue.paces.learn_whole(self._first, self._name, seconds / self._made)

    async def _queued(self, work: Work) -> Any:
        turn = in_turn(self.queue, work, self.owner, self.client)
        last: Snapshot | None = None
        async with contextlib.aclosing(turn):
            async for snapshot in turn:
                self.stop_if_cancelled()
                last = snapshot
        if last and last.error:
            raise last.error
        if last and last.state is State.DONE:
            return last.result
        raise CancelledError("It was cancelled.")


E = TypeVar("E", bound=Errand[Any])


class Errands(Generic[E]):
    """The errand that each open page has under way.

    Args:
        most: How many pages may have one at once.
        what: What they make, such as ``sets``.
    """

    def __init__(self, most: int, what: str):
        self.most, self._what = most, what
        self._running: dict[str, E] = {}

    def start(self, page: str, make: Callable[[], E]) -> E:
        """A page's errand, in place of what it had.

        Raises:
            SynferError: Too many others have one.
        """
        if old := self._running.pop(page, None):
            old.cancel()
        if len(self._running) >= self.most:
            others = f"{len(self._running)} other {self._what}"
            raise SynferError(f"The studio is making {others}. Try again in some minutes.")
        errand = self._running[page] = make()
        errand.client = client_of_page(page)
        return errand

    def runs(self, page: str, errand: E) -> bool:
        """Whether this is the errand that the page still wants."""
        return self._running.get(page) is errand

    def busy(self, page: str) -> bool:
        """Whether a page has one under way."""
        return page in self._running

    def cancel(self, page: str) -> None:
        """Stop what a page has under way."""
        if errand := self._running.get(page):
            errand.cancel()

    def end(self, page: str, errand: E) -> None:
        """Stop an errand and forget it."""
        errand.cancel()
        if self.runs(page, errand):
            del self._running[page]
