"""The scene of exact faces as controls: pose, gaze, light, background, framing, hair, glasses.

One markup and one script (``scene.js``) serve every tab that has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from synfer_core.request import (
    BACKGROUND_KINDS,
    SCENE_LIMITS,
    TRANSPARENT,
    Glasses,
    LightKind,
    SceneOptions,
)

ANGLES = {
    "yaw": ("Head turned", "To the subject's left, which is the picture's right."),
    "pitch": ("Head raised", "Upwards."),
    "roll": ("Head tilted", "To the side."),
    "gaze_yaw": ("Gaze to the side", "0 looks into the camera, with the head turned too."),
    "gaze_pitch": ("Gaze upwards", "0 looks into the camera."),
}
"""Titles and hints of the numbers, degrees."""
FRONTAL: Mapping[str, Any] = {
    **dict.fromkeys(("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch"), 0.0),
    "light": "overcast",
    "background": "#c4c4c4",
}
"""What stimulus sets start with: face and gaze to the camera, soft even light, grey behind."""
COLOUR = "colour"
"""What the choice of background calls a plain colour; the colour itself stands beside it."""
_FRAMINGS = {"face": "Face", "head": "Whole head", "eyes": "Face, eyes in place"}
_DRAWN = "As drawn"
_PERSON = "As the person is"
_ON = {"true": "On", "false": "Off"}
_OWNERS = ("", "recipe.", "base.", "data.recipe.")
"""What the errors of the forms that have the controls put before a field's name."""


def scene_html(place: str, *, whole: bool = True) -> str:
    """The folded controls; hidden until an engine that takes a scene is chosen.

    Args:
        place: The choice of engine that they follow, see `engines.part`.
        whole: Offer a transparent background too.
    """
    kinds = {COLOUR: "A plain colour", **{kind: kind.capitalize() for kind in BACKGROUND_KINDS}}
    kinds |= {TRANSPARENT: "Transparent"} if whole else {}
    angles = "".join(_angle_html(place, name) for name in ANGLES)
    return f"""<details class="fine scene" data-place="{place}" hidden>
  <summary>Scene<span class="state"></span></summary>
  <p class="hint lead">Of exact 3D faces. What is not set here stays as the seed draws it.</p>
  <div class="strengths">{angles}</div>
  <div class="pair">{_choice_html(place, "light", "Light", _named(get_args(LightKind)))}
    {_choice_html(place, "light_side", "Light from", _SIDES)}</div>
  <div class="pair">{_choice_html(place, "background", "Background", kinds)}
    <div class="field ground" hidden><label for="{place}-scene-colour">Colour</label>
      <input type="color" id="{place}-scene-colour" value="#808080"></div></div>
  <div class="pair">{_choice_html(place, "framing", "Framing", _FRAMINGS)}
    {_choice_html(place, "glasses", "Glasses", _named(get_args(Glasses)), _PERSON)}</div>
  <div class="pair">{_choice_html(place, "hair", "Hair", _ON, _PERSON)}
    {_choice_html(place, "beard", "Beard", _ON, _PERSON)}</div>
  <p class="error" data-error-for="{_errors()}" hidden></p>
  <button type="button" class="quiet" data-undraw="all">All as the seed draws</button>
</details>"""


def same_scene_html(named: str) -> str:
    """The box that gives all people one scene.

    Args:
        named: The attribute by which the form's script knows it.
    """
    return f"""<label class="check"><input type="checkbox" {named} checked> The same scene for
    everyone: pose, gaze, light, background and clothes</label>"""


_SIDES = {"left": "The subject's left", "right": "The subject's right"}


def _named(values: tuple[str, ...]) -> dict[str, str]:
    return {value: value.capitalize() for value in values}


def _errors() -> str:
    names = ("scene", *(f"scene.{name}" for name in SceneOptions.model_fields))
    return " ".join(owner + name for owner in _OWNERS for name in names)


def _angle_html(place: str, name: str) -> str:
    title, hint = ANGLES[name]
    limit, known = SCENE_LIMITS[name], f"{place}-scene-{name}"
    return f"""<div class="field strength"><label for="{known}">{title}</label>
  <output for="{known}"></output>
  <input id="{known}" type="range" min="{-limit:g}" max="{limit:g}" step="1" value="0"
    data-scene="{name}" data-given="false">
  <p class="hint">{hint} <button type="button" class="quiet" data-undraw="{name}" hidden
    aria-label="{title}: as the seed draws">As drawn</button></p></div>"""


def _choice_html(
    place: str, name: str, title: str, options: Mapping[str, str], none: str = _DRAWN
) -> str:
    known = f"{place}-scene-{name}"
    items = "".join(f'<option value="{key}">{text}</option>' for key, text in options.items())
    return f"""<div class="field"><label for="{known}">{title}</label>
  <select id="{known}" data-scene="{name}"><option value="">{none}</option>{items}</select></div>"""
