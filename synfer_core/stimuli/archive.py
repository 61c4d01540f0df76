"""A folder or a ZIP file that is written whole or not at all.

A ZIP file's bytes depend on its contents alone.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from synfer_core.errors import RequestError
from synfer_core.files import placed

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE = 0o644 << 16


class Sink(Protocol):
    """Takes files."""

    def add(self, name: str, data: bytes) -> None:
        """Add one file; `name` may have folders, parted by ``/``."""


@dataclass(frozen=True)
class Zip:
    """An open ZIP file."""

    file: zipfile.ZipFile

    def add(self, name: str, data: bytes) -> None:
        """Add one file; PNGs are stored as they are, everything else is deflated."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system = 3
        info.external_attr = _PLAIN_FILE
        stored = name.endswith(".png")
        info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        self.file.writestr(info, data)


@dataclass(frozen=True)
class Folder:
    """A folder that is being filled."""

    path: Path

    def add(self, name: str, data: bytes) -> None:
        """Add one file."""
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


@contextmanager
def zipped(file: IO[bytes]) -> Iterator[Sink]:
    """A ZIP file that is written into an open file."""
    with zipfile.ZipFile(file, "w") as opened:
        yield Zip(opened)


@contextmanager
def writing(path: Path) -> Iterator[Sink]:
    """What takes the name `path` when the block ends well, and else leaves nothing behind.

    Args:
        path: From `check`.

    Raises:
        RequestError: It cannot be written.
    """
    if is_zip(path):
        with placed(path) as place, place.open("wb") as file, zipped(file) as sink:
            yield sink
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.mkdir()
        yield Folder(aside)
        aside.replace(path)
    except OSError as error:
        raise RequestError(f"cannot be written: {error.strerror}", field=str(path)) from error
    finally:
        _remove(aside)


def is_zip(path: Path) -> bool:
    """Whether a target is a ZIP file; all others are folders."""
    return path.suffix.lower() == ".zip"


def check(path: Path, field: str) -> None:
    """Refuse a target before any work is done for it.

    Raises:
        RequestError: Its parent is no folder that can be written to, or something else is there.
    """
    parent = path.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise RequestError(f"cannot write to {parent}", field=field, allowed="an existing folder")
    if is_zip(path) and path.is_dir():
        raise RequestError(f"{path} is a folder", field=field, allowed="a file *.zip")
    if not is_zip(path) and path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise RequestError(
            f"{path} is there already", field=field, allowed="a new or empty folder, or *.zip"
        )


def _remove(aside: Path) -> None:
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
