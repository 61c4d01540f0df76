"""The form beneath the face: words, person, chance, strengths, and loading a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from app.ui.history import undo_html
from app.ui.references import thumbs
from app.ui.scene import scene_html
from app.ui.sections import details_html, edit_html, guide_html, portrait_html
from synfer_core.models.backbone import Capabilities
from synfer_core.provenance.marking import Marking
from synfer_core.request import MAX_TEXT, USUAL_STRENGTH

_MARKED = Marking()
_UNWANTED = "What the picture should not show; needs prompt guidance above 1"
SAMPLERS = {"ddim": "DDIM", "dpm++": "DPM-Solver++"}


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
    Strength(
        "variation",
        "Variation",
        "How much the seed changes of what sliders and words leave open; 0 is the likeliest face.",
        *(0, 1, 0.05),
    ),
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
  {scene_html("studio")}
  {edit_html("".join(_strength_html(s) for s in EDITS), thumbs())}
  <details class="fine"><summary>Fine control</summary>
    <p class="hint lead" data-declares></p>
    {_words_html("negative_text", "Negative prompt", _UNWANTED, values)}
    <div class="strengths">{"".join(_strength_html(s) for s in STRENGTHS)}</div>
    {_sampler_html()}
    {_marking_html(marking)}
  </details>
  <div class="load"><button type="button" class="quiet" data-act="load">Load a recipe…</button>
    <span class="hint">or drop a recipe (JSON), or a PNG made here, anywhere on the page</span>
    <input type="file" accept=".json,.png,application/json,image/png" hidden aria-label="Recipe">
    <p class="error" data-error-for="recipe version weights_sha256" hidden></p></div>
</section>"""


_LIVE = (
    '<button type="button" class="switch" role="switch" aria-checked="true" data-act="live" '
    'title="Moving a slider shows a quick draft; letting go makes the face in full"><i></i>Live'
    "</button>"
)


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
