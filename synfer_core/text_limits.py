"""How deep and how large JSON and YAML may be, found out before anything is built from them.

Parsers of both recurse with the depth of a text, and a YAML text grows by its aliases: twenty lines
can stand for a thousand million values. What is counted here costs a pass over the text at most,
and stops at the first value that is too many.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import yaml

from synfer_core.errors import FormatError, TooLargeError

DEPTH = 32
"""Lists and mappings within one another."""

PARTS = 20_000
"""Values of a text that holds one recipe or form."""

YAML_PARTS = 100_000
"""Values of a specification, those that aliases repeat among them: 10,000 people with words."""

_MARKS = b'"[]{},'
_OTHERS = bytes(set(range(256)) - set(_MARKS))
_QUICK: Any = getattr(yaml, "CParser", yaml.SafeLoader)


def why_unread(error: Exception) -> str:
    """What a reader of JSON or YAML says, in one line, without what it advises programmers."""
    if "integer string conversion" in str(error):
        return "it holds a number of too many digits"
    return " ".join(str(error).split())


def check_json(data: str | bytes, field: str, parts: int = PARTS) -> None:
    """Refuse a JSON text that is too deep or has too many values; what is no JSON may pass.

    Args:
        data: The text.
        field: What errors call it.
        parts: Values it may have, those within values among them.

    Raises:
        FormatError: Its values are more than `DEPTH` levels deep.
        TooLargeError: It has too many of them.
    """
    raw = data.encode(errors="replace") if isinstance(data, str) else data
    opened = raw.count(b"[") + raw.count(b"{")
    if opened <= DEPTH and opened + raw.count(b",") <= parts:
        return
    # Words hold marks too: they are taken out, first what a backslash escapes in them.
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHERS)
    marks = b"".join(bare.split(b'"')[::2])
    if _is_deep(marks[: 4 * parts]):
        raise _too_deep(field)
    if len(marks) - marks.count(b"]") - marks.count(b"}") > parts:
        raise TooLargeError("has too many values", field=field, allowed=f"at most {parts:,}")


def check_yaml(data: bytes, field: str, parts: int = YAML_PARTS) -> None:
    """Refuse a YAML text that is too deep or stands for too many values; no YAML may pass.

    Args:
        data: The text.
        field: What errors call it.
        parts: Values it may have, those that aliases repeat among them.

    Raises:
        FormatError: Its values are more than `DEPTH` levels deep.
        TooLargeError: It has too many of them.
    """
    with contextlib.suppress(yaml.YAMLError, ValueError):  # the reader says what is wrong
        # Of many brackets libyaml reads all at once, PyYAML's own parser one after the other.
        parser = yaml.SafeLoader if _is_deep(data) else _QUICK
        for depth, count in _measured(parser(data)):
            if depth > DEPTH:
                raise _too_deep(field)
            if count > parts:
                raise TooLargeError(
                    "stands for too many values", field=field, allowed=f"at most {parts:,}"
                )


def _measured(parser: Any) -> Iterator[tuple[int, int]]:
    """Depth and values so far, after each event of a parser."""
    count, weights = 0, dict[str | None, int]()
    begun: list[tuple[str | None, int]] = []
    try:
        while parser.check_event():
            event = parser.get_event()
            if isinstance(event, yaml.AliasEvent):
                count += weights.get(event.anchor, 1)
            elif isinstance(event, yaml.ScalarEvent):
                count += 1
                weights[event.anchor] = 1
            elif isinstance(event, yaml.CollectionStartEvent):
                begun.append((event.anchor, count))
                count += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = begun.pop()
                weights[anchor] = count - before
            yield len(begun), count
    finally:
        parser.dispose()


def _is_deep(marks: bytes) -> bool:
    """Whether so many brackets are open somewhere, taking all for brackets."""
    depth = 0
    for bracket in re.finditer(rb"[\[{\]}]", marks):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEPTH:
            return True
    return False


def _too_deep(field: str) -> FormatError:
    return FormatError("is nested too deeply", field=field, allowed=f"at most {DEPTH} levels")
