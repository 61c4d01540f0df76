"""The server: FastAPI with the page mounted at its root."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Sequence
from functools import partial

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from starlette.middleware import Middleware
from starlette.routing import Mount

from app import failures, listening
from app.api import create_api
from app.jobs import JobQueue
from app.paces import Paces, timing
from app.pages import Connections, Pages
from app.security.auth import Auth
from app.security.bodies import BodyLimit
from app.security.gradio_calls import Calls
from app.security.gradio_files import GradioMessages, check_paths
from app.security.gradio_routes import GradioRoutes
from app.security.headers import AnswerHeaders, PagePolicy
from app.security.origins import Origins, Trusted, trusted_hosts
from app.security.proxies import Forwarded, UnderPrefix, networks_of
from app.security.users import Gate, accounts_of
from app.sessions import Tidy
from app.settings import Settings
from app.ui import page, theme
from synfer_core.errors import BusyError
from synfer_core.models.added import Added
from synfer_core.synthesizer import Synthesizer
from synfer_core.wire import PREFIX

_JOBS_SECONDS = 1.0
"""Seconds that the job under way has to stop when the server ends."""

_TIMED_AFTER = 6.0
"""Seconds from the start until engines are timed that nobody has used."""


def create_app(
    synthesizer: Synthesizer, settings: Settings | None = None, host: str = "127.0.0.1"
) -> FastAPI:
    """The studio for one synthesizer: API under ``/api/v1``, the page at ``/``.

    Args:
        synthesizer: Makes and reads faces.
        settings: Limits; None takes the defaults.
        host: Name or address that it is served on.

    Raises:
        RequestError: The setting of trusted hosts names one that is none, or the file of users or
            of the token cannot be read.
    """
    settings = settings or Settings()
    trusted = trusted_hosts(settings.trusted_hosts, host)
    queue = JobQueue(
        waiting=settings.waiting,
        kept=settings.kept,
        kept_seconds=settings.kept_minutes * 60.0,
        kept_bytes=settings.in_memory.size,
        per_client=settings.per_client,
        paces=Paces(synthesizer.capabilities),
    )
    pages = Pages(settings.in_memory)
    app = FastAPI(
        title="SynFER Studio",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
    )
    app.state.queue, app.state.pages = queue, pages
    app.mount(PREFIX, create_api(synthesizer, queue, settings))
    built = page.build(page.Studio(synthesizer, queue, settings, pages))
    mounted = _mount(app, built, settings)
    app.state.tidy = Tidy(mounted, pages, settings.in_memory.size)
    app.state.tidy_seconds = settings.in_memory.seconds / 20
    app.add_middleware(Connections, pages=pages)
    _guard(app, settings, trusted, Calls.of(built))
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Forget what is old for as long as the server runs; then end its jobs.

    What is there from the start, libraries above all, is not searched for garbage meanwhile: that
    takes a quarter of a second, in which the event loop stands still.
    """
    tidying = asyncio.create_task(app.state.tidy.run(app.state.tidy_seconds))
    gc.freeze()
    yield
    gc.unfreeze()
    tidying.cancel()
    app.state.queue.close(timeout=_JOBS_SECONDS)


def _guard(app: FastAPI, settings: Settings, trusted: Trusted, calls: Calls) -> None:
    """Put the guards before the application; the one that comes last here is asked first."""
    root, proxies = settings.root_path, networks_of(settings.proxies)
    app.add_middleware(UnderPrefix, root_path=root)
    app.add_middleware(GradioMessages, calls=calls)
    app.add_middleware(GradioRoutes)
    app.add_middleware(BodyLimit, limit=settings.body_bytes)
    if settings.auth:
        gate, named = Gate(accounts_of(settings.auth)), not settings.auth.startswith("token:")
        app.add_middleware(Auth, gate=gate, root_path=root, named=named)
    app.add_middleware(Origins, trusted=trusted)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(Forwarded, proxies=proxies, root_path=root)


def _mount(app: FastAPI, built: gr.Blocks, settings: Settings) -> App:
    """Gradio's application of the page, at the root."""
    head = theme.head(settings.upload_mb * 1_000_000)
    check_paths(built)
    gr.mount_gradio_app(
        app,
        built,
        path="/",
        root_path=settings.root_path or None,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        max_file_size=settings.upload_mb * 1_000_000,
        theme=theme.theme(),
        head=head,
        app_kwargs={
            "middleware": [Middleware(PagePolicy, head=head)],
            "exception_handlers": {Exception: failures.fault},
        },
    )
    mounted = [route.app for route in app.routes if isinstance(route, Mount)][-1]
    assert isinstance(mounted, App)
    return mounted


def _time_later(synthesizer: Synthesizer, queue: JobQueue) -> None:
    """Time the engines once the first page has had its first face."""

    def start() -> None:
        with contextlib.suppress(BusyError):  # whoever keeps it busy times them as well
            queue.submit(lambda: timing(synthesizer, queue.paces), owner="timing")

    timer = threading.Timer(_TIMED_AFTER, start)
    timer.daemon = True
    timer.start()


def serve(
    settings: Settings,
    sockets: Sequence[socket.socket],
    host: str,
    url: str,
    open_browser: bool = False,
    added: Sequence[Added] = (),
) -> None:
    """Load the models and serve the studio until it is interrupted.

    Args:
        settings: Limits, and who may use it.
        sockets: Where it listens.
        host: Name or address that these are of.
        url: Its address.
        open_browser: Open one when it is ready.
        added: Backbones beside the built-in one.

    Raises:
        WeightsError: The models are missing or damaged.
        RequestError: The setting of trusted hosts names one that is none, or the file of users or
            of the token cannot be read.
    """
    trusted_hosts(settings.trusted_hosts, host)  # what is wrong is told before anything is loaded
    synthesizer = Synthesizer.load(settings.models, added)
    app = create_app(synthesizer, settings, host)
    _time_later(synthesizer, app.state.queue)
    gc.collect()  # before the server starts, and keeps what is there
    ready = partial(webbrowser.open, url) if open_browser else None
    listening.run(app, sockets, ready, partial(app.state.queue.close, timeout=_JOBS_SECONDS))
