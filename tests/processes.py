"""The studio as its users start it: a process of its own, watched while it is attacked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import httpx

from tests.serving import free_port

HEALTH_SECONDS = 3.0
"""A healthy server answers within this where others share the machine."""

IDLE_HEALTH_SECONDS = 0.2
"""And where none do; what ``--full`` asks for."""

END_SECONDS = 5.0
"""SIGTERM ends a server within this."""

MEASURED: dict[str, float] = {}
"""The largest of each thing that was measured; pytest writes them into its report."""

_START_SECONDS = 180.0


def measured(name: str, value: float) -> None:
    """Keeps a value for the report, where it is the largest of its name."""
    MEASURED[name] = max(value, MEASURED.get(name, value))


@dataclass(frozen=True)
class Running:
    """A server's process, with the folder that Gradio keeps files in."""

    port: int
    process: subprocess.Popen[bytes]
    files: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def client(self, **options: Any) -> Iterator[httpx.Client]:
        """A client that hears no proxy and keeps its connection."""
        with httpx.Client(
            base_url=self.url, trust_env=False, verify=False, timeout=30, **options
        ) as one:
            yield one

    def health(self) -> float:
        """Seconds that ``/health`` took."""
        asked = time.monotonic()
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", "/api/v1/health")
            assert connection.getresponse().status == 200
        return time.monotonic() - asked

    def kept_files(self) -> list[Path]:
        """Files that Gradio has made."""
        return [path for path in self.files.rglob("*") if path.is_file()]


@contextlib.contextmanager
def running(
    models: Path, folder: Path, *options: str, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """``synfer serve`` until the end, where SIGTERM must end it in time.

    Args:
        models: Folder with the weights.
        folder: An empty one for what it writes.
        options: Of the command, beside the port.
        environ: Variables beside this process's own.
    """
    port = free_port()
    given = {
        "SYNFER_STUDIO_MODELS": str(models),
        "SYNFER_STUDIO_FIRST_FACE": "false",
        "GRADIO_TEMP_DIR": str(folder),
        **(environ or {}),
    }
    command = [sys.executable, "-m", "synfer_core.cli", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, env={**os.environ, **given}, stdout=subprocess.DEVNULL)
    server = Running(port, process, folder)
    try:
        _wait_until_ready(server)
        yield server
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        process.wait(END_SECONDS)
        measured("seconds from SIGTERM to the end", time.monotonic() - asked)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(server: Running) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        assert server.process.poll() is None, "the server ended"
        assert time.monotonic() < until, "the server did not start"
        with contextlib.suppress(OSError, HTTPException):
            server.health()
            return
        time.sleep(0.1)


@contextlib.contextmanager
def healthy(server: Running) -> Iterator[None]:
    """Asks for a server's health throughout; the end fails where one answer came too late."""
    ended, slowest = threading.Event(), [0.0]

    def watch() -> None:
        while not ended.wait(0.05):
            try:
                slowest[0] = max(slowest[0], server.health())
            except (OSError, HTTPException):
                slowest[0] = float("inf")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    measured("slowest answer of /health in s", slowest[0])
    assert slowest[0] < HEALTH_SECONDS, f"the server was silent for {slowest[0]:.2f} s"
