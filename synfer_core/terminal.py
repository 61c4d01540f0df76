"""What reaches a terminal: text whose control characters are written out, and sequences of our own.

A file's name may hold any character; raw, it could move the cursor, colour what follows or hide it.
"""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SUSPECT = re.compile(r"[^\n\t -~]")
_HIDDEN = frozenset({"Cc", "Cs"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""Characters that turn the direction of what follows, or end lines."""
_CHATTER = re.compile(rb"WARNING: Logging before InitGoogle|INFO: |[IW]\d{4} [\d:.]+ ")
"""How lines begin that Google's libraries write when all is well."""


def plain(text: str) -> str:
    r"""The text with its control characters written out, such as ``\x1b``; line ends and tabs stay.

    Names whose bytes are no text come out as ``\udc80``.
    """
    return _SUSPECT.sub(lambda found: _written_out(found[0]), text)


def one_line(text: str) -> str:
    r"""The same with its line ends written out too, so that a name cannot look like a line."""
    return plain(text).replace("\n", "\\n")


def _written_out(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN or character in _TURNS:
        return character.encode("unicode_escape").decode()
    return character


class Screen(io.TextIOBase):
    """A text stream that makes all that is written to it plain.

    Args:
        stream: Where it goes.
    """

    def __init__(self, stream: Any):
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(plain(text))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return bool(self.stream.isatty())

    def fileno(self) -> int:
        return int(self.stream.fileno())

    @property
    def buffer(self) -> Any:
        """The bytes below, for data that is no text."""
        return self.stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self.stream.encoding)


@contextmanager
def screened() -> Iterator[None]:
    """Standard output and error as `Screen`."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Screen(before[0]), Screen(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def control(text: str) -> None:
    """Write to standard error with control sequences of this program's own.

    Names within have to be `plain`.
    """
    stream: Any = sys.stderr
    stream = stream.stream if isinstance(stream, Screen) else stream
    stream.write(text)
    stream.flush()


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keep what Google's libraries say when all is well off standard error.

    Everything else that is written there meanwhile, also by other threads, follows at the end.
    """
    try:
        sys.stderr.flush()
        before, kept = os.dup(2), os.memfd_create("stderr")
    except (OSError, AttributeError):  # there is no standard error, or no such file
        yield
        return
    os.dup2(kept, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        with os.fdopen(kept, "r+b") as lines:
            lines.seek(0)
            for line in lines:
                if not _CHATTER.match(line):
                    os.write(2, line)
