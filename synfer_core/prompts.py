"""What the built-in model reads of a prompt, and what not: plain English words, no commands.

Its text encoder knows the letters of Latin scripts. Whatever else people write, such as emoji,
other scripts, or the weights, tags and BREAK of other programs, would be one and the same unknown
token or stray numbers to it; so it is left out and told. Compatibility forms such as full-width
letters are the letters they stand for (Unicode's NFKC, https://unicode.org/reports/tr15/).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_TOLD = 8
_LONGEST_TOLD = 40
_TAG = re.compile(r"<[^<>\s:]+:[^<>]*>")
_BREAK = re.compile(r"\bBREAK\b")
_WEIGHT = re.compile(r"[(\[]+([^()\[\]:]+):\s*[\d.]+\s*[)\]]+")


@dataclass(frozen=True)
class Prompt:
    """A prompt as it is read.

    Attributes:
        text: What is read.
        unread: What is left out, as it was typed.
        weighted: What carries a weight that does not count, as it was typed; its words are read.
    """

    text: str
    unread: tuple[str, ...] = ()
    weighted: tuple[str, ...] = ()


def read(text: str) -> Prompt:
    """What is read of a prompt; a text of plain words stays as it is, letter for letter."""
    left = unicodedata.normalize("NFKC", text)
    unread: list[str] = []
    unread += _TAG.findall(left)
    pieces = list(_pieces(_TAG.sub(" ", left)))
    unread += (piece for piece, known in pieces if not known)
    left = "".join(piece if known else " " for piece, known in pieces)
    unread += _BREAK.findall(left)
    left = _BREAK.sub(" ", left)
    weighted = tuple(match[0] for match in _WEIGHT.finditer(left))
    left = _WEIGHT.sub(lambda match: match[1], left)
    if unread:
        left = _tidy(left)
    return Prompt(left, tuple(dict.fromkeys(unread)), tuple(dict.fromkeys(weighted)))


def note_on(*texts: str) -> str | None:
    """One sentence on all that is not read of some texts; None where all of it is."""
    prompts = [read(text) for text in texts]
    unread = _told(piece for prompt in prompts for piece in prompt.unread)
    weighted = _told(piece for prompt in prompts for piece in prompt.weighted)
    parts = [f"Not read in the prompt: {unread}."] if unread else []
    parts += [f"Weights do not count: {weighted}."] if weighted else []
    return " ".join([*parts, "This model reads plain English words."]) if parts else None


def note_on_commands(*texts: str) -> str | None:
    """One sentence on what other programs act on and a model here reads as plain letters."""
    found = [match[0] for text in texts for each in (_TAG, _BREAK, _WEIGHT)
             for match in each.finditer(text)]  # fmt: skip
    told = _told(iter(found))
    return (
        f"No commands to this model, which reads them as plain letters: {told}." if told else None
    )


def _told(pieces: Iterator[str]) -> str:
    named = [piece[:_LONGEST_TOLD] for piece in dict.fromkeys(pieces)]
    more = f" and {len(named) - _MOST_TOLD} more" if len(named) > _MOST_TOLD else ""
    return ", ".join(named[:_MOST_TOLD]) + more


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text cut where letters that are read and others meet; spaces go with what is before."""
    piece, known = "", True
    for letter in text:
        now = known if letter.isspace() and piece else _is_known(letter, known)
        if now != known and piece:
            yield (piece, known) if known else (piece.strip(), known)
            piece = " " if piece[-1].isspace() and not known else ""
        piece, known = piece + letter, now
    if piece:
        yield (piece, known) if known else (piece.strip(), known)


def _is_known(letter: str, before: bool) -> bool:
    """Whether the encoder reads a letter, a number or a mark of punctuation; joiners and accents
    are read with what is before them.
    """
    if letter.isascii():
        return True
    kind = unicodedata.category(letter)
    if kind.startswith("M") or kind == "Cf":
        return before
    return kind.startswith(("P", "Z")) or "LATIN" in unicodedata.name(letter, "") or letter == "°"


def _tidy(text: str) -> str:
    """Without the gaps and lone commas that what was left out leaves behind."""
    parts = (" ".join(part.split()) for part in text.split(","))
    return ", ".join(part for part in parts if part)
