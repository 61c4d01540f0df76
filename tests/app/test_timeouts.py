"""Requests that never become whole, on a real server with short times."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.listening import config
from app.security import timeouts
from app.security.timeouts import PatientProtocol
from tests.serving import free_port

TIME = 0.4
"""Seconds that a head or a body has here."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    async def size(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def early(_: Request) -> PlainTextResponse:
        return PlainTextResponse("unread")

    routes = [
        Route("/size", size, methods=["GET", "POST"]),
        Route("/early", early, methods=["POST"]),
    ]
    server = uvicorn.Server(config(Starlette(routes=routes), port=(number := free_port())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PatientProtocol, "head_seconds", TIME)
        patch.setattr(PatientProtocol, "body_seconds", TIME)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield number
        server.should_exit = True
        thread.join(10)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def rest(connection: socket.socket) -> bytes:
    """All that the server says until it closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            said += part
    return said


HALF = {
    "a line": b"GET /size HT",
    "a head": b"GET /size HTTP/1.1\r\nHost: x\r\nX-A: b\r\n",
    "a length without its body": b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    "chunks without an end": b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n",
}


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF)
def test_what_never_becomes_whole_is_given_up(port: int, sent: bytes) -> None:
    with connect(port) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        said = rest(connection)
        assert time.monotonic() - started >= TIME * 0.9
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"type":"FormatError"' in said


def test_a_connection_on_which_nothing_comes_is_closed(port: int) -> None:
    """Without an answer: browsers connect before they know what to ask."""
    with connect(port) as connection:
        assert rest(connection) == b""


def test_one_byte_at_a_time_gains_no_time(port: int) -> None:
    with connect(port) as connection:
        started = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - started < 10:
                connection.sendall(b"X")
                time.sleep(0.05)
        assert time.monotonic() - started < 5


def test_a_second_request_of_a_connection_has_its_time_too(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /size HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /size HTTP/1.1\r\nHo")
        assert b"HTTP/1.1 408 Request Timeout" in rest(connection)


def test_a_body_that_keeps_coming_is_taken(port: int) -> None:
    """Each piece earns time: 2 kB are four seconds at the rate that is asked for."""
    with connect(port) as connection:
        head = (
            b"POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10000\r\n\r\n"
        )
        connection.sendall(head)
        for _ in range(5):
            connection.sendall(bytes(2000))
            time.sleep(TIME / 3)
        assert rest(connection).endswith(b"10000")


def test_whole_requests_are_not_touched(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(3):
            assert client.post("/size", content=bytes(300_000)).text == "300000"
            time.sleep(TIME)


def test_an_answer_before_the_body_is_read_does_not_wait_for_it(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
        assert b"unread" in rest(connection)


def test_what_is_no_http_is_told_in_the_one_form(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b'"type":"FormatError"' in said


def test_for_one_more_the_oldest_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "UNFINISHED", 20)
    monkeypatch.setattr(PatientProtocol, "head_seconds", 30.0)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(port)) for _ in range(30)]
        for one in held:
            one.sendall(b"GET /si")
        assert httpx.get(f"http://127.0.0.1:{port}/size", trust_env=False).text == "0"
        assert rest(held[0])[:12] in (b"", b"HTTP/1.1 408"), "closed, in the middle of its time"
        held[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            held[-1].recv(1)
