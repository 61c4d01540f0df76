"""Finished files of open pages: they have no name on the disk and go to the page in parts."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from app.bounded_store import BoundedStore, Bounds
from app.pages import Pages
from app.tokens import opened_by
from synfer_core.errors import RequestError

PART_BYTES = 1 << 20

Files = Mapping[str, IO[bytes]]

USUAL = Bounds(seconds=1800.0, number=500, size=20_000_000_000)
"""Limits of a shelf on a disk, where the settings name no others."""


@dataclass(frozen=True)
class _Kept:
    token: str
    files: Files
    size: int


class Shelf:
    """The newest files of each page, until it leaves or others need the room.

    Args:
        bounds: How many, how much and for how long.
        pages: Which are open.
    """

    def __init__(self, bounds: Bounds = USUAL, pages: Pages | None = None):
        pages = pages or Pages()
        self._kept = BoundedStore[_Kept](
            bounds,
            size=lambda kept: kept.size,
            close=lambda kept: _close(kept.files),
            alive=pages.connected,
        )
        pages.watch(self._kept)

    def put(self, page: str, files: Files) -> str:
        """Keep open files, in place of what the page had; returns the word that opens them."""
        size = sum(map(size_of, files.values()))
        return self._kept.put(page, _Kept(secrets.token_urlsafe(16), files, size)).token

    def holds(self, page: str, files: Files) -> bool:
        """Whether these very files are the page's."""
        kept = self._kept.get(page)
        return kept is not None and kept.files is files

    def close_unkept(self, page: str, files: Files) -> None:
        """Close files that came when the page had left or wanted others."""
        if not self.holds(page, files):
            _close(files)

    def drop(self, page: str) -> None:
        """Close and forget what a page has."""
        self._kept.drop(page)

    def read_part(self, wanted: object) -> dict[str, Any]:
        """A part of a file, as a page asks for it: token, name, and where to start."""
        kept = opened_by(self._kept.values(), wanted)
        asked = wanted if isinstance(wanted, Mapping) else {}
        name = asked.get("name")
        if kept and isinstance(name, str) and name in kept.files:
            with contextlib.suppress(ValueError):  # it was closed at this moment
                part = _part(kept.files[name], asked.get("at"))
                return {"data": base64.b64encode(part).decode()}
        error = RequestError("The file is not here any more; make it again.")
        return {"error": error.to_dict()}


def _close(files: Files) -> None:
    for file in files.values():
        file.close()


def size_of(file: IO[bytes]) -> int:
    """Bytes of an open file."""
    return file.seek(0, 2)


def _part(file: IO[bytes], at: object) -> bytes:
    file.seek(at if isinstance(at, int) and at >= 0 else 0)
    return file.read(PART_BYTES)
