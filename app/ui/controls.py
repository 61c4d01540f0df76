"""The form beneath the face: words, person, chance, strengths, backbone, and loading a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from app.schemas import reasons, unsupported_fields
from app.ui.history import undo_html
from app.ui.references import thumbs
from app.ui.sections import details_html, edit_html, guide_html, portrait_html
from synfer_core.facs import ACTION_UNITS
from synfer_core.models.backbone import Capabilities
from synfer_core.provenance.marking import Marking
from synfer_core.request import MAX_TEXT, USUAL_STRENGTH

_MARKED = Marking()
LANGUAGES = {"en": "English"}
SAMPLERS = {"ddim": "DDIM", "dpm++": "DPM-Solver++"}

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
    "guidance.semantic": "has no classifier to follow",
    "semantic": "has no classifier to follow",
    "reference": "edits no faces",
    "inversion_depth": "edits no faces",
    "keep": "holds nothing in an edit",
}


class Strength(NamedTuple):
    """One slider of the fine control."""

    field: str
    title: str
    help: str
    low: float
    high: float
    step: float


STRENGTHS = (
    Strength("guidance.text", "Prompt guidance", "How hard the words pull; 1 is off.", 1, 15, 0.1),
    Strength("guidance.au", "AU guidance", "How hard the sliders pull; 1 is off.", 1, 15, 0.1),
    Strength("au_scale", "AU scale", "How much of the sliders gets in; 0 is off.", 0, 2, 0.05),
    Strength("steps", "Steps", "More steps take longer and add detail.", 1, 100, 1),
)

REACH = Strength(
    "guidance.semantic",
    "Strength",
    f"How far each step goes; 0 is off, {USUAL_STRENGTH:g} is usual. Too much paints the "
    "expression over the person.",
    0,
    10,
    0.1,
)

LIKENESS = Strength(
    "identity_scale",
    "Likeness",
    "How much the picture counts beside the words; more copies its expression and light too.",
    *(0, 2, 0.05),
)

EDITS = (
    Strength(
        "inversion_depth",
        "Depth",
        "How far back to noise the face goes: deeper changes more and keeps less.",
        *(0.1, 1, 0.05),
    ),
    Strength(
        "keep",
        "Hold the rest",
        "How firmly all stays that the sliders do not move; 0 lets it change.",
        *(0, 1, 0.05),
    ),
)


def controls_html(
    backbones: Mapping[str, Capabilities],
    values: Mapping[str, Any],
    marking: Marking = _MARKED,
    *,
    live: bool = True,
) -> str:
    """The form's markup.

    Args:
        backbones: What there is to choose from.
        values: Fill the fields where there is no script yet.
        marking: What the two boxes on marks start with.
        live: Whether the server follows sliders with drafts.
    """
    return f"""
<section class="controls" aria-label="Words, person and fine control">
  <div class="actions">
    <button type="button" class="primary" data-act="generate"><span>Generate</span><kbd>Ctrl ↵</kbd>
    </button>
    <button type="button" data-act="cancel" disabled>Cancel<kbd>Esc</kbd></button>
    {_LIVE if live else ""}
    {undo_html()}
  </div>
  {_words_html("text", "Prompt", "Who it is, and what the picture looks like", values, _ENRICH)}
  {details_html(values)}
  <div class="pair">{_seed_html("identity_seed", "Person", _PERSON_HELP)}
    {_seed_html("seed", "Seed", _SEED_HELP)}</div>
  {portrait_html(_strength_html(LIKENESS), backbones)}
  <div class="carried" hidden></div>
  {guide_html(_strength_html(REACH), backbones)}
  {edit_html("".join(_strength_html(s) for s in EDITS), thumbs())}
  <details class="fine"><summary>Fine control</summary>
    {_words_html("negative_text", "Negative prompt", "What the picture should not show", values)}
    <div class="strengths">{"".join(_strength_html(s) for s in STRENGTHS)}</div>
    <div class="pair">{_sampler_html()}{_backbone_html(backbones)}</div>
    {_marking_html(marking)}
  </details>
  <div class="load"><button type="button" class="quiet" data-act="load">Load a recipe…</button>
    <span class="hint">or drop a recipe (JSON), or a PNG made here, anywhere on the page</span>
    <input type="file" accept=".json,.png,application/json,image/png" hidden aria-label="Recipe">
    <p class="error" data-error-for="recipe version weights_sha256" hidden></p></div>
</section>"""


def backbone_facts(backbone: Capabilities) -> dict[str, Any]:
    """What the page's scripts must know of a backbone, reasons for greyed-out controls included."""
    why, fields = _WHY | reasons(backbone), sorted(unsupported_fields(backbone))
    units = [unit for unit in ACTION_UNITS.values() if backbone.moves(unit.key)]
    sided = [u for u in units if u.sided and backbone.moves(f"AUL{u.number}")]
    return {
        "name": backbone.name,
        "title": backbone.title,
        "units": [str(unit.number) for unit in units],
        "drafts": backbone.drafts,
        "sides": [str(unit.number) for unit in sided],
        "cannot": {field: f"{backbone.title} {why[field]}." for field in fields if field in why},
        "units_why": _units_why(backbone, len(units)),
        "sides_why": f"{backbone.title} {backbone.reasons.get('sides', 'has no sides here')}.",
        "declares": declared(backbone),
    }


_LIVE = (
    '<button type="button" class="switch" role="switch" aria-checked="true" data-act="live" '
    'title="Moving a slider shows a quick draft; letting go makes the face in full"><i></i>Live'
    "</button>"
)


