"""The studio on a port of this machine, for tests that talk to it as its users do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI

from app import listening
from app.jobs import JobQueue
from app.main import create_app
from app.settings import Settings
from synfer_core.synthesizer import Synthesizer
from tests.loop_watch import watched


@dataclass(frozen=True)
class Server:
    """A server that runs; `queue` and `app` are looks behind it."""

    url: str
    queue: JobQueue
    app: FastAPI


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def served(
    synthesizer: Synthesizer, settings: Settings, port: int | None = None
) -> Iterator[Server]:
    """A whole server in a thread, stopped at the end; what holds its event loop is a failure."""
    port = port or free_port()
    apps: list[FastAPI] = []

    def build() -> FastAPI:
        apps.append(create_app(synthesizer, settings))
        return apps[0]

    server = listening.Server(listening.config(build, factory=True, port=port))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.05)
        with watched(thread):
            yield Server(f"http://127.0.0.1:{port}", apps[0].state.queue, apps[0])
    finally:
        server.should_exit = True
        thread.join(20)
