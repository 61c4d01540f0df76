"""Nothing that runs here connects to anywhere but this machine, whatever its libraries do."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from synfer_core.client import Client
from tests.serving import free_port

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")
CALLS = "trace=connect,sendto,sendmsg,sendmmsg,bind"
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")

_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
LOCAL = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
SERVE = ("-m", "synfer_core.cli", "serve", "--port")


@contextmanager
def traced(words: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Python with these arguments, every address that it or a child of it names in a log."""
    flags = ["-f", "-D", "--seccomp-bpf", "-qq", "-e", CALLS, "-o", str(log)]
    keep = {name: value for name, value in os.environ.items() if not name.startswith("SYNFER_")}
    command = [str(STRACE), *flags, sys.executable, *words]
    process = subprocess.Popen(command, cwd=ROOT, env=keep, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)


def addresses(log: Path) -> list[tuple[str, str, int]]:
    """What was called, with address and port, in order."""
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call and (address := _ADDRESS.search(line)):
            found.append((call[1], address[2], int(address[1])))
    return found


def outside(log: Path) -> list[tuple[str, str, int]]:
    """What was sent or connected to elsewhere."""
    return [a for a in addresses(log) if a[0] != "bind" and a[1] not in LOCAL]


def test_the_server_and_all_that_it_loads_stay_on_this_machine(tmp_path: Path) -> None:
    port = free_port()
    with (
        traced((*SERVE, str(port)), tmp_path / "log"),
        Client(f"http://127.0.0.1:{port}") as studio,
    ):
        _wait_for(f"http://127.0.0.1:{port}/")
        face = studio.generate({"facs": "12C", "steps": 2, "size": 128})
        assert studio.annotate(face.png).label
    assert ("bind", "127.0.0.1", port) in addresses(tmp_path / "log")
    assert outside(tmp_path / "log") == []


def test_a_process_that_connects_elsewhere_is_seen(tmp_path: Path) -> None:
    ask = "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).connect(('192.0.2.1', 53))"
    with traced(("-c", ask), tmp_path / "log") as process:
        process.wait(20)
    assert outside(tmp_path / "log") == [("connect", "192.0.2.1", 53)]


def _wait_for(url: str) -> None:
    until = time.monotonic() + 120
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, timeout=60, trust_env=False).raise_for_status()
            return
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.2)
