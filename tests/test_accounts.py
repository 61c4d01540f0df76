from __future__ import annotations

import io
import os
import pty
import stat
import sys
import threading
from pathlib import Path

import pytest

from synfer_core.accounts import (
    Cost,
    Stored,
    new_token,
    parse_auth,
    put_user,
    read_token,
    read_users,
)
from synfer_core.cli import main
from synfer_core.errors import RequestError

QUICK = Cost(n=16, r=1, p=1)
"""So that a test does not wait for hashes that are slow on purpose."""

Lines = pytest.CaptureFixture[str]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object, typed: str = "") -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return main(["user", *map(str, arguments)])


def test_a_password_is_kept_as_a_hash_with_a_salt_of_its_own() -> None:
    one, other = (Stored.of("correct horse", QUICK) for _ in range(2))
    assert str(one) != str(other)
    assert "correct" not in str(one)
    assert Stored.parse(str(one)) == one
    assert one.fits("correct horse")
    assert not one.fits("correct horsf")


def test_the_hash_is_scrypt_as_others_compute_it() -> None:
    """The second test vector of RFC 7914."""
    wanted = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
    assert Cost(n=1024, r=8, p=16).hash("password", b"NaCl").hex() == wanted


@pytest.mark.parametrize(
    "line",
    [
        "ada",
        "ada:plain",
        "ada:md5:1:1:1:AAAA:AAAA",
        "ada:scrypt:1073741824:8:1:c2FsdHNhbHQ=:AAAA",
        "a b:scrypt:16:1:1:c2FsdHNhbHQ=:AAAA",
        ":scrypt:16:1:1:c2FsdHNhbHQ=:AAAA",
    ],
)
def test_a_line_that_is_no_user_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "users.txt"
    file.write_text(f"# comment\n{line}\n")
    with pytest.raises(RequestError) as caught:
        read_users(file)
    assert str(caught.value.field) in ("users.txt line 2", "NAME")


def test_other_lines_stay_and_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text(f"# our lab\nada:{Stored.of('one', QUICK)}\n")
    put_user(file, "bob", Stored.of("two", QUICK))
    put_user(file, "ada", Stored.of("three", QUICK))
    assert file.read_text().startswith("# our lab\n")
    assert list(read_users(file)) == ["bob", "ada"]
    assert read_users(file)["ada"].fits("three")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["users.txt"]


def test_the_command_adds_lists_and_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    file = tmp_path / "users.txt"
    assert run(monkeypatch, "add", "ada", "--file", file, typed="a long password\n") == 0
    assert read_users(file)["ada"].fits("a long password")
    assert run(monkeypatch, "list", "--file", file) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "ada"
    assert run(monkeypatch, "remove", "ada", "--file", file) == 0
    assert read_users(file) == {}
    assert run(monkeypatch, "remove", "ada", "--file", file) == 2


@pytest.mark.parametrize(
    ("name", "typed", "named"),
    [
        ("ada", "short\n", "password"),
        ("ada", "", "password"),
        ("ada", "x" * 300 + "\n", "password"),
        ("a:b", "a long password\n", "NAME"),
        ("", "a long password\n", "NAME"),
    ],
)
def test_the_command_refuses_bad_names_and_passwords(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Lines,
    name: str,
    typed: str,
    named: str,
) -> None:
    file = tmp_path / "users.txt"
    assert run(monkeypatch, "add", name, "--file", file, typed=typed) == 2
    assert f"error: {named}" in capsys.readouterr().err
    assert not file.exists()


def test_on_a_terminal_the_password_is_typed_twice_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["a long password", "another password"])
    monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
    leader, follower = pty.openpty()
    with os.fdopen(leader), os.fdopen(follower) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert main(["user", "add", "ada", "--file", str(tmp_path / "users.txt")]) == 2


def test_no_password_on_a_terminal_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ended)
    leader, follower = pty.openpty()
    with os.fdopen(leader), os.fdopen(follower) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert main(["user", "add", "ada", "--file", str(tmp_path / "users.txt")]) == 2
    assert capsys.readouterr().err == "error: password: none was given\n"


def test_a_token_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token.txt"
    assert run(monkeypatch, "token", "--file", file) == 0
    token = read_token(file)
    assert len(token) >= 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(monkeypatch, "token", "--file", file) == 2
    assert read_token(file) == token
    assert new_token() != token


@pytest.mark.parametrize("text", ["", "short", "with space " * 5, "x" * 300, "ümlaut" * 10])
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token.txt"
    file.write_text(text)
    with pytest.raises(RequestError, match="holds no token"):
        read_token(file)


def test_where_accounts_come_from() -> None:
    assert parse_auth("users:a:b") == ("users", Path("a:b"))
    for wrong in ("users", "users:", "secret", "password:x", ""):
        with pytest.raises(RequestError, match="users:FILE or token:FILE"):
            parse_auth(wrong)


def test_whoever_writes_at_once_leaves_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    stored = Stored.of("one", QUICK)
    threads = [threading.Thread(target=put_user, args=(file, f"user{n}", stored)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_users(file)
