"""What Gradio keeps for each page, bounded: its sessions and the messages that nobody fetched.

Gradio keeps 10,000 sessions, each with the whole page's settings and the newest value of each part,
pictures too, and it keeps every message of a run until it is fetched. Nothing here needs the
values: a browser has its own. So sessions hold none, messages have a limit, and both go with their
page.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import datetime
from collections.abc import Callable
from copy import copy
from typing import Any, cast

import gradio as gr
from gradio.queueing import Queue
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder
from starlette.exceptions import HTTPException

from app.bounded_store import weigh
from app.off_loop import off_loop
from app.pages import Pages, page_of, session_of

MAX_NAME = 128
"""Letters of the word by which a browser names its page; Gradio's own has 11."""

_EVENTS_COUNTED = 100
"""Events of which Gradio keeps figures that this page does not show."""


_NOBODY = "-"
"""Stands for whoever has a page open: Gradio knows the session alone."""

_BACKEND = "MatplotlibBackendMananger"  # as Gradio spells it


class Session(SessionState):
    """A page's parts, without their values."""

    def __init__(self, blocks: gr.Blocks):
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 0

    def __setitem__(self, key: int, value: Any) -> None:
        self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nothing: no settings are kept."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing: no values are kept."""


class Sessions(StateHolder):
    """The sessions of pages that are known.

    Args:
        blocks: The page.
        pages: Which are open; is told of each that says something.
    """

    def __init__(self, blocks: gr.Blocks, pages: Pages):
        super().__init__()  # type: ignore[no-untyped-call]  # Gradio's has no types
        self.set_blocks(blocks)
        self._pages = pages

    def __getitem__(self, session_id: str) -> SessionState:
        self._pages.seen(page_of(_NOBODY, checked(session_id)))
        with self.lock:
            if session_id not in self.session_data:
                self.session_data[session_id] = Session(self.blocks)
            self.time_last_used[session_id] = datetime.datetime.now()
            return self.session_data[session_id]

    def forget(self, session_id: str) -> None:
        """A page has left."""
        with self.lock:
            self.session_data.pop(session_id, None)
            self.time_last_used.pop(session_id, None)


def checked(session_id: str) -> str:
    """The word that a browser chose for its page.

    Raises:
        HTTPException: It is no such word.
    """
    if not (isinstance(session_id, str) and 0 < len(session_id) <= MAX_NAME):
        raise HTTPException(400, f"session_hash has at most {MAX_NAME} letters.")
    return session_id


class Inbox(asyncio.Queue[Any]):
    """Messages of one page that it has not fetched, and their bytes."""

    def __init__(self, grown: Callable[[], None]):
        super().__init__()
        self._grown = grown
        self.size = 0

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.size += weigh(item)
        self._grown()

    def _get(self) -> Any:
        item = super()._get()
        self.size = max(0, self.size - weigh(item)) if self.qsize() else 0
        return item


class Mail(dict[str, Any]):
    """The inboxes of all pages, as Gradio's queue uses them.

    Args:
        pages: Which are open; is told of each that asks for a run.
        most: Bytes of all inboxes together.
        close: Called with each page whose inbox is closed because it is the largest of too much.
    """

    def __init__(self, pages: Pages, most: int, close: Callable[[str], None]):
        super().__init__()
        self._pages, self.most, self._close = pages, most, close

    def __setitem__(self, session_id: str, _: Any) -> None:
        self._pages.seen(page_of(_NOBODY, checked(session_id)))
        super().__setitem__(session_id, Inbox(self._make_room))

    def _make_room(self) -> None:
        if sum(inbox.size for inbox in self.values()) > self.most:
            self._close(max(self, key=lambda session_id: self[session_id].size))


def give_back() -> None:
    """Give memory that is free back to the system, where its C library keeps it (glibc)."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


class Tidy:
    """Bounds what Gradio keeps, and forgets it with the page.

    Args:
        app: Gradio's application of the page, mounted.
        pages: Which are open.
        most: Bytes of messages that nobody fetched.
    """

    def __init__(self, app: App, pages: Pages, most: int):
        self.app, self.pages = app, pages
        blocks = app.get_blocks()
        self.queue: Queue = blocks._queue
        self.sessions = app.state_holder = Sessions(blocks, pages)
        self.mail = Mail(pages, most, self._forget)
        self.queue.pending_messages_per_session = cast(Any, self.mail)
        # Gradio loads matplotlib for each event, to set its backend; no event here draws with it.
        setattr(gr.utils, _BACKEND, contextlib.nullcontext)
        self.queue.ANALYTICS_MAX_EVENTS = _EVENTS_COUNTED
        self.queue.ANAYLTICS_CACHE_FREQUENCY = 1 << 62  # no figures are made of them

    async def run(self, seconds: float) -> None:
        """Forget what is to be forgotten, again and again."""
        while True:
            await asyncio.sleep(seconds)
            await self.once()

    async def once(self) -> None:
        """Forget what is to be forgotten now."""
        await off_loop(self.pages.sweep)
        queue = self.queue
        known = (self.sessions.session_data, self.mail, queue.pending_event_ids_session)
        alive = set(map(session_of, self.pages.names()))
        gone = set().union(*known) - alive
        for session_id in gone:
            self._forget(session_id)
        if gone:
            await off_loop(give_back)
        self.app.iterators_to_reset &= set(self.app.iterators)

    def _forget(self, session_id: str) -> None:
        """Drop a page's session and messages, and end its runs."""
        queue = self.queue
        for event in (event for job in queue.active_jobs if job for event in job):
            if event.session_hash == session_id:
                event.alive = False  # Gradio closes its iterator at the next value
        for waiting in queue.event_queue_per_concurrency_id.values():
            waiting.queue = [one for one in waiting.queue if one.session_hash != session_id]
        for event_id in queue.pending_event_ids_session.pop(session_id, ()):
            queue.event_ids_to_events.pop(event_id, None)
        self.mail.pop(session_id, None)
        self.sessions.forget(session_id)
