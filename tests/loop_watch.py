"""A watch over an event loop: it finds whatever holds the loop too long.

What counts is the CPU time of the loop's own thread, so that other work on the machine makes no
difference; a callback that waits without working, such as for a file, is found by the clock, with
room for a machine that is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from types import FrameType

LONGEST = 0.2
"""Seconds of CPU time that one callback may take."""

LONGEST_WAIT = 5.0
"""Seconds by the clock."""

_LOOK = 0.1
_DEEPEST, _SHOWN = 2, 8
_OURS = ("/app/", "/synfer_core/", "/gradio/")


class Watch:
    """What held the loop.

    Attributes:
        held: One line for each time.
    """

    def __init__(self, thread: int):
        self.thread = thread
        self.held: list[str] = []
        self._begun: float | None = None
        self._seen: list[str] = []

    def run(self, handle: asyncio.Handle, run: object) -> None:
        """Run a callback and see how long it takes."""
        cpu, self._begun, self._seen = time.thread_time(), time.monotonic(), []
        try:
            run(handle)  # type: ignore[operator]
        finally:
            used, waited = time.thread_time() - cpu, time.monotonic() - self._begun
            self._begun = None
            if used > LONGEST or waited > LONGEST_WAIT:
                where = "\n  ".join([repr(handle)[:300], *dict.fromkeys(self._seen)][:6])
                self.held.append(f"{used:.2f} s of work, {waited:.2f} s in all: {where}")

    def look(self) -> None:
        """Note what the loop is at, if it has been at it for a while."""
        begun = self._begun
        if begun is not None and time.monotonic() - begun > _LOOK:
            frame = sys._current_frames().get(self.thread)
            self._seen.append(_told(frame))


def _told(frame: FrameType | None) -> str:
    """The innermost calls, and those further out that are the project's or Gradio's."""
    calls = traceback.extract_stack(frame)[::-1]
    kept = [
        call
        for depth, call in enumerate(calls)
        if depth < _DEEPEST or any(place in call.filename for place in _OURS)
    ]
    return " < ".join(
        f"{call.name} ({call.filename.rpartition('/')[2]}:{call.lineno})" for call in kept[:_SHOWN]
    )


@contextlib.contextmanager
def watched(thread: threading.Thread) -> Iterator[Watch]:
    """Watch the event loop of a thread; whatever holds it fails the test that uses it."""
    assert thread.ident is not None
    watch, plain = Watch(thread.ident), asyncio.Handle._run
    over = threading.Event()

    def run(handle: asyncio.Handle) -> None:
        if threading.get_ident() == watch.thread:
            watch.run(handle, plain)
        else:
            plain(handle)

    def look() -> None:
        while not over.wait(_LOOK / 2):
            watch.look()

    looking = threading.Thread(target=look, daemon=True)
    asyncio.Handle._run = run  # type: ignore[method-assign]
    looking.start()
    try:
        yield watch
    finally:
        over.set()
        looking.join()
        asyncio.Handle._run = plain  # type: ignore[method-assign]
    assert not watch.held, "the event loop was held:\n" + "\n".join(watch.held)
