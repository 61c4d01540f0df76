"""What the tab for data sets shows of a build: rates, newest faces, the card. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from app.ui.pictures import data_url, preview_url
from synfer_core.data.card import CARD, GRID
from synfer_core.data.manifest import Record
from synfer_core.data.progress import Tally
from synfer_core.report import Pixels

THUMB = 96
_VERDICTS = {"relabelled": "relabelled", "rejected": "rejected", "error": "failed"}


@dataclass(frozen=True)
class Rate:
    """How one class stands.

    Attributes:
        name: Its name.
        asked: Samples in all.
        done: Samples with an outcome.
        acceptance: Share of the images made that were accepted; None before the first.
    """

    name: str
    asked: int
    done: int
    acceptance: float | None


def rates_of(tally: Tally) -> tuple[Rate, ...]:
    """The classes of a tally as they stand."""
    return tuple(
        Rate(name, count.asked, count.done, count.acceptance)
        for name, count in tally.classes.items()
    )


def rates_html(rates: Iterable[Rate]) -> str:
    """A row for each class: the share of its faces that were accepted, and how many are done."""
    rows = "".join(map(_rate_html, rates))
    return f'<h3>Accepted of the faces made</h3><div class="bars" role="list">{rows}</div>'


def _rate_html(rate: Rate) -> str:
    share = rate.acceptance
    told = "-" if share is None else f"{share:.0%}"
    bar = "" if share is None else f'<i style="width: {100 * share:.0f}%"></i>'
    return (
        f'<div class="bar-row" role="listitem"><span class="bar-name">{escape(rate.name)}</span>'
        f'<span class="bar-track">{bar}</span>'
        f'<span class="bar-value">{told}</span>'
        f'<span class="bar-value of">{rate.done:,} of {rate.asked:,}</span></div>'
    )


@dataclass(frozen=True)
class Face:
    """A face that was made.

    Attributes:
        record: What is known of it.
        url: Its picture, small.
    """

    record: Record
    url: str

    @property
    def title(self) -> str:
        """Its label, and what it took to come to it."""
        record = self.record
        label = record.label or "unlabelled"
        was = f", asked for as {record.asked}" if record.asked and label != record.asked else ""
        tries = f", attempt {len(record.attempts)}" if len(record.attempts) > 1 else ""
        return f"{label}{was}{tries}"


def face_of(record: Record, image: Pixels) -> Face:
    """A face for the row of the newest, from its picture."""
    step = max(1, image.shape[0] // (2 * THUMB))
    return Face(record, preview_url(image[::step, ::step]))


def faces_html(faces: Iterable[Face]) -> str:
    """The newest faces, the last one first."""
    return "".join(
        f'<figure class="{"relabelled" if face.record.label != face.record.asked else ""}">'
        f'<img src="{face.url}" alt="" width="{THUMB}" height="{THUMB}">'
        f"<figcaption>{escape(face.title)}</figcaption></figure>"
        for face in faces
    )


def card_html(folder: Path) -> str:
    """The data card of a finished set with its picture; of Markdown it takes no HTML and no links.

    Raises:
        OSError: A file of the card is not there.
    """
    text = (folder / CARD).read_text(encoding="utf-8").split("---\n", 2)[-1]
    grid = data_url((folder / GRID).read_bytes(), "jpeg")
    reader = MarkdownIt("zero").enable(["heading", "table", "list", "backticks"])
    tokens = reader.parse(_without_picture(text))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + 1}"
    body = reader.renderer.render(tokens, reader.options, {})
    body = body.replace("<table>", _TABLE).replace("</table>", "</table></div>")
    picture = f'<img class="sample-grid" src="{grid}" alt="The first images of each class">'
    head, heading_end, rest = body.partition("</h2>")
    return f"{head}{heading_end}{picture}{rest}"


_TABLE = '<div class="scroll" role="region" tabindex="0" aria-label="Table"><table>'


def _without_picture(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("!["))
