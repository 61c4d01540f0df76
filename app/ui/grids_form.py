"""The markup of the tab for grids: its form and its stage. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any, NamedTuple

from app.ui.scene import same_scene_html, scene_html
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, INTENSITY_LETTERS, ActionUnit
from synfer_core.grids.axis import USUAL_INTENSITY, Kind

WHOLE: tuple[Kind, ...] = ("identity_seed", "seed", "steps")
"""Kinds whose values are typed as whole numbers and ranges."""

NUMBERS: tuple[Kind, ...] = (
    *("intensity", "guidance.au", "guidance.text"),
    *("guidance.semantic", "au_scale"),
    *("scene.yaw", "scene.pitch", "scene.roll", "scene.gaze_yaw", "scene.gaze_pitch"),
)
"""Kinds whose values are typed as numbers."""


_DEGREES = "Degrees, of exact 3D faces"
_LEFT = f"{_DEGREES}, towards the subject's left"


class Choice(NamedTuple):
    """A kind of axis on the page: its name, what to know of it, and its first values."""

    title: str
    hint: str
    values: str


CHOICES: Mapping[Kind, Choice] = MappingProxyType(
    {
        "units": Choice("Action units, one at a time", "", "AU1 AU4 AU6 AU9 AU12 AU15"),
        "intensity": Choice("Intensity", "0 is absent, 5 the maximum.", "0, 1, 2, 3, 4, 5"),
        "expression": Choice(
            "Expressions", "As the presets: units and label.", " ".join(EXPRESSIONS)
        ),
        "identity_seed": Choice("People", "Each number is a person.", "1-6"),
        "seed": Choice("Seeds", "Same person, another picture.", "0-5"),
        "guidance.au": Choice("AU guidance", "1 is off; at most 15.", "1, 2, 4, 6, 8"),
        "guidance.text": Choice("Prompt guidance", "1 is off; at most 15.", "1, 1.5, 3, 5, 8"),
        "guidance.semantic": Choice(
            "Semantic guidance",
            "0 is off; at most 10. Needs a label: the other axis's, or the settings' Meant as.",
            "0, 1, 2, 4",
        ),
        "au_scale": Choice("AU scale", "0 is off; at most 2.", "0, 0.5, 1, 1.5, 2"),
        "steps": Choice("Steps", "1 to 100.", "5, 10, 20, 40"),
        "scene.yaw": Choice("Head turned", f"{_LEFT}; at most 40.", "-30, -15, 0, 15, 30"),
        "scene.pitch": Choice("Head raised", f"{_DEGREES}; at most 20.", "-15, 0, 15"),
        "scene.roll": Choice("Head tilted", f"{_DEGREES}; at most 20.", "-15, 0, 15"),
        "scene.gaze_yaw": Choice("Gaze to the side", f"{_LEFT}; at most 25.", "-20, 0, 20"),
        "scene.gaze_pitch": Choice("Gaze upwards", f"{_DEGREES}; at most 20.", "-15, 0, 15"),
    }
)

LAYOUTS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = MappingProxyType(
    {
        "AU by intensity": (
            {"kind": "units", "values": CHOICES["units"].values.split(), "intensity": ""},
            {"kind": "intensity", "unit": "", "values": CHOICES["intensity"].values},
        ),
        "AU by AU": (
            {"kind": "intensity", "unit": "AU12", "values": "0, 1.5, 3, 5"},
            {"kind": "intensity", "unit": "AU4", "values": "0, 1.5, 3, 5"},
        ),
        "Seed by AU": (
            {"kind": "seed", "values": "0-3"},
            {"kind": "units", "values": ["AU4", "AU9", "AU12", "AU26"], "intensity": "4"},
        ),
        "Guidance by AU": (
            {"kind": "guidance.au", "values": CHOICES["guidance.au"].values},
            {"kind": "units", "values": ["AU4", "AU9", "AU12", "AU26"], "intensity": "4"},
        ),
    }
)
"""Rows and columns to start from."""


def form_html() -> str:
    """The form's markup; its script fills it."""
    return f"""
<section class="controls set grid-form" aria-label="What the grid is made of">
  <div class="actions"><button type="button" class="primary" data-act="make"><span>Make the grid
    </span></button><button type="button" data-act="cancel" disabled>Cancel</button></div>
  <p class="count" role="status" aria-live="polite"></p>
  <div class="field"><h3>Start from</h3><div class="chips layouts" role="group"
    aria-label="Start from">{_layouts_html()}</div></div>
  {_axis_html("rows", "Rows")}
  {_axis_html("columns", "Columns")}
  <div class="field base"><h3>All faces share</h3><p class="summary"></p>
    <div class="buttons"><button type="button" class="quiet" data-act="take">Use the studio&rsquo;s
      settings</button><button type="button" class="quiet" data-act="still">Without its action units
      </button></div>
    <p class="hint">Prompt, person, strengths and all else from the Studio tab; the engine stays as
      it is chosen above. Action units in it stay, except for those that rows and columns move.</p>
    <p class="error" data-error-for="base" hidden></p></div>
  {same_scene_html('data-part="same_scene"')}
  {scene_html("grid")}
</section>"""


