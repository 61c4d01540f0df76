"""The server: FastAPI with the page mounted at its root."""

from __future__ import annotations

import contextlib
import os
import threading
import webbrowser
from collections.abc import AsyncIterator, Sequence

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import failures
from app.api import create_api
from app.jobs import JobQueue
from app.paces import Paces, timing
from app.settings import Settings
from app.ui import page, theme
from synfer_core.errors import BusyError, TooLargeError
from synfer_core.models.added import Added
from synfer_core.synthesizer import Synthesizer
from synfer_core.wire import PREFIX

CLOSED_PATHS = ("/gradio_api/file", "/gradio_api/upload", "/gradio_api/proxy", "/gradio_api/stream")
"""Routes of Gradio that the page does without: pictures travel inline, so there are no files."""


_TIMED_AFTER = 6.0
"""Seconds from the start until engines are timed that nobody has used."""


class BodyOverError(Exception):
    """A request's body is larger than the server takes."""


class Body:
    """A request's body, counted as it arrives, because it may come without its length.

    Attributes:
        over: Whether it has turned out too large. The application behind may take the error for
            its own and answer; that answer does not count.
    """

    def __init__(self, receive: Receive, limit: int):
        self._receive, self._left = receive, limit
        self.over = False

    async def __call__(self) -> Message:
        """The next part.

        Raises:
            BodyOverError: It is too large.
        """
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            raise BodyOverError
        return message


class Guard:
    """Refuses bodies that are too large, and routes that hand out or take in files.

    Args:
        app: The application behind.
        body_bytes: Largest body, in bytes.
    """

    def __init__(self, app: ASGIApp, body_bytes: int):
        self.app, self.body_bytes = app, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 404 or 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"].startswith(CLOSED_PATHS):
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
        else:
            await self._limited(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.body_bytes:
            await self._refuse(scope, receive, send)
            return
        body = Body(receive, self.body_bytes)

        async def send_unless_over(message: Message) -> None:
            if not body.over:
                await send(message)

        with contextlib.suppress(BodyOverError):
            await self.app(scope, body, send_unless_over)
        if body.over:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = f"at most {self.body_bytes:,} bytes"
        error = TooLargeError("is too large", field="body", allowed=allowed)
        await failures.answer(error)(scope, receive, send)


def create_app(synthesizer: Synthesizer, settings: Settings | None = None) -> FastAPI:
    """The studio for one synthesizer: API under ``/api/v1``, the page at ``/``.

    Args:
        synthesizer: Makes and reads faces.
        settings: Limits; None takes the defaults.
    """
    settings = settings or Settings()
    queue = JobQueue(
        waiting=settings.waiting,
        kept=settings.kept,
        kept_seconds=settings.kept_minutes * 60.0,
        paces=Paces(synthesizer.capabilities),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        queue.close()

    app = FastAPI(
        title="SynFER Studio",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.queue = queue
    app.mount(PREFIX, create_api(synthesizer, queue, settings))
    _mount(app, page.Studio(synthesizer, queue, settings), settings)
    app.add_middleware(Guard, body_bytes=settings.body_bytes)
    return app


def _mount(app: FastAPI, studio: page.Studio, settings: Settings) -> None:
    gr.mount_gradio_app(
        app,
        page.build(studio),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        max_file_size=settings.upload_mb * 1_000_000,
        theme=theme.theme(),
        head=theme.head(settings.upload_mb * 1_000_000),
    )


def _time_later(synthesizer: Synthesizer, queue: JobQueue) -> None:
    """Time the engines once the first page has had its first face."""

    def start() -> None:
        with contextlib.suppress(BusyError):  # whoever keeps it busy times them as well
            queue.submit(lambda: timing(synthesizer, queue.paces), owner="timing")

    timer = threading.Timer(_TIMED_AFTER, start)
    timer.daemon = True
    timer.start()


def serve(
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = False,
    added: Sequence[Added] = (),
) -> None:
    """Load the models and serve the studio until it is interrupted.

    Args:
        host, port: Where to listen.
        open_browser: Open one when it is ready.
        added: Backbones beside the built-in one.

    Raises:
        WeightsError: The models are missing or damaged.
        RequestError: A setting in the environment is unknown or out of range.
    """
    settings = Settings.from_env(os.environ)
    synthesizer = Synthesizer.load(settings.models, added)
    app = create_app(synthesizer, settings)
    _time_later(synthesizer, app.state.queue)
    if open_browser:
        threading.Timer(1.0, webbrowser.open, (f"http://{host}:{port}/",)).start()
    # Open pages hold a connection that would keep the server from ending.
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
