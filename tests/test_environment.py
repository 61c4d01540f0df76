"""Where the environment's proxies are heard, and where they are not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synfer_core.client import TOKEN_VARIABLE, Client
from synfer_core.environment import is_local, proxy_of, without_proxies
from synfer_core.errors import FaultError, RequestError, UnreachableError
from synfer_core.models import hub
from tests.serving import free_port

REMOTE = "http://lab.example.org/synfer"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no token from outside."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == TOKEN_VARIABLE:
            monkeypatch.delenv(name)


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that refuses, and what it is asked for."""
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "[::1]", "0.0.0.0"])
def test_no_proxy_is_asked_for_this_machine(
    host: str, proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy[0])
    assert proxy_of(f"http://{host}:7860") is None
    with Client(f"http://{host}:{free_port()}") as client, pytest.raises(UnreachableError):
        client.vocabulary()
    assert proxy[1] == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_for_other_machines_the_proxy_is_asked(
    name: str, proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy[0])
    with Client(REMOTE) as client, pytest.raises(FaultError, match="502"):
        client.vocabulary()
    assert proxy[1] == [f"{REMOTE}/api/v1/vocabulary"]


@pytest.mark.parametrize(
    ("without", "asked"),
    [
        ("example.org", False),
        (".example.org", False),
        ("*", False),
        ("::1/128,lab.example.org", False),
        ("::1/128,10.0.0.0/8", True),
        ("other.org", True),
    ],
)
def test_names_that_are_reached_without_it(
    without: str, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", without)
    assert (proxy_of(REMOTE) is not None) == asked
    Client(REMOTE).close()


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "nonsense://x", "http://a:b:c"])
def test_a_proxy_that_cannot_be_used_is_told_as_such(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(RequestError, match="proxy or certificates cannot be used"):
        Client(REMOTE)


def test_certificates_that_are_not_there_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    Client("http://127.0.0.1:1").close()
    with pytest.raises(RequestError, match="certificates"):
        Client("https://lab.example.org")


@pytest.mark.parametrize("url", ["", "lab", "ftp://x", "http://", "http://[::1", "http://x:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RequestError, match="is no address"):
        Client(url)


@pytest.mark.parametrize("token", ["tökén", "with\nbreak"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(RequestError, match="is no token"):
        Client(token=token)


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "nonsense://:::"])
def test_the_hub_names_a_proxy_that_cannot_be_used(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import close_session

    close_session()
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(UnreachableError, match="hub:nobody/nothing: cannot be fetched"):
        hub.folder_of("hub:nobody/nothing")
    close_session()


def test_the_environment_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "::1/128")
    before = dict(os.environ)
    with without_proxies():
        inside = dict(os.environ)
    assert not {"all_proxy", "NO_PROXY"} & set(inside)
    assert dict(os.environ) == before


def test_which_names_are_this_machine() -> None:
    assert is_local("studio.localhost")
    assert not is_local("localhost.example.org")
    assert not is_local("10.0.0.1")
