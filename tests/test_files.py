from __future__ import annotations

from pathlib import Path

import pytest

from synfer_core.errors import RequestError
from synfer_core.files import check_writable, read_text_bytes, write_whole


def test_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        write_whole(target, b"data")
    assert list(tmp_path.iterdir()) == [target]


def test_write_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        write_whole(tmp_path / "none" / "a.png", b"data")


def test_read_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"x" * 11)
    assert read_text_bytes(path, "--recipe", limit=11) == b"x" * 11
    with pytest.raises(RequestError, match="too large") as caught:
        read_text_bytes(path, "--recipe", limit=10)
    assert caught.value.field == "--recipe"


@pytest.mark.parametrize("name", ["absent", "."])
def test_read_of_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="cannot read"):
        read_text_bytes(tmp_path / name, "--recipe")


@pytest.mark.parametrize("name", ["absent/a.png", "."])
def test_targets_are_checked_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_writable(tmp_path / name, "--out")
    assert caught.value.field == "--out"
