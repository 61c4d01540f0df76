"""The data sheet of a data set: what is in it, what was left out and why, what it is not for.

It asks the questions of Gebru et al., Datasheets for Datasets, Communications of the ACM 2021
(https://doi.org/10.1145/3458723), in short.
"""

from __future__ import annotations

from collections.abc import Mapping

from synfer_core.facs import EXPRESSIONS
from synfer_core.fetext.config import Config
from synfer_core.fetext.gate import REASONS, Gate, describe
from synfer_core.fetext.layouts import LAYOUTS
from synfer_core.fetext.shards import COLUMNS
from synfer_core.fetext.tally import Tally

NOT_FOR = """- To identify anybody, or to find out who is in a picture.
- To judge real people: what they feel, whether they tell the truth, what they are like, whether
  they are fit for a job or healthy. An expression is not a feeling, and a label is not a fact.
- Where the law or the source's terms forbid it: reading emotions at work and in schools is
  prohibited in the European Union (Regulation 2024/1689, article 5), and most sources allow
  research only.
- As ground truth of action units. They were measured by the programs named above, not coded by
  certified FACS coders."""


def datasheet(config: Config, tally: Tally) -> str:
    """The data sheet, as Markdown; the same configuration and shards give the same text."""
    options = config.options
    parts = {
        "Composition": _composition(config, tally),
        "Where the images come from": _origin(config),
        "Labels": _labels(config, tally),
        "What was done to the images": _processing(config, tally),
        "What was left out": _left_out(config, tally),
        "Models": _models(config),
        "Licence": options.licence or "Not stated. The terms of the source hold.",
        "What it must not be used for": NOT_FOR,
        "Columns": _table({_code(k): what for k, what in COLUMNS.items()}, "column", "what"),
        "Files": _table({_code(k): _code(v) for k, v in tally.files.items()}, "file", "SHA-256"),
        "Made with": _table(config.versions, "library", "version"),
    }
    body = "\n".join(f"\n## {title}\n\n{text}" for title, text in parts.items())
    return f"# Data sheet: {options.title or config.source['name']}\n{body}\n"


def _composition(config: Config, tally: Tally) -> str:
    size = config.options.size
    found = tally.of("expression")
    order = [name for name in (*EXPRESSIONS, "no label") if name in found]
    people = (
        "How many people they show is not known; one person may appear several times, also "
        "across splits where the source does not part them."
    )
    return (
        f"{tally.records:,} faces of {size} x {size} pixels with captions and action units, from "
        f"{tally.images:,} images. {people}\n\n"
        + _table({name: f"{found[name]:,}" for name in order}, "expression", "records")
        + "\n\n"
        + _table({k: f"{n:,}" for k, n in tally.of("split").items()}, "split", "records")
    )


def _origin(config: Config) -> str:
    source, layout = config.source, LAYOUTS[config.source["layout"]]
    part = f", the split {source['split']}" if source["split"] else ""
    first = f", the first {source['limit']:,} images" if source["limit"] else ""
    return (
        f"{layout.title[0].upper()}{layout.title[1:]} (`{source['name']}`{part}{first}); listing "
        f"of {source['count']:,} images with SHA-256 `{source['listing_sha256']}`. {layout.terms}"
    ).rstrip()


def _labels(config: Config, tally: Tally) -> str:
    layout = LAYOUTS[config.source["layout"]]
    return (
        f"Expressions came with the source: {layout.labels} No label was added or changed.\n\n"
        + _table(_counts(tally, "au_source"), "action units by", "records")
        + "\n\n"
        + _table(_counts(tally, "caption_by"), "captions by", "records")
    )


def _processing(config: Config, tally: Tally) -> str:
    return (
        "Faces were found by MediaPipe, rotated until the eyes are level, and scaled and shifted "
        f"to one place; images are WebP of quality {config.options.quality}. Faces with fewer "
        "pixels than that were enlarged: "
        + ", ".join(f"{name} {n:,}" for name, n in tally.of("upscaler").items())
        + ". An enlarged face shows no more than its photo did; what a super-resolution model "
        "adds is a guess."
    )


def _left_out(config: Config, tally: Tally) -> str:
    rules = describe(Gate(**config.gate))
    rows = {name: f"{n:,} | {rules.get(name, REASONS[name])}" for name, n in tally.reasons.items()}
    if not rows:
        return "Nothing."
    told = f"{tally.rejected:,} of {tally.images:,} images; `rejected.jsonl` lists each.\n\n"
    return told + _table(dict(sorted(rows.items())), "reason", "images | rule")


def _models(config: Config) -> str:
    rows = {
        role: f"{model['name']} | {_code(model['sha256']) or 'no weights'}"
        for role, model in config.models.items()
    }
    return _table(rows, "role", "model | SHA-256 of the weights")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _counts(tally: Tally, kind: str) -> dict[str, str]:
    return {name: f"{n:,}" for name, n in tally.of(kind).items()}


def _table(rows: Mapping[str, str], first: str, others: str) -> str:
    columns = 2 + others.count("|")
    lines = [f"| {first} | {others} |", f"|{' --- |' * columns}"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])
