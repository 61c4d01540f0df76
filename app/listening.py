"""The server's own loop: how it speaks HTTP, and that a signal ends it in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn

from app.security.timeouts import PatientProtocol

log = logging.getLogger(__name__)

OPEN_SECONDS = 2
"""Seconds that open pages and streams have to end, for they hold a connection."""

END_SECONDS = 4.0
"""Seconds from SIGTERM or Ctrl-C after which the process ends, whatever still runs in it."""


def config(app: Any, **options: Any) -> uvicorn.Config:
    """How an application is served.

    Forwarded headers are the application's own matter (`app.security.proxies`).
    """
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",  # a server of which a part does not start must not run without it
        log_level="warning",
        use_colors=False,  # what reaches the terminal is made plain (`synfer_core.terminal`)
        proxy_headers=False,
        timeout_graceful_shutdown=OPEN_SECONDS,
        **options,
    )


class Server(uvicorn.Server):
    """Ends within `END_SECONDS`, even where a request or the event loop hangs.

    Args:
        config: How it serves.
        stop: Called when it is to end, in a thread: ends the work whose streams are open.
    """

    def __init__(self, config: uvicorn.Config, stop: Callable[[], object] | None = None):
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT."""
        if not self.should_exit:
            timer = threading.Timer(END_SECONDS, _end, (sig,))
            timer.daemon = True
            timer.start()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams of work that is stopped end by themselves, with its last event."""
        said = logging.getLogger("uvicorn.error")
        said.addFilter(_without_cancelled)
        PatientProtocol.give_up_all()
        if self._stop:
            await asyncio.to_thread(self._stop)
        try:
            await super().shutdown(sockets)
        finally:
            said.removeFilter(_without_cancelled)


def _without_cancelled(record: logging.LogRecord) -> bool:
    """Pages that are open are cut off at the end, which is no fault to tell of."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _end(sig: int) -> None:
    """End the process as the signal would have; files are renamed into place when whole."""
    log.error("work still ran %g seconds after %s; ended", END_SECONDS, signal.Signals(sig).name)
    os._exit(128 + sig)


def run(
    app: Any,
    sockets: Sequence[socket.socket],
    ready: Callable[[], object] | None = None,
    stop: Callable[[], object] | None = None,
) -> None:
    """Serve until a signal comes.

    Args:
        app: The application.
        sockets: Where to listen.
        ready: Called once requests are answered.
        stop: Called when a signal has come: ends the work whose streams are open.
    """
    server = Server(config(app), stop)
    if ready:
        timer = threading.Timer(1.0, ready)
        timer.daemon = True
        timer.start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=list(sockets))
