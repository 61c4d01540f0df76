"""Names that the server answers to, and the web sites that may ask it."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse

from app.security.headers import AnswerHeaders
from app.security.origins import Origins, trusted_hosts
from synfer_core.errors import RequestError
from tests.processes import Running

EVIL = {"origin": "https://evil.test"}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def ask(
    url: str, headers: dict[str, str] | None = None, *, host: str = "lab.example", method: str = ""
) -> int:
    """The status that a small application behind the guard answers with."""
    reply = PlainTextResponse("ok", headers={"Access-Control-Allow-Origin": "*"})
    app = AnswerHeaders(Origins(reply, trusted_hosts("*.lab.example", host)))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
            return await client.request(method or "POST", url, headers=headers)

    answer = asyncio.run(send())
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-frame-options"] == "DENY"
    return answer.status_code


@pytest.mark.parametrize(
    ("served_on", "trusted", "foreign"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1", "[::1]"], ["10.0.0.7", "studio", "0.0.0.0", ""]),
        ("lab.example", ["lab.example", "localhost"], ["x.lab.example", "10.0.0.7", "example"]),
        ("fe80::1", ["[fe80::1]"], ["[fe80::2]", "fe80"]),
        ("10.0.0.7", ["10.0.0.7"], ["10.0.0.8", "10.0.0.7.evil.test"]),
        ("0.0.0.0", ["10.0.0.7", "[fe80::1]", socket.gethostname().lower()], ["evil.test"]),
        ("::", ["10.0.0.7", "127.0.0.1"], ["1.2.3.evil.test", "evil.test"]),
    ],
)
def test_names_that_follow_from_the_address(
    served_on: str, trusted: list[str], foreign: list[str]
) -> None:
    hosts = trusted_hosts("", served_on)
    assert [name for name in trusted if name not in hosts] == []
    assert [name for name in foreign if name in hosts] == []


def test_names_that_are_given() -> None:
    hosts = trusted_hosts(" Lab.Example, *.uni.example,::2 ", "127.0.0.1")
    assert {"lab.example", "a.b.uni.example", "[::2]", "localhost"} <= _all(hosts)
    for foreign in ("uni.example", "xuni.example", "x.lab.example"):
        assert foreign not in hosts
    assert "anything.at.all" in trusted_hosts("*", "127.0.0.1")


def _all(hosts: object) -> set[str]:
    names = ("lab.example", "a.b.uni.example", "[::2]", "localhost")
    return {name for name in names if name in hosts}  # type: ignore[operator]


@pytest.mark.parametrize("wrong", ["http://lab", "lab:80", "a*.b", "*b", "a b", "é"])
def test_what_is_no_name_is_refused(wrong: str) -> None:
    with pytest.raises(RequestError, match="is no name") as caught:
        trusted_hosts(wrong, "127.0.0.1")
    assert caught.value.field == "SYNFER_STUDIO_TRUSTED_HOSTS"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://lab.example:7860/", "http://lab.example:7860"),
        ("http://lab.example/", "http://lab.example:80"),
        ("http://lab.example/", "https://lab.example"),  # a proxy ended TLS
        ("http://lab.example:443/", "https://lab.example"),
        ("https://lab.example/", "https://lab.example:443"),
        ("http://LAB.example/", "http://lab.example"),
        ("http://[::1]:7860/", "http://[::1]:7860"),
    ],
)
def test_the_own_page_may_ask(url: str, origin: str) -> None:
    assert ask(url, {"origin": origin}) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://lab.example:7861",
        "https://lab.example",
        "http://evil.test:7860",
        "http://x.lab.example:7860",
        "http://lab.example:7860.evil.test",
        "http://lab.example:7860@evil.test",
        "null",
        "",
        "chrome-extension://lab.example",
        "file://",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PUT"])
def test_other_pages_may_not(origin: str, method: str) -> None:
    assert ask("http://lab.example:7860/", {"origin": origin}, method=method) == 403


def test_an_insecure_page_may_not_ask_a_secure_server() -> None:
    assert ask("https://lab.example/", {"origin": "http://lab.example"}) == 403


@pytest.mark.parametrize(
    ("method", "said", "status"),
    [
        ("GET", {}, 200),
        ("POST", {}, 200),  # no browser
        ("POST", {"sec-fetch-site": "same-origin"}, 200),
        ("GET", {"sec-fetch-site": "none"}, 200),
        ("GET", LINK, 200),
        ("POST", LINK, 403),
        ("GET", {**LINK, "sec-fetch-dest": "iframe"}, 403),
        ("GET", {**LINK, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, 403),
        ("GET", {"sec-fetch-site": "same-site"}, 403),
        ("POST", {"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_what_browsers_say_of_a_request_counts(
    method: str, said: dict[str, str], status: int
) -> None:
    assert ask("http://lab.example/", said, method=method) == status


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1.evil.test", "localhost.", "", "127.0.0.1:x", "a@127.0.0.1"]
)
def test_foreign_names_are_refused(client: httpx.Client, host: str) -> None:
    for path in ("/", "/config", "/api/v1/health"):
        answer = client.get(path, headers={"host": host})
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "Host"


def test_two_hosts_are_refused(attacked: Running) -> None:
    with socket.create_connection(("127.0.0.1", attacked.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n")
        assert b" 400 " in connection.recv(100)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/jobs"),
        ("POST", "/api/v1/annotate"),
        ("DELETE", "/api/v1/jobs/x"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/upload"),
        ("OPTIONS", "/gradio_api/queue/join"),
        ("GET", "/config"),
    ],
)
def test_every_route_asks_where_a_request_comes_from(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path, headers=EVIL)
    assert answer.status_code == 403
    assert answer.json()["error"]["field"] == "Origin"
    assert not any(name.startswith("access-control-") for name in answer.headers)


def test_every_answer_has_the_headers(client: httpx.Client) -> None:
    for path in ("/", "/config", "/api/v1/health", "/api/v1/docs", "/nothing", "/theme.css"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["permissions-policy"].startswith("camera=(self)")
        assert headers["referrer-policy"] == "same-origin"


def test_no_websocket_is_opened() -> None:
    sent: list[str] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "headers": [(b"host", b"localhost")]}
    guard = Origins(PlainTextResponse("ok"), trusted_hosts("", "127.0.0.1"))
    asyncio.run(guard(scope, receive, send))  # type: ignore[arg-type]
    assert sent == ["websocket.close"]
