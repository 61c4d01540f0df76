"""Finished files of open pages: they have no name on the disk and go to the page in parts."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

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

    def drop(self, page: str) -> None:
        """Close and forget what a page has."""
        kept = self._kept.pop(page, None)
        for file in kept.files.values() if kept else ():
            file.close()

    def read_part(self, wanted: object) -> dict[str, Any]:
        """A part of a file, as a page asks for it: token, name, and where to start."""
        asked = wanted if isinstance(wanted, Mapping) else {}
        token, name, at = (asked.get(key) for key in ("token", "name", "at"))
        for kept in self._kept.values():
            right = isinstance(token, str) and secrets.compare_digest(token, kept.token)
            if right and isinstance(name, str) and name in kept.files:
                return {"data": base64.b64encode(_part(kept.files[name], at)).decode()}
        error = RequestError("The file is not here any more; make it again.")
        return {"error": error.to_dict()}


def size_of(file: IO[bytes]) -> int:
    """Bytes of an open file."""
    return file.seek(0, 2)


def _part(file: IO[bytes], at: object) -> bytes:
    file.seek(at if isinstance(at, int) and at >= 0 else 0)
    return file.read(PART_BYTES)
