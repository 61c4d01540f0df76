"""Numbers as people type them into a line of text."""

from __future__ import annotations

import math
import re

from synfer_core.errors import RequestError

MAX_SEEDS = 1000
"""Numbers that one line may stand for."""

MAX_TEXT = 24_000
"""Letters of such a line: so many numbers, each as long as a seed may be."""

_SEEDS = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")


def seeds(text: str, field: str) -> list[int]:
    """Whole numbers and ranges such as ``1, 2, 5-8``; as text, for a browser's end at 2**53.

    Raises:
        RequestError: A word of it is neither.
    """
    found: list[int] = []
    for word in _split(text, field):
        match = _SEEDS.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            allowed = "numbers and ranges, such as 1, 2, 5-8"
            raise RequestError(f"cannot read {word[:30]!r}", field=field, allowed=allowed)
        if len(found) + last - first >= MAX_SEEDS:
            allowed = f"at most {MAX_SEEDS:,} numbers in all"
            raise RequestError(f"{word[:30]!r} is too long", field=field, allowed=allowed)
        found += range(first, last + 1)
    return found


def numbers(text: str, field: str) -> list[float]:
    """Numbers such as ``0, 2.5, 5``.

    Raises:
        RequestError: A word of it is none.
    """
    found: list[float] = []
    for word in _split(text, field):
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            allowed = "numbers, such as 0, 2.5, 5"
            raise RequestError(f"cannot read {word[:30]!r}", field=field, allowed=allowed)
        found.append(value)
    return found


def _split(text: str, field: str) -> list[str]:
    """Raises:
    RequestError: There are too many of them.
    """
    if len(text) > MAX_TEXT:
        raise RequestError("is too long", field=field, allowed=f"at most {MAX_TEXT:,} letters")
    words = re.split(r"[,;\s]+", text.strip(" \t\r\n,;"))
    if len(words) > MAX_SEEDS:
        allowed = f"at most {MAX_SEEDS:,} in all"
        raise RequestError(f"{len(words):,} numbers", field=field, allowed=allowed)
    return words
