"""Files of open pages, handed out in parts."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

from app import shelf
from app.shelf import Shelf, size_of


def test_files_come_in_parts_to_whoever_has_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "PART_BYTES", 4)
    one, files = Shelf(), {"a": io.BytesIO(b"0123456789"), "b": io.BytesIO(b"")}
    wanted: dict[str, Any] = {"token": one.put("page", files), "name": "a"}
    assert size_of(files["a"]) == 10
    parts = [one.read_part({**wanted, "at": at})["data"] for at in (0, 4, 8)]
    assert b"".join(map(base64.b64decode, parts)) == b"0123456789"
    assert one.read_part({**wanted, "name": "b", "at": 0}) == {"data": ""}
    for wrong in ({"token": "guess"}, {"token": None}, {"name": "c"}, {"name": []}):
        assert "error" in one.read_part({**wanted, **wrong, "at": 0})
    assert "error" in one.read_part("a")


def test_newer_files_take_the_place_of_older_ones_which_are_closed() -> None:
    one, old, new = Shelf(), {"a": io.BytesIO(b"1")}, {"a": io.BytesIO(b"2")}
    first = one.put("page", old)
    assert one.holds("page", old)
    one.put("page", new)
    assert old["a"].closed
    assert not one.holds("page", old)
    assert "error" in one.read_part({"token": first, "name": "a", "at": 0})
    one.drop("page")
    one.drop("page")
    assert new["a"].closed


def test_files_that_came_too_late_are_closed_and_others_are_not() -> None:
    one, kept, late = Shelf(), {"a": io.BytesIO(b"1")}, {"a": io.BytesIO(b"2")}
    one.put("page", kept)
    one.close_unkept("page", kept)
    assert not kept["a"].closed
    one.close_unkept("page", late)
    assert late["a"].closed
    one.drop("page")
    again = {"a": io.BytesIO(b"3")}
    one.close_unkept("page", again)
    assert again["a"].closed
