"""Pages that never tell that they close: what the server keeps for them goes all the same."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from app.bounded_store import Bounds
from app.pages import Connections, Pages, page_of, session_of
from app.sessions import Inbox, Mail
from app.settings import Settings
from synfer_core.synthesizer import Synthesizer
from tests.app.asking import Asking
from tests.processes import measured, running
from tests.serving import served

SESSIONS, FULL = 24, 1000
"""Pages of every day, and with ``--full``."""

MOST_LEFT = 150_000_000
"""Bytes of memory by which the server may have grown once they are forgotten."""

AGE_MINUTES = 0.1


def picture() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def leave_things(asking: Asking, session: str, *, face: bool) -> None:
    """A page that sends an image, maybe has a face made, fetches nothing and is never heard of."""
    token = asking.now("image-annotate", "open", session=session)[0]["token"]
    data = base64.b64encode(picture()).decode()
    sent = {"token": token, "name": "a.png", "data": data}
    answer = asking.call("image-annotate", "add_image", sent, session)
    assert answer.json() == {"number": 1}
    if face:
        forms = asking.form("studio-sliders"), asking.form("studio-controls")
        asking.send("studio-controls", "generate", *forms, session=session)


def memory_of(process: int) -> int:
    """Bytes of memory that a process has in use."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * 4096


def until(true: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.2)
    return true()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_silent_pages_left_is_forgotten(synthesizer: Synthesizer) -> None:
    settings = Settings(first_face=False, page_minutes=AGE_MINUTES, waiting=100, per_client=1000)
    with served(synthesizer, settings) as server:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            asking = Asking(client)
            for number in range(SESSIONS):
                leave_things(asking, f"silent{number}", face=number % 6 == 0)
        kept = counts(server.app)
        assert kept["sessions"] == SESSIONS
        assert kept["inboxes"] == SESSIONS // 6
        assert until(lambda: not any(counts(server.app).values()), 60), counts(server.app)
        assert not server.queue.jobs()


def counts(app: FastAPI) -> dict[str, int]:
    """What a server keeps for pages, by kind."""
    tidy, pages = app.state.tidy, app.state.pages
    stores = {f"store {place}": len(store) for place, store in enumerate(pages._stores)}
    queue = tidy.queue
    return {
        **stores,
        "pages": len(pages),
        "sessions": len(tidy.sessions.session_data),
        "used": len(tidy.sessions.time_last_used),
        "inboxes": len(tidy.mail),
        "ids": len(queue.pending_event_ids_session),
        "events": len(queue.event_ids_to_events),
    }


def test_memory_comes_back(reading_folder: Path, tmp_path: Path, full: bool) -> None:
    """The whole of it, in a process of its own; without ``--full`` with fewer pages."""
    environ = {
        "SYNFER_STUDIO_PAGE_MINUTES": str(AGE_MINUTES),
        "SYNFER_STUDIO_WAITING": "1000",
        "SYNFER_STUDIO_PER_CLIENT": "1000",
    }
    count = FULL if full else SESSIONS
    with running(reading_folder, tmp_path, environ=environ) as server, server.client() as client:
        asking = Asking(client)
        for session in ("first", "second"):  # what is loaded with the first face stays
            leave_things(asking, session, face=False)
            forms = asking.form("studio-sliders"), asking.form("studio-controls")
            asking.ended("studio-controls", "generate", *forms, session=session)
        before, most = memory_of(server.process.pid), 0
        for number in range(count):
            leave_things(asking, f"silent{number}", face=number % 20 == 0)
            most = max(most, memory_of(server.process.pid))
        left = MOST_LEFT + before
        back = until(lambda: memory_of(server.process.pid) < left, AGE_MINUTES * 60 * 3 + 60)
        after = memory_of(server.process.pid)
        print(f"{count} pages: {before / 1e6:.0f} MB, {most / 1e6:.0f} MB, {after / 1e6:.0f} MB")
        measured("MB more than before", (after - before) / 1e6)
        assert back, f"{(after - before) / 1e6:.0f} MB more than at the start"


def test_a_connected_page_is_kept_and_a_silent_one_forgotten() -> None:
    now, left = [0.0], list[str]()
    pages = Pages(Bounds(10.0, 3, 100), clock=lambda: now[0])
    pages.on_leave(left.append)
    pages.seen("page me silent")
    with pages.connection("page me open"):
        now[0] = 11.0
        pages.sweep()
        assert left == ["page me silent"]
        assert "page me open" in pages
    now[0] = 22.0
    pages.sweep()
    assert left == ["page me silent", "page me open"]
    for number in range(5):
        pages.seen(f"page me {number}")
    pages.sweep()
    assert pages.names() == [f"page me {number}" for number in (2, 3, 4)]
    pages.leave("page me 3")
    pages.leave("page me 3")
    assert left[-3:] == ["page me 0", "page me 1", "page me 3"]


@pytest.mark.parametrize(
    ("path", "query", "page"),
    [
        ("/gradio_api/heartbeat/abc", b"", "abc"),
        ("/gradio_api/queue/data", b"session_hash=abc&x=1", "abc"),
        ("/gradio_api/queue/data", b"", None),
        ("/gradio_api/queue/join", b"session_hash=abc", None),
    ],
)
def test_heartbeats_and_streams_are_connections(path: str, query: bytes, page: str | None) -> None:
    pages, seen = Pages(), list[bool]()
    name = page_of("1.2.3.4", "abc")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(pages.connected(name))

    scope = {"type": "http", "path": path, "query_string": query, "client": ("1.2.3.4", 1)}
    asyncio.run(Connections(app, pages)(scope, app, app))  # type: ignore[arg-type]
    assert seen == [page is not None]
    assert not pages.connected(name)
    assert session_of(name) == "abc"


def test_messages_that_nobody_fetches_have_a_limit() -> None:
    closed: list[str] = []

    def close(session: str) -> None:
        closed.append(session)
        mail.pop(session)

    mail = Mail(Pages(), 10_000, close)
    for session in ("small", "large"):
        mail[session] = None
    for _ in range(20):
        mail["small"].put_nowait("x" * 100)
        if "large" in mail:
            mail["large"].put_nowait("y" * 2_000)
    assert closed == ["large"]
    inbox: Inbox = mail["small"]
    assert inbox.size > 2_000
    while not inbox.empty():
        inbox.get_nowait()
    assert inbox.size == 0
