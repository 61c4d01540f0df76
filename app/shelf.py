"""Finished files of open pages: they have no name on the disk and go to the page in parts."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from app.tokens import opened_by
from synfer_core.errors import RequestError

PART_BYTES = 1 << 20

Files = Mapping[str, IO[bytes]]


@dataclass(frozen=True)
class _Kept:
    token: str
    files: Files


class Shelf:
    """The newest files of each page, until it leaves."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def put(self, page: str, files: Files) -> str:
        """Keep open files, in place of what the page had; returns the word that opens them."""
        self.drop(page)
        self._kept[page] = _Kept(secrets.token_urlsafe(16), files)
        return self._kept[page].token

    def holds(self, page: str, files: Files) -> bool:
        """Whether these very files are the page's."""
        return page in self._kept and self._kept[page].files is files

    def close_unkept(self, page: str, files: Files) -> None:
        """Close files that came when the page had left or wanted others."""
        if not self.holds(page, files):
            _close(files)

    def drop(self, page: str) -> None:
        """Close and forget what a page has."""
        if kept := self._kept.pop(page, None):
            _close(kept.files)

    def read_part(self, wanted: object) -> dict[str, Any]:
        """A part of a file, as a page asks for it: token, name, and where to start."""
        kept = opened_by(self._kept.values(), wanted)
        asked = wanted if isinstance(wanted, Mapping) else {}
        name = asked.get("name")
        if kept and isinstance(name, str) and name in kept.files:
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
