"""The confusion table of a set: what readers read against what was asked for, by intensity."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from synfer_core.facs import EXPRESSIONS
from synfer_core.stimuli.opinions import TITLES
from synfer_core.stimuli.record import Record
from synfer_core.stimuli.table import LABELS, Row, to_csv

CSV, PICTURE = "confusion.csv", "confusion.png"
COLUMNS = (
    *("reader", "reader_version", "asked", "intensity", "images"),
    *EXPRESSIONS,
    *("unread", "as_asked"),
)
"""One row for each reader, expression and intensity; `EXPRESSIONS` count what was read, `unread`
images without a reading, and `as_asked` is the share of all that was read as asked for, empty for
what is no expression."""

_PANELS = 5
_INCHES = 2.5

_RENDERS = (
    "FERAnno and the AU rules learned from renders of the exact engine{}; agreement with them says "
    "that the faces are as that engine draws them, and nothing about people."
)
_OWN = ", which made this very set"
_MEDIAPIPE = (
    "MediaPipe learned from photographs and took no part in the faces. Its blendshapes tell only "
    "some units, so that disgust, anger and sadness are read off less than they show."
)


def readers(rows: Sequence[Row]) -> tuple[str, ...]:
    """Those of `TITLES` that read anything."""
    return tuple(name for name in TITLES if any(row.get(LABELS[name]) for row in rows))


def table(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows with `COLUMNS`, from the rows of a set."""
    asked = dict.fromkeys((str(row["expression"]), int(row["intensity"])) for row in rows)
    return tuple(
        _row(rows, reader, *one) for reader in readers(rows) for one in sorted(asked, key=_order)
    )


def _order(asked: tuple[str, int]) -> tuple[int, str, int]:
    name, intensity = asked
    place = EXPRESSIONS.index(name) if name in EXPRESSIONS else len(EXPRESSIONS)
    return place, name, intensity


def _row(rows: Sequence[Row], reader: str, asked: str, intensity: int) -> Row:
    mine = [r for r in rows if (r["expression"], r["intensity"]) == (asked, intensity)]
    read = Counter(str(row.get(LABELS[reader], "")) for row in mine)
    right = {"as_asked": round(read[asked] / len(mine), 4)} if asked in EXPRESSIONS else {}
    return {
        "reader": TITLES[reader],
        "reader_version": _version(mine[0], reader),
        "asked": asked,
        "intensity": intensity,
        "images": len(mine),
        **{name: read[name] for name in EXPRESSIONS},
        "unread": read[""],
        **right,
    }


def _version(row: Row, reader: str) -> str:
    column = {"feranno": "label_reader", "au_rules": "au_reader"}.get(reader, f"{reader}_reader")
    return str(row.get(column, ""))


def csv(rows: Sequence[Row]) -> bytes:
    """`table` as CSV."""
    return to_csv(table(rows), COLUMNS)


def shares(rows: Sequence[Row]) -> dict[str, float]:
    """By reader the share of images at the strongest intensity, neutral ones aside, read as asked.

    Empty where no expression was asked for.
    """
    apex = [r for r in rows if r["expression"] in EXPRESSIONS[1:]]
    if not apex:
        return {}
    strongest = max(int(row["intensity"]) for row in apex)
    mine = [row for row in apex if row["intensity"] == strongest]
    return {
        name: sum(row.get(LABELS[name]) == row["expression"] for row in mine) / len(mine)
        for name in readers(mine)
    }


def notes(record: Record) -> Iterator[str]:
    """What a reader of the table has to know of who read: who is no outsider, who is missing."""
    there = readers(record.rows)
    if {"feranno", "au_rules", "vote"} & set(there):
        yield _RENDERS.format(_OWN if record.origin.name == "facekit" else "")
    if "mediapipe" in there:
        yield _MEDIAPIPE
    for name, why in record.unread.items():
        yield f"{TITLES[name]} did not read this set: {why}"


def picture(rows: Sequence[Row]) -> bytes:
    """The table as PNG: a row of panels for each reader, a panel for each of five intensities."""
    from matplotlib.figure import Figure

    who, found = readers(rows), table(rows)
    steps = sorted({int(row["intensity"]) for row in rows} - {0})
    shown = [
        steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, _PANELS).round().astype(int))
    ]
    figure = Figure(figsize=(_INCHES * len(shown) + 1.2, (_INCHES + 0.1) * len(who) + 0.8), dpi=110)
    panels = figure.subplots(len(who), len(shown), squeeze=False)
    for line, reader in enumerate(who):
        for column, intensity in enumerate(shown):
            mine = [r for r in found if r["reader"] == TITLES[reader]]
            _panel(panels[line, column], mine, intensity)
            if column == 0:
                panels[line, column].set_ylabel(f"{TITLES[reader]}\nasked for", fontsize=8)
    figure.suptitle(
        "Read off the images against what was asked for (share of each row)", fontsize=10
    )
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _panel(axes: Any, rows: Sequence[Row], intensity: int) -> None:
    """One reader at one intensity; the neutral images are in every panel."""
    mine = [r for r in rows if r["intensity"] == intensity or r["asked"] == EXPRESSIONS[0]]
    counts = np.array([[int(row[name]) for name in EXPRESSIONS] for row in mine])
    images = np.array([int(row["images"]) for row in mine])
    axes.imshow(counts / images[:, None], vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for y, x in np.argwhere(counts > 0):
        share = counts[y, x] / images[y]
        colour = "white" if share > 0.55 else "black"
        axes.text(
            x, y, f"{share:.0%}".rstrip("%"), ha="center", va="center", fontsize=6, color=colour
        )
    axes.set_xticks(
        range(len(EXPRESSIONS)), [name[:4] for name in EXPRESSIONS], fontsize=6, rotation=60
    )
    axes.set_yticks(range(len(mine)), [str(row["asked"])[:9] for row in mine], fontsize=6)
    axes.set_title(f"asked for at {intensity} %", fontsize=8)
    axes.set_xlabel("read", fontsize=7)
