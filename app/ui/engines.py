"""What makes the faces of a tab: one choice of engine and size at its top.

Each engine says what it is good for and how long it takes for what the tab is about to make; the
script knows the latter from what images took here (`app.paces`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import gradio as gr

from app.paces import SIZES
from app.schemas import reasons, unsupported_fields
from synfer_core.facs import ACTION_UNITS
from synfer_core.models.backbone import Capabilities

EXACT, DIFFUSION = "facekit", "builtin"
USUAL_SIZE = 512
"""Pixels on a side that an engine of many sizes starts with."""

LANGUAGES = {"en": "English"}

_WHY = {
    "text": "reads no words",
    "enriched_text": "reads no words",
    "negative_text": "reads no words",
    "identity_seed": "has no identities",
    "identity_image": "keeps no person of a picture",
    "identity_scale": "keeps no person of a picture",
    "guidance": "has no guidance",
    "au_scale": "has no adapter to scale",
    "steps": "works in one go",
    "scheduler": "works in one go",
    "variation": "always starts in the same way",
    "guidance.semantic": "has no classifier to follow",
    "semantic": "has no classifier to follow",
    "reference": "edits no faces",
    "inversion_depth": "edits no faces",
    "keep": "holds nothing in an edit",
    "scene": "takes no scene",
}


def usual(backbones: Mapping[str, Capabilities], first: str) -> dict[str, Any]:
    """The engine and size that a tab starts with, as recipe fields.

    Args:
        backbones: What there is.
        first: The engine wanted; another takes its place where it is not there.
    """
    engine = backbones.get(first) or next(iter(backbones.values()))
    return {"backbone": engine.name, "size": usual_size(engine)}


def usual_size(engine: Capabilities) -> int | None:
    """The size that an engine starts with; None is its own."""
    return USUAL_SIZE if engine.makes(USUAL_SIZE) and engine.sizes else None


def part(
    place: str,
    backbones: Mapping[str, Capabilities],
    first: str,
    make: Callable[..., gr.HTML],
    unable: Mapping[str, str] | None = None,
) -> None:
    """Put the choice onto the page.

    Args:
        place: Names it to the scripts of its tab.
        backbones: What there is to choose from.
        first: The engine chosen at first.
        make: Makes a part of the page from script, markup and value.
        unable: By engine, why it cannot do what the tab does.
    """
    make("engines", engines_html(place, backbones, first, unable), None, place)


def engines_html(
    place: str,
    backbones: Mapping[str, Capabilities],
    first: str,
    unable: Mapping[str, str] | None = None,
) -> str:
    """The choice's markup.

    Args:
        place: Names it to the scripts of its tab.
        backbones: What there is to choose from.
        first: The engine chosen at first.
        unable: By engine, why it cannot do what the tab does.
    """
    why = unable or {}
    chosen = usual(backbones, first)["backbone"]
    cards = "".join(
        _card_html(place, backbones[name], name == chosen, why.get(name, ""))
        for name in _in_order(backbones)
    )
    return f"""
<section class="engines" data-place="{place}" aria-label="Engine and size">
  <fieldset class="choice"><legend>Made with</legend><div class="cards">{cards}</div></fieldset>
  <fieldset class="sizes"><legend>Size in pixels</legend><div class="segments">{_sizes_html(place)}
    </div></fieldset>
  <p class="error" data-error-for="{_ERRORS}" hidden></p>
</section>"""


_ERRORS = (
    "backbone size recipe.backbone recipe.size base.backbone base.size data.backbone "
    "data.recipe.size"
)


def _in_order(backbones: Mapping[str, Capabilities]) -> list[str]:
    """Names as they stand on the page: the exact renderer first, then as they were added."""
    return sorted(backbones, key=lambda name: name != EXACT)


def _card_html(place: str, engine: Capabilities, chosen: bool, why: str) -> str:
    name, _, beside = engine.title.partition(" (")
    facts = escape(json.dumps(engine_facts(engine), ensure_ascii=False))
    off = "disabled" if why else ""
    return f"""<label class="engine" title="{escape(engine.note)} {escape(declared(engine))}">
  <input type="radio" name="{place}-engine" value="{engine.name}" data-facts="{facts}"
    {"checked" if chosen else ""} {off}>
  <span class="what"><b>{escape(name)}</b> <small>{escape(beside.removesuffix(")"))}</small></span>
  <span class="time" aria-live="polite"></span>
  <span class="good">{escape(engine.good_for)}</span>
  <span class="why" {"" if why else "hidden"}>{escape(why)}</span></label>"""


def _sizes_html(place: str) -> str:
    return "".join(
        f'<label><input type="radio" name="{place}-size" value="{size}"><span>{size}</span></label>'
        for size in SIZES
    )


def engine_facts(engine: Capabilities) -> dict[str, Any]:
    """What the page's scripts must know of an engine, reasons for greyed-out controls included."""
    why, fields = _WHY | reasons(engine), sorted(unsupported_fields(engine))
    units = [unit for unit in ACTION_UNITS.values() if engine.moves(unit.key)]
    sided = [u for u in units if u.sided and engine.moves(f"AUL{u.number}")]
    return {
        "name": engine.name,
        "title": engine.title,
        "units": [str(unit.number) for unit in units],
        "drafts": engine.drafts,
        "sides": [str(unit.number) for unit in sided],
        "cannot": {field: f"{engine.title} {why[field]}." for field in fields if field in why},
        "units_why": _units_why(engine, len(units)),
        "sides_why": f"{engine.title} {engine.reasons.get('sides', 'has no sides here')}.",
        "declares": f"{engine.title}: {declared(engine)}. {engine.note}",
        "guidance": {"text": engine.guidance_text, "au": engine.guidance_au},
        "own_size": engine.image_size,
        "usual_size": usual_size(engine) or engine.image_size,
        "sizes": list(engine.size_range),
    }


def _units_why(engine: Capabilities, count: int) -> str:
    """Why sliders are greyed out, in one sentence; empty where none is."""
    if count == len(ACTION_UNITS):
        return ""
    if count == 0:
        return f"{engine.title} {engine.reasons.get('aus', 'moves no action units')}."
    total = len(ACTION_UNITS)
    return f"{engine.title} moves {count} of the {total} action units; the others are greyed out."


def declared(engine: Capabilities) -> str:
    """What an engine declares, in one line: size, units and their range, person, languages."""
    units = sum(engine.moves(unit.key) for unit in ACTION_UNITS.values())
    low, high = engine.au_range
    least, most = engine.size_range
    parts = [f"{least} px" if least == most else f"{least} to {most} px"]
    parts.append(f"{units} action units, {low:g} to {high:g}" if units else "no action units")
    pictured = "keeps the person of a picture" if engine.identity_image else "keeps no person"
    parts.append("keeps a person" if engine.identity else pictured)
    reads = ", ".join(LANGUAGES.get(code, code) for code in engine.languages)
    parts.append(f"reads {reads}" if engine.text and reads else "reads no words")
    return " · ".join(parts)
