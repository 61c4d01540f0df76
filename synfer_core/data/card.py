"""The data card: what a set holds, how it was made, and what to know before it is used.

Follows Hugging Face's dataset cards and, in short, Datasheets for Datasets (Gebru et al. 2021,
https://doi.org/10.1145/3458723). It is a function of the set alone, so equal sets have equal cards.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synfer_core.data.manifest import Record
from synfer_core.data.plan import Plan
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.demographics import SHOWN
from synfer_core.files import write_whole

CARD, GRID = "README.md", "grid.jpg"
FILES = (CARD, GRID)

_ACROSS, _THUMB = 8, 96
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


@dataclass
class Summary:
    """Counts over all samples of a set.

    Attributes:
        plan: What was asked for.
        statuses: Samples by what became of them.
        by_class: By class asked for, samples by status, and ``images`` made in all.
        verdicts: By class asked for, attempts by verdict.
        labels: Images in the set by their label.
        moved: Replaced labels: asked for and given instead.
        apparent: By factor, images in the set by value.
        units: By AU, over images in the set: how often asked for, and the sum of intensities.
        shown: By label, the first images.
        readers: Who read labels and AUs.
    """

    plan: Plan
    statuses: Counter[str] = field(default_factory=Counter)
    by_class: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    labels: Counter[str] = field(default_factory=Counter)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    apparent: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    units: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0, 0.0]))
    shown: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    readers: set[str] = field(default_factory=set)

    def add(self, record: Record) -> Record:
        """Count a sample and hand it on."""
        asked = record.asked or "unlabelled"
        self.statuses[record.status] += 1
        self.by_class[asked][record.status] += 1
        self.by_class[asked]["images"] += len(record.attempts)
        self.verdicts[asked].update(attempt.verdict for attempt in record.attempts)
        if record.kept:
            self._add_image(record, asked)
        return record

    def _add_image(self, record: Record, asked: str) -> None:
        label = record.label or "unlabelled"
        self.labels[label] += 1
        if label != asked:
            self.moved[asked, label] += 1
        for factor, value in record.apparent.items():
            self.apparent[factor][value] += 1
        for key, value in record.recipe.get("aus", {}).items():
            self.units[key][0] += 1
            self.units[key][1] += value
        if len(self.shown[label]) < _ACROSS:
            self.shown[label].append(str(record.file))
        self.readers |= {reader for reader in (record.label_reader, record.au_reader) if reader}


def write(folder: Path, summary: Summary, made_by: Mapping[str, Any]) -> None:
    """Write the card and its picture into a set.

    Raises:
        RequestError: They cannot be written.
    """
    write_whole(folder / GRID, grid(folder, summary))
    write_whole(folder / CARD, text(summary, made_by).encode())


def grid(folder: Path, summary: Summary) -> bytes:
    """The first images of each class, as JPEG."""
    names = sorted(summary.shown) or ["empty"]
    rows = [[_thumb(folder / file) for file in summary.shown.get(name, [])] for name in names]
    blank = np.full((_THUMB, _THUMB, 3), 255, np.uint8)
    rows = [row or [blank] for row in rows]
    across = [""] * max(map(len, rows))
    return contact_sheet(rows, row_names=names, column_names=across)


def _thumb(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        small = picture.convert("RGB").resize((_THUMB, _THUMB), Image.Resampling.LANCZOS)
    return np.asarray(small)


def text(summary: Summary, made_by: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    parts = (
        _front(summary),
        f"# {summary.plan.spec.title}",
        _what(summary, made_by),
        f"![The first images of each class]({GRID})",
        "## Counts and verdicts",
        _counts(summary),
        _relabelled(summary),
        "## People",
        _people(summary),
        "## Action units asked for",
        _units(summary),
        "## How it was made",
        _how(summary, made_by),
        "## Before you use it",
        _limits(summary),
        "## Licence",
        f"{summary.plan.spec.licence}. The renders that the networks learned from are of "
        "ICT-FaceKit (MIT), see NOTICE of SynFER Studio.",
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(summary: Summary) -> str:
    made = summary.statuses["made"]
    size = next((name for limit, name in _SIZES if made < limit), "n>1M")
    return "\n".join(
        [
            "---",
            f"license: {summary.plan.spec.licence.lower()}",
            f"pretty_name: {summary.plan.spec.title!r}",
            "task_categories: [image-classification]",
            "tags: [synthetic, faces, facial-expression-recognition, action-units]",
            f"size_categories: [{size}]",
            "---",
        ]
    )


def _what(summary: Summary, made_by: Mapping[str, Any]) -> str:
    statuses = summary.statuses
    return (
        f"{statuses['made']:,} synthetic images of faces with known action units, made with SynFER "
        f"Studio {made_by['synfer_studio']} after SynFER (https://arxiv.org/abs/2410.09865). "
        f"{made_by['origin']} Of {sum(statuses.values()):,} samples asked for, "
        f"{statuses['rejected']:,} were left out because no attempt passed the verdict, "
        f"{statuses['duplicate']:,} as near-duplicates, and {statuses['failed']:,} failed."
    )


def _counts(summary: Summary) -> str:
    rows = []
    for name, count in zip(summary.plan.labels, summary.plan.counts.values(), strict=True):
        by, said = summary.by_class[name], summary.verdicts[name]
        accepted = by["made"] + by["duplicate"]
        rate = f"{accepted / by['images']:.1%}" if by["images"] else "-"
        verdicts = [str(said[v]) for v in ("confirmed", "relabelled", "rejected", "unjudged")]
        left_out = [str(by[s]) for s in ("rejected", "duplicate", "failed")]
        rows.append([name, str(count), str(summary.labels[name]), rate, *verdicts, *left_out])
    head = "class | asked for | with this label | accepted of images made | confirmed | relabelled"
    head += " | rejected | unjudged | left out | duplicates | failed"
    return _table(head.split(" | "), rows)


def _relabelled(summary: Summary) -> str:
    if not summary.moved:
        return ""
    moved = ", ".join(f"{a} to {b} {n}" for (a, b), n in sorted(summary.moved.items()))
    return f"Labels replaced: {moved}."


def _people(summary: Summary) -> str:
    balance = summary.plan.spec.people.balance
    rows = [
        [
            factor.replace("_", " "),
            "balanced" if factor in balance else "left to chance",
            ", ".join(f"{value} {n}" for value, n in sorted(summary.apparent[factor].items())),
        ]
        for factor in SHOWN
        if factor in summary.apparent
    ]
    return (
        "Nobody in the set exists. Factors are apparent, what a face suggests, and are those that "
        "were asked for or drawn, not measured on the images.\n\n"
        + _table(["factor", "", "images"], rows)
    )


def _units(summary: Summary) -> str:
    made = max(summary.statuses["made"], 1)
    rows = [
        [key, f"{count / made:.1%}", f"{total / count:.2f}"]
        for key, (count, total) in sorted(summary.units.items(), key=lambda item: _number(item[0]))
    ]
    return _table(["unit", "of the images", "mean intensity there, 0-5"], rows)


def _number(key: str) -> tuple[int, str]:
    return int(key.lstrip("AULR")), key


def _how(summary: Summary, made_by: Mapping[str, Any]) -> str:
    spec = summary.plan.spec
    lines = [
        f"- Backbone `{spec.backbone}`, model SHA-256 `{made_by['model_sha256']}`.",
        f"- All weights that make or read images: `{made_by['maker_sha256']}`; torch "
        f"{made_by['torch']}, {made_by['threads']} thread(s) a worker.",
        f"- Action units: {spec.aus.source}; prompts {'enriched' if spec.enrich else 'as given'}; "
        f"semantic guidance {spec.strength:g} (0 is off).",
        f"- Labels judged by: {spec.verdicts.by}; at most {spec.verdicts.attempts} attempt(s) a "
        f"sample, replaced labels: {spec.verdicts.relabelled}.",
        f"- Near-duplicates: at most {spec.distance} of 256 bits apart."
        if spec.distance is not None
        else "- Near-duplicates were not looked for.",
        *(f"- Reader: {reader}." for reader in sorted(summary.readers)),
        f"- Plan SHA-256 `{summary.plan.sha256}`. `synfer data build recipe.json --out DIR` makes "
        "the set again, `synfer data verify .` compares every file with `manifest.jsonl`.",
    ]
    if spec.aus.file is not None:
        lines.append(
            f"- The table of action units, `{spec.aus.file.name}`, is not part of the set; its "
            f"SHA-256 is `{summary.plan.table_sha256}`. To make the set again, put it beside "
            "`recipe.json`."
        )
    return "\n".join(lines)


def _limits(summary: Summary) -> str:
    judged = summary.plan.spec.verdicts.by != "none" and summary.plan.labels != ("unlabelled",)
    lines = [
        "- The people are renders or learned from renders; a recogniser for photos needs photos.",
        "- A label is the prototype that was asked for, not what a person would say of the face.",
    ]
    if judged:
        lines.append(
            "- Images whose label was doubted were made again or left out, so faces that readers "
            "find hard are rarer here than they were asked for."
        )
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