def _units_why(backbone: Capabilities, count: int) -> str:
    """Why sliders are greyed out, in one sentence; empty where none is."""
    if count == len(ACTION_UNITS):
        return ""
    if count == 0:
        return f"{backbone.title} {backbone.reasons.get('aus', 'moves no action units')}."
    total = len(ACTION_UNITS)
    return f"{backbone.title} moves {count} of the {total} action units; the others are greyed out."


def declared(backbone: Capabilities) -> str:
    """What a backbone declares, in one line: size, units and their range, person, languages."""
    units = sum(backbone.moves(unit.key) for unit in ACTION_UNITS.values())
    low, high = backbone.au_range
    parts = [f"{backbone.image_size} px"]
    parts.append(f"{units} action units, {low:g} to {high:g}" if units else "no action units")
    pictured = "keeps the person of a picture" if backbone.identity_image else "keeps no person"
    parts.append("keeps a person" if backbone.identity else pictured)
    reads = ", ".join(LANGUAGES.get(code, code) for code in backbone.languages)
    parts.append(f"reads {reads}" if backbone.text and reads else "reads no words")
    return " · ".join(parts)


_PERSON_HELP = "The same number is the same person in every expression. Empty: anyone."
_SEED_HELP = "The same number gives the same picture again."


_ENRICH = (
    '<button type="button" class="quiet" data-act="enrich" title="Put what the face does into '
    'words, from the sliders and Meant as">Write in detail</button>'
)


def _words_html(
    field: str, title: str, help_text: str, values: Mapping[str, Any], button: str = ""
) -> str:
    return f"""<div class="field" data-field="{field}">
  <div class="head"><label for="{field}">{title}</label>{button}</div>
  <textarea id="{field}" rows="2" maxlength="{MAX_TEXT}"
    placeholder="{help_text}">{escape(str(values[field]))}</textarea>
  <p class="why" hidden></p><p class="error" data-error-for="{field}" hidden></p></div>"""


def _seed_html(field: str, title: str, help_text: str) -> str:
    return f"""<div class="field" data-field="{field}"><label for="{field}">{title}</label>
  <div class="inline"><input id="{field}" type="text" inputmode="numeric" autocomplete="off"
      maxlength="19" title="{help_text}">
    <button type="button" class="icon" data-dice="{field}" title="Draw another"
      aria-label="{title}: draw another">{_DICE}</button>
    <button type="button" class="icon lock" data-lock="{field}" aria-pressed="true"
      title="Kept from one face to the next; open the lock to draw anew each time"
      aria-label="{title}: keep from one face to the next">{_LOCK}</button></div>
  <p class="hint">{help_text}</p>
  <p class="why" hidden></p><p class="error" data-error-for="{field}" hidden></p></div>"""


def _strength_html(strength: Strength) -> str:
    name = strength.field.replace(".", "-")
    return f"""<div class="field strength" data-field="{strength.field}">
  <label for="{name}">{strength.title}</label><output for="{name}"></output>
  <input id="{name}" type="range" min="{strength.low:g}" max="{strength.high:g}"
    step="{strength.step:g}" data-strength="{strength.field}">
  <p class="hint">{strength.help}</p>
  <p class="why" hidden></p><p class="error" data-error-for="{strength.field}" hidden></p></div>"""


def _sampler_html() -> str:
    options = "".join(f'<option value="{key}">{title}</option>' for key, title in SAMPLERS.items())
    return f"""<div class="field" data-field="scheduler"><label for="scheduler">Sampler</label>
  <select id="scheduler">{options}</select>
  <p class="why" hidden></p><p class="error" data-error-for="scheduler" hidden></p></div>"""


def _backbone_html(backbones: Mapping[str, Capabilities]) -> str:
    """The choice of backbone, out of sight where there is none."""
    facts = {
        name: escape(json.dumps(backbone_facts(backbone), ensure_ascii=False))
        for name, backbone in backbones.items()
    }
    options = "".join(
        f'<option value="{name}" data-facts="{facts[name]}" '
        f'data-note="{escape(backbone.note)}">{escape(backbone.title)}</option>'
        for name, backbone in backbones.items()
    )
    hidden = "hidden" if len(backbones) < 2 else ""
    return f"""<div class="field" data-field="backbone" {hidden}>
  <label for="backbone">Made by</label><select id="backbone">{options}</select>
  <p class="hint" data-note></p><p class="hint" data-declares></p>
  <p class="error" data-error-for="backbone" hidden></p></div>"""


def _marking_html(marking: Marking) -> str:
    watermark, label = ("checked" * on for on in (marking.watermark, marking.label))
    return f"""<label class="check"><input type="checkbox" id="watermark" {watermark}> Put an
      invisible watermark into the picture; without it, its pixels stay as they were made</label>
    <label class="check"><input type="checkbox" id="visible-label" {label}> Write into a corner that
      the picture is not a photo</label>"""


_DICE = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><rect x="4" y="4" width="16" height="16" rx="3"/>'
    '<circle cx="9" cy="9" r="1.2" class="dot"/><circle cx="15" cy="15" r="1.2" class="dot"/>'
    '<circle cx="15" cy="9" r="1.2" class="dot"/><circle cx="9" cy="15" r="1.2" class="dot"/></svg>'
)
_LOCK = (
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<rect x="5.5" y="11" width="13" height="8.5" rx="2"/>'
    '<path class="shut" d="M8.5 11V8a3.5 3.5 0 0 1 7 0v3"/>'
    '<path class="open" d="M8.5 11V7a3.5 3.5 0 0 1 6.6-1.6"/></svg>'
)
