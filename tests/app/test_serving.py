"""What the command ``synfer serve`` refuses, before anything is loaded."""

from __future__ import annotations

import socket

import pytest

from synfer_core.cli import main
from tests.serving import free_port

Lines = pytest.CaptureFixture[str]


def test_a_port_that_is_taken_is_told_before_anything_else(capsys: Lines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"error: --port: cannot listen on 127.0.0.1 port {port}: another program listens there "
        "(allowed: a free port)\n"
    )


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