def _layouts_html() -> str:
    return "".join(
        f'<button type="button" class="chip" data-layout="{escape(json.dumps(axes))}">{name}'
        "</button>"
        for name, axes in LAYOUTS.items()
    )


def _axis_html(place: str, title: str) -> str:
    kinds = "".join(
        f'<option value="{kind}" data-hint="{escape(choice.hint)}" '
        f'data-first="{escape(choice.values)}">{choice.title}</option>'
        for kind, choice in CHOICES.items()
    )
    units = "".join(map(_unit_chip, ACTION_UNITS.values()))
    expressions = "".join(_chip(name, name.capitalize(), "") for name in EXPRESSIONS)
    return f"""<fieldset class="field axis" data-axis="{place}"><legend>{title}</legend>
  <select data-part="kind" aria-label="{title}: what changes">{kinds}</select>
  <div class="pair for" data-for="intensity"><label>Of <select data-part="unit">
    <option value="">the units on the other axis</option>{_unit_options()}</select></label></div>
  <div class="chips for units" data-for="units" role="group" aria-label="{title}: action units"
    >{units}</div>
  <div class="chips for" data-for="expression" role="group" aria-label="{title}: expressions"
    >{expressions}</div>
  <label class="for inline-label" data-for="units">At intensity <select data-part="intensity">
    <option value="">as the other axis says, else {USUAL_INTENSITY:g} (D)</option>
    {_intensity_options()}</select></label>
  <label class="for typed" data-for="{" ".join((*WHOLE, *NUMBERS))}"><span>Values</span>
    <input type="text" data-part="values" autocomplete="off" maxlength="400"></label>
  <p class="hint"></p><p class="why" hidden></p>
  <p class="error" data-error-for="{place}" hidden></p></fieldset>"""


def _chip(value: str, title: str, hint: str) -> str:
    return (
        f'<button type="button" class="chip" data-value="{value}" aria-pressed="false" '
        f'title="{escape(hint)}">{title}</button>'
    )


def _unit_chip(unit: ActionUnit) -> str:
    return (
        f'<button type="button" class="chip" data-value="{unit.key}" aria-pressed="false" '
        f'title="{escape(unit.name)}" aria-label="{unit.number} {escape(unit.name)}">'
        f"{unit.number}</button>"
    )


def _unit_options() -> str:
    units = ACTION_UNITS.values()
    groups = {"Both sides": "", "The subject\u2019s left": "L", "The subject\u2019s right": "R"}
    return "".join(
        f'<optgroup label="{label}">'
        + "".join(
            f'<option value="AU{side}{unit.number}">{unit.number} {escape(unit.name)}</option>'
            for unit in units
            if unit.sided or not side
        )
        + "</optgroup>"
        for label, side in groups.items()
    )


def _intensity_options() -> str:
    return "".join(
        f'<option value="{value:g}">{value:g} ({letter})</option>'
        for letter, value in INTENSITY_LETTERS.items()
    )


def stage_html() -> str:
    """The stage's markup; its script fills the table."""
    return """
<section class="report grid-stage" data-phase="idle" aria-label="The grid">
  <div class="bar-track"><i></i></div>
  <div class="grid-head"><p class="status" role="status" aria-live="polite"></p>
    <button type="button" data-act="sheet" hidden>Download sheet (PNG)</button>
    <button type="button" data-act="asked" hidden>Asked and measured</button>
    <button type="button" data-act="recipes" hidden>Recipes (JSONL)</button></div>
  <div class="cells" hidden><table><thead></thead><tbody></tbody></table></div>
  <p class="hint tip" hidden>Click a face, or press Enter on it, to load its settings into the
    Studio tab. Arrow keys move between faces.</p>
  <p class="hint lone">A grid is one person and one set of words with two things changed: action
    units by intensity, one unit by another, seeds or guidance by units. It shows at a glance what
    each of them does.</p>
</section>"""
