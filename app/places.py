"""Where pages build what stays on the disk: folders by name, for all pages or for one of them."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.bounded_store import BoundedStore, Bounds
from app.pages import Pages
from synfer_core.errors import RequestError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
ALLOWED = "up to 60 letters (A to Z), digits, - and _"
USUAL = Bounds(seconds=1800.0, number=500, size=20_000_000_000)
"""Limits of temporary folders, where the settings name no others."""


@dataclass
class _Own:
    """A page's temporary place, and how much goes on in it."""

    folder: tempfile.TemporaryDirectory[str]
    at_work: int = 0
    left: bool = False
    size: int = 0

    def tidy(self) -> None:
        """Remove it when its page has left and nothing goes on in it any more."""
        if self.left and not self.at_work:
            self.folder.cleanup()


class Places:
    """Folders by name.

    Args:
        root: Holds them, for all pages and for good; None gives each page a temporary folder of
            its own.
        bounds: Of the temporary folders how many, how much and for how long; of the root how much.
        pages: Which are open.
    """

    def __init__(self, root: Path | None, bounds: Bounds = USUAL, pages: Pages | None = None):
        self.root, self.bounds = root, bounds
        pages = pages or Pages()
        self._working: Counter[str] = Counter()
        self._own = BoundedStore[_Own](
            bounds,
            size=lambda own: own.size,
            close=self._leave,
            alive=pages.connected,
            held=lambda page: page in self._working,
        )
        pages.watch(self._own)
        self._lock = threading.RLock()

    @property
    def lasting(self) -> bool:
        """Whether what is built outlasts its page."""
        return self.root is not None

    @contextlib.contextmanager
    def using(self, page: str, name: object) -> Iterator[Path]:
        """A page's folder of that name, which may not be there yet; it stays until the block ends.

        Raises:
            RequestError: The name is not allowed.
        """
        name = checked(name)
        if self.root is not None:
            yield _inside(self.root, name)
            return
        own = self._enter(page)
        try:
            yield Path(own.folder.name) / name
        finally:
            own.size = size_of(Path(own.folder.name))
            with self._lock:
                own.at_work -= 1
                self._working -= Counter([page])
                own.tidy()
            self._own.resize(page)

    def check_room(self, page: str) -> None:
        """Refuse to make more where much is there already.

        Raises:
            RequestError: The page's folder, or the one for all, has more bytes than it may.
        """
        own = self._own.get(page)
        size = size_of(self.root) if self.root is not None else own.size if own else 0
        if size >= self.bounds.size:
            allowed = f"at most {self.bounds.size / 1e9:,.1f} GB of data sets"
            raise RequestError("there is no room for more here", field="name", allowed=allowed)

    def names(self, page: str) -> list[str]:
        """Names that a page can go on with, in order."""
        own = self._own.get(page)
        root = self.root or (Path(own.folder.name) if own else None)
        if root is None or not root.is_dir():
            return []
        return sorted(path.name for path in root.iterdir() if path.is_dir() and _ok(path.name))

    def leave(self, page: str) -> None:
        """The page was closed: remove what was its own, once nothing goes on there."""
        self._own.drop(page)

    def _leave(self, own: _Own) -> None:
        with self._lock:
            own.left = True
            own.tidy()

    def _enter(self, page: str) -> _Own:
        with self._lock:
            own = self._own.get(page)
            if own is None:
                folder = tempfile.TemporaryDirectory(prefix="synfer-data-")
                own = self._own.put(page, _Own(folder))
            own.at_work += 1
            self._working[page] += 1
            return own


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # it went in the meantime
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def checked(name: object) -> str:
    """A name that is one folder and no path.

    Raises:
        RequestError: It is not allowed.
    """
    if not isinstance(name, str) or not _ok(name):
        shown = f"{name[:40]!r}" if isinstance(name, str) and name else "an empty name"
        raise RequestError(f"{shown} is no name for a folder", field="name", allowed=ALLOWED)
    return name


def _ok(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _inside(root: Path, name: str) -> Path:
    """Raises:
    RequestError: The folder is a link to somewhere else.
    """
    if (root / name).is_symlink():
        raise RequestError(f"{name!r} leads elsewhere", field="name", allowed=ALLOWED)
    return root / name
