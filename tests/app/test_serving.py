"""The command ``synfer serve`` as a process: where it listens, for whom, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from synfer_core.cli import main
from synfer_core.client import Client
from tests.app.browsing import crowding
from tests.serving import free_port

Lines = pytest.CaptureFixture[str]

HALF_A_BODY = b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"

BROKEN = {
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "nonsense://:::",
    "NO_PROXY": "localhost,::1/128,10.0.0.0/8",
}
"""Proxies as they stand in environments, none of which can be used."""


@dataclass(frozen=True)
class Process:
    """A server that runs."""

    url: str
    port: int
    process: subprocess.Popen[str]


def start(port: int, *options: str, **variables: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SYNFER_")}
    command = [sys.executable, "-m", "synfer_core.cli", "serve", "--port", str(port), *options]
    return subprocess.Popen(
        command,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_up(process: subprocess.Popen[str], url: str) -> None:
    end = time.monotonic() + 60 * crowding()
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/api/v1/health", trust_env=False, timeout=30).is_success:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


@pytest.fixture(scope="module")
def served(tiny_model_folder: Path) -> Iterator[Process]:
    """A server in an environment full of proxies."""
    port = free_port()
    process = start(port, SYNFER_STUDIO_MODELS=str(tiny_model_folder), **BROKEN)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(process, url)
        yield Process(url, port, process)
    finally:
        process.kill()
        process.communicate()


def test_proxies_of_the_environment_do_not_matter_on_one_machine(
    served: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in BROKEN.items():
        monkeypatch.setenv(name, value)
    for url in (served.url, f"http://localhost:{served.port}"):
        with Client(url) as studio:
            assert studio.vocabulary().expressions
    assert "<html" in httpx.get(served.url, trust_env=False).text


def test_a_port_that_is_taken_is_told_before_anything_else(served: Process, capsys: Lines) -> None:
    assert main(["serve", "--port", str(served.port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"error: --port: cannot listen on 127.0.0.1 port {served.port}: ")


def test_sigterm_ends_it_in_time_whatever_is_open(served: Process) -> None:
    """The last test of this file: half a request, half a body, an open stream, a job under way."""
    with contextlib.ExitStack() as stack:
        for sent in (b"GET / HT", HALF_A_BODY):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            half.sendall(sent)
        studio = stack.enter_context(Client(served.url))
        job = studio.submit({"steps": 100, "seed": 1})
        address = f"{served.url}/api/v1/jobs/{job.id}/events"
        stack.enter_context(httpx.stream("GET", address, trust_env=False))
        started = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        out, err = served.process.communicate(timeout=30)
        assert time.monotonic() - started < 5
    assert served.process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert out == f"SynFER Studio: {served.url}/ in a few seconds; Ctrl-C ends it\n"
    assert "Traceback" not in err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_of_others_asks_for_users(
    host: str, capsys: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNFER_STUDIO_AUTH", raising=False)
    assert main(["serve", "--host", host]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"whoever reaches {host} could use this studio" in said.err
    assert "--insecure" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "no.such.host.invalid"], "--host: is no address of this machine"),
        (["--host", ""], "--host: is no address of this machine"),
        (["--host", "192.0.2.1", "--insecure"], "--host: cannot listen on 192.0.2.1"),
        (["--port", "0"], "--port: is not a port"),
        (["--auth", "secret"], "--auth: is not known"),
        (["--auth", "users:/no/such"], "--auth: cannot read /no/such"),
        (["--proxies", "lab"], "SYNFER_STUDIO_PROXIES: "),
        (["--root-path", "synfer"], "SYNFER_STUDIO_ROOT_PATH: "),
        (["--root-path", "/a b"], "SYNFER_STUDIO_ROOT_PATH: "),
    ],
)
def test_wrong_options_are_one_line(options: list[str], message: str, capsys: Lines) -> None:
    assert main(["serve", "--port", str(free_port()), *options]) == 2
    said = capsys.readouterr()
    assert f"error: {message}" in said.err
    assert said.out == ""
