"""The panel that says what the face does: presets, FACS string, AU sliders by face region."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

from synfer_core.errors import SynferError
from synfer_core.facs import (
    ACTION_UNITS,
    EXPRESSIONS,
    PROTOTYPES,
    ActionUnit,
    format_facs,
    parse_facs,
    validate_aus,
)

REGIONS = {
    "brow": "Brows",
    "eye": "Eyes",
    "nose": "Nose",
    "cheek": "Cheeks",
    "mouth": "Mouth",
    "jaw": "Jaw",
}

# Brow tilt, brow height, eye opening, mouth curve, mouth opening of each preset's pictogram.
_GLYPHS = {
    "neutral": (0.0, 0.0, 1.6, 0.0, 0.0),
    "happiness": (0.0, -0.5, 1.2, 3.2, 1.8),
    "sadness": (-1.8, -0.2, 1.4, -2.4, 0.0),
    "surprise": (0.0, -2.0, 2.3, 0.0, 3.0),
    "fear": (-1.6, -1.4, 2.3, -1.0, 1.8),
    "disgust": (1.2, 1.0, 1.0, -1.6, 0.8),
    "anger": (2.2, 1.0, 1.4, -1.4, 0.0),
    "contempt": (0.6, 0.0, 1.4, 0.0, 0.0),
}


def panel_html(expression: str) -> str:
    """The panel's markup with one preset set."""
    facs = escape(format_facs(PROTOTYPES[expression]))
    regions = "".join(_region_html(key, title) for key, title in REGIONS.items())
    return f"""
<section class="panel" aria-label="What the face does">
  <h2>Expression</h2>
  <div class="presets" role="group" aria-label="Start from a preset">{_presets_html()}</div>
  <div class="field" data-field="facs">
    <label for="facs">FACS string</label>
    <div class="inline"><input id="facs" type="text" value="{facs}" spellcheck="false"
      autocomplete="off" placeholder="neutral" aria-describedby="facs-error">
      <button type="button" class="quiet" data-act="clear">Clear</button></div>
    <p class="error" id="facs-error" data-error-for="facs" hidden></p>
  </div>
  <div class="field" data-field="expression">
    <label for="target">Meant as</label>
    <select id="target">{target_options()}</select>
    <p class="hint">The label the face is meant to get. It joins the words and is compared with
      what is read off the image; it moves no slider.</p>
    <p class="error" data-error-for="expression" hidden></p>
  </div>
  <p class="error" data-error-for="aus" hidden></p>
  <p class="why units-why" hidden></p>
  <div class="regions">{regions}</div>
</section>"""


def read_facs(text: str) -> dict[str, object]:
    """The FACS box for the page: ``{"aus": ...}``, or ``{"error": ...}`` to show beside it."""
    try:
        return {"aus": parse_facs(str(text))}
    except SynferError as error:
        return {"error": error.to_dict()}


def write_facs(aus: object) -> str:
    """The sliders as a FACS string; empty where they are not valid."""
    try:
        return format_facs(validate_aus(aus)) if isinstance(aus, Mapping) else ""
    except SynferError:
        return ""


def glyph_svg(expression: str) -> str:
    """A small line face for a preset's button."""
    tilt, lift, eye, curve, gap = _GLYPHS[expression]
    brow = 8.2 + lift
    left = f"M6.6 {brow - tilt / 2:.1f}L10.4 {brow + tilt / 2:.1f}"
    right = f"M13.6 {brow + tilt / 2:.1f}L17.4 {brow - tilt / 2:.1f}"
    mouth = f"M8 17Q12 {17 + curve:.1f} 16 17" + (
        f"Q12 {17 + curve + 2 * gap:.1f} 8 17" * (gap > 0)
    )
    if expression == "contempt":
        mouth = "M8.4 15.4Q9.4 17 12 17L16 17"
    return (
        '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.2"/>'
        f'<path d="{left}{right}{mouth}"/>'
        f'<ellipse cx="8.6" cy="11.6" rx="1" ry="{eye / 1.6:.1f}" class="dot"/>'
        f'<ellipse cx="15.4" cy="11.6" rx="1" ry="{eye / 1.6:.1f}" class="dot"/></svg>'
    )


def _presets_html() -> str:
    return "".join(
        f'<button type="button" class="preset" data-expression="{name}" aria-pressed="false" '
        f"data-aus='{json.dumps(dict(PROTOTYPES[name]))}' "
        f'title="{escape(format_facs(PROTOTYPES[name]) or "all sliders at zero")}">'
        f"{glyph_svg(name)}<span>{name.capitalize()}</span></button>"
        for name in EXPRESSIONS
    )


def target_options() -> str:
    """The expressions to choose from, and none."""
    named = "".join(f'<option value="{n}">{n.capitalize()}</option>' for n in EXPRESSIONS)
    return f'<option value="">No label</option>{named}'


def _region_html(region: str, title: str) -> str:
    rows = "".join(_unit_html(unit) for unit in ACTION_UNITS.values() if unit.region == region)
    return (
        f'<details class="region" data-region="{region}" open>'
        f'<summary>{title}<span class="count" aria-label="in use"></span></summary>{rows}</details>'
    )


def _unit_html(unit: ActionUnit) -> str:
    name = unit.name.capitalize()
    tracks = _track_html(unit.key, name, "")
    split = ""
    if unit.sided:
        # The image's left comes first, and that is the subject's right.
        tracks += _track_html(f"AUR{unit.number}", f"{name}, right side", "R", hidden=True)
        tracks += _track_html(f"AUL{unit.number}", f"{name}, left side", "L", hidden=True)
        split = (
            '<button type="button" class="split" aria-pressed="false" '
            f'aria-label="{name}: set the sides apart" title="Set the sides apart. '
            "L and R are the subject's own: L is on the right of the image.\">L R</button>"
        )
    return (
        f'<div class="au" data-unit="{unit.number}" data-name="{escape(name)}">'
        f'<div class="au-head"><span class="au-number">{unit.number}</span>'
        f'<span class="au-name">{escape(name)}</span>{split}</div>{tracks}'
        f'<p class="au-help">{escape(unit.help.capitalize())}.</p>'
        f'<p class="error" data-error-for="aus.{unit.key} aus.AUL{unit.number} '
        f'aus.AUR{unit.number}" hidden></p></div>'
    )


def _track_html(key: str, label: str, side: str, *, hidden: bool = False) -> str:
    return (
        f'<div class="track" data-key="{key}" {"hidden" if hidden else ""}>'
        + (f'<span class="side">{side}</span>' if side else "")
        + f'<input type="range" min="0" max="5" step="0.1" value="0" aria-label="{escape(label)}" '
        'aria-valuetext="0, absent"><output>0.0<b></b></output></div>'
    )
