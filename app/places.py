"""Where pages build what stays on the disk: folders by name, for all pages or for one of them."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synfer_core.errors import RequestError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
ALLOWED = "up to 60 letters (A to Z), digits, - and _"


@dataclass
class _Own:
    """A page's temporary place, and how much goes on in it."""

    folder: tempfile.TemporaryDirectory[str]
    at_work: int = 0
    left: bool = False

    def tidy(self) -> None:
        """Remove it when its page has left and nothing goes on in it any more."""
        if self.left and not self.at_work:
            self.folder.cleanup()


class Places:
    """Folders by name.

    Args:
        root: Holds them, for all pages and for good; None gives each page a temporary folder of
            its own.
    """

    def __init__(self, root: Path | None):
        self.root = root
        self._own: dict[str, _Own] = {}
        self._lock = threading.Lock()

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
            with self._lock:
                own.at_work -= 1
                own.tidy()

    def names(self, page: str) -> list[str]:
        """Names that a page can go on with, in order."""
        own = self._own.get(page)
        root = self.root or (Path(own.folder.name) if own else None)
        if root is None or not root.is_dir():
            return []
        return sorted(path.name for path in root.iterdir() if path.is_dir() and _ok(path.name))

    def leave(self, page: str) -> None:
        """The page was closed: remove what was its own, once nothing goes on there."""
        with self._lock:
            if own := self._own.pop(page, None):
                own.left = True
                own.tidy()

    def _enter(self, page: str) -> _Own:
        with self._lock:
            own = self._own.get(page)
            if own is None:
                own = self._own[page] = _Own(tempfile.TemporaryDirectory(prefix="synfer-data-"))
            own.at_work += 1
            return own


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
