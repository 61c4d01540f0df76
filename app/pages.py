"""Which pages are open, and when one that was closed without a word is forgotten.

A browser tells that a page closes by ending its heartbeat. Crawlers, scripts and browsers that lose
their network never do: what the server keeps for them goes once they have said nothing for a while.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from app.bounded_store import BoundedStore, Bounds
from app.security.paths import path_of
from app.security.users import client_of

_KIND = "page"
_KEY = "synfer.pages"
_HEARTBEAT = "/gradio_api/heartbeat/"
_EVENTS = "/gradio_api/queue/data"
_USUAL = Bounds(seconds=1800.0, number=500, size=1 << 30)


def page_of(client: str, session: str | None) -> str:
    """The name of one open page.

    The browser chooses the session, so what stands before it keeps a page from naming another
    user's page, or a client of the API.

    Args:
        client: Who has it open, without spaces.
        session: The browser's name for it.
    """
    return f"{_KIND} {client} {session}"


def client_of_page(page: str) -> str | None:
    """Who has a page open; None for what is no page's name."""
    kind, _, rest = page.partition(" ")
    return rest.partition(" ")[0] or None if kind == _KIND else None


def session_of(page: str) -> str:
    """The browser's name for a page."""
    return page.split(" ", 2)[-1]


def told_by(scope: Scope, page: str) -> str:
    """A page's name; whoever keeps the open pages learns that this one said something."""
    pages = scope.get(_KEY)
    if isinstance(pages, Pages):
        pages.seen(page)
    return page


class Pages:
    """The open pages.

    Args:
        bounds: How many, and after which time without a word and without a connection a page is
            forgotten.
        clock: Seconds, from whenever.
    """

    def __init__(self, bounds: Bounds = _USUAL, clock: Callable[[], float] = time.monotonic):
        self._connections: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._leaving: list[Callable[[str], object]] = []
        self._stores: list[BoundedStore[Any]] = []
        self._known = BoundedStore[str](
            bounds, close=self._left, alive=self.connected, clock=clock, size=lambda _: 0
        )

    def seen(self, page: str) -> None:
        """A page said something."""
        if self._known.get(page) is None:
            self._known.put(page, page, room=False)  # whatever goes may take a while to close

    @contextlib.contextmanager
    def connection(self, page: str) -> Iterator[None]:
        """For as long as a page holds a connection."""
        self.seen(page)
        with self._lock:
            self._connections[page] += 1
        try:
            yield
        finally:
            with self._lock:
                self._connections[page] -= 1
                if not self._connections[page]:
                    del self._connections[page]

    def connected(self, page: str) -> bool:
        """Whether a page holds a connection."""
        return page in self._connections

    def on_leave(self, forget: Callable[[str], object]) -> None:
        """Have a function called with the name of each page that has left or is forgotten."""
        self._leaving.append(forget)

    def watch(self, store: BoundedStore[Any]) -> None:
        """Have a store swept as often as the pages are."""
        self._stores.append(store)

    def leave(self, page: str) -> None:
        """A page was closed."""
        if self._known.take(page) is not None:
            self._left(page)

    def sweep(self) -> None:
        """Forget the pages that are too old or too many, and sweep the stores."""
        self._known.sweep()
        for store in self._stores:
            store.sweep()

    def names(self) -> list[str]:
        """The pages that are known."""
        return self._known.names()

    def __contains__(self, page: object) -> bool:
        return page in self._known

    def __len__(self) -> int:
        return len(self._known)

    def _left(self, page: str) -> None:
        for forget in self._leaving:
            forget(page)


class Connections:
    """Middleware that tells which pages hold a connection.

    Args:
        app: The application behind.
        pages: Is told.
    """

    def __init__(self, app: ASGIApp, pages: Pages):
        self.app, self.pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        scope[_KEY] = self.pages
        session = _session(scope) if scope["type"] == "http" else None
        if session is None:
            await self.app(scope, receive, send)
            return
        with self.pages.connection(page_of(client_of(scope), session)):
            await self.app(scope, receive, send)


def _session(scope: Scope) -> str | None:
    """Whose connection a request is; None where it is none."""
    path = path_of(scope)
    if path.startswith(_HEARTBEAT):
        return path.removeprefix(_HEARTBEAT).strip("/")
    if path == _EVENTS:
        query: bytes = scope.get("query_string", b"")
        return next(iter(parse_qs(query.decode("latin-1")).get("session_hash", ())), None)
    return None
