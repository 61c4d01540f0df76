"""Files written whole or not at all, files read with a limit, and where caches lie."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from synfer_core.errors import CancelledError, RequestError, WeightsError

T = TypeVar("T")

MAX_TEXT_BYTES = 1 << 20

ASSETS = Path(__file__).resolve().parent.parent / "assets"
"""What ships beside the packages, in a checkout as in an installed wheel."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, as `placed` does.

    Raises:
        RequestError: The folder is missing or cannot be written to.
    """
    with placed(path) as aside:
        aside.write_bytes(data)


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place when the block ends well.

    A link stays, and what it leads to is replaced. A stream is written into.

    Raises:
        RequestError: It cannot be written.
        BrokenPipeError: The reader of a stream has left.
    """
    stream, target = is_stream(path), path.resolve()
    with tempfile.TemporaryDirectory() if stream else nullcontext(target.parent) as folder:
        aside = Path(folder) / f".{target.name}.{secrets.token_hex(4)}.part"
        try:
            yield aside
            if stream:
                _pour(aside, path)
            else:
                aside.replace(target)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise RequestError(f"cannot be written: {error.strerror}", field=str(path)) from error
        finally:
            aside.unlink(missing_ok=True)  # it is there where something, or somebody, stopped this


def is_stream(path: Path) -> bool:
    """Whether something is written into rather than replaced: a pipe, a device, ``/dev/stdout``."""
    named = any(path.absolute().is_relative_to(place) for place in ("/dev", "/proc"))
    return path.exists() and not path.is_dir() and (named or not path.is_file())


def _pour(aside: Path, stream: Path) -> None:
    with aside.open("rb") as file, stream.open("ab", buffering=0) as into:
        shutil.copyfileobj(file, into)


@contextmanager
def growing(path: Path, what: str) -> Iterator[None]:
    """Say where the part is that was written when a file that grows row by row stops growing.

    Args:
        path: The part.
        what: What it holds, such as ``rows``.

    Raises:
        RequestError: The disk is full, or takes no more for another reason.
        CancelledError: The user ends the run.
    """
    try:
        yield
    except BrokenPipeError:  # the terminal's reader has left; the file is well
        raise
    except OSError as error:
        why = "; ".join(filter(None, (error.strerror, _kept(path, what))))
        raise RequestError(f"cannot be written: {why}", field=str(path)) from error
    except (KeyboardInterrupt, CancelledError) as error:
        raise CancelledError(_kept(path, what)) from error


def _kept(path: Path, what: str) -> str:
    """What a part holds, in words; empty where it holds nothing."""
    some = path.is_file() and path.stat().st_size
    return f"the {what} so far are kept in {path}" if some else ""


def read_text_bytes(path: Path, field: str, *, limit: int = MAX_TEXT_BYTES) -> bytes:
    """The bytes of a small text file.

    Raises:
        RequestError: The file is missing, is no plain file, or is larger than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)  # a device tells no size
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}", field=field) from error
    if len(data) > limit:
        raise RequestError(f"{path} is too large", field=field, allowed=f"{limit:,} bytes")
    return data


def write_record(path: Path, kind: TypeAdapter[T], record: T) -> None:
    """Write what was fitted beside weights, as JSON.

    Raises:
        RequestError: It cannot be written.
    """
    write_whole(path, kind.dump_json(record, indent=1) + b"\n")


def read_record(path: Path, kind: TypeAdapter[T]) -> T:
    """Read what `write_record` wrote.

    Raises:
        WeightsError: It is not in the expected form; names the first place that is not.
        RequestError: It cannot be read.
    """
    try:
        return kind.validate_json(read_text_bytes(path, path.name))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise WeightsError(f"{place}: {first['msg']}", field=path.name) from error


def cache_folder() -> Path:
    """Folder for what is fetched or made once on this machine (XDG_CACHE_HOME, else ~/.cache).

    It may not be there and may not be writable: a container's user need not have a home.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else _home() / ".cache") / "synfer"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without HOME and without an account
        return Path("/")


def check_writable(path: Path, field: str) -> None:
    """Refuse a target before any work is done for it.

    Raises:
        RequestError: The folder of `path` is missing or not writable, or `path` is a folder.
    """
    if is_stream(path) and os.access(path, os.W_OK):
        return
    folder = path.parent
    if not folder.is_dir():
        raise RequestError(
            f"there is no folder {folder}", field=field, allowed="an existing folder"
        )
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise RequestError(f"{path} cannot be written", field=field, allowed="a writable file")
