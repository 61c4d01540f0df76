"""The markup of the tab for morph continua: its form and its stage. Pure functions."""

from __future__ import annotations

from app.ui.fields import Fields
from app.ui.scene import scene_html

_FIELDS = Fields("morph")

TIMES = {
    "onset": ("Onset", "when it starts to move"),
    "apex": ("Apex", "when it is as strong as it gets"),
    "offset": ("Offset", "when it starts to fade"),
    "end": ("End", "when it is back"),
}
"""Field of a curve: its name on the page, and what it is."""

COURSES = {"rise": "Neutral to apex", "whole": "To the apex and back"}
EASINGS = {"linear": "Steady", "smooth": "Slow at both ends"}


def form_html(most: int) -> str:
    """The form's markup; its script fills it and makes a row for each unit.

    Args:
        most: Frames that may be asked for.
    """
    return f"""
<section class="controls morph" aria-label="What the continuum is made of">
  <div class="actions"><button type="button" class="primary" data-act="make">
    <span>Make the continuum</span></button>
    <button type="button" data-act="cancel" disabled>Cancel</button></div>
  <div class="field"><div class="head"><h2>From neutral to</h2>
    <button type="button" class="quiet" data-act="take">Take the face from Studio</button></div>
    <p class="apex"></p><p class="hint about"></p><p class="hint left"></p>
    <p class="error" data-error-for="apex recipe" hidden></p></div>
  <div class="trio">
    {_FIELDS.number("frames", "Frames", (2, most))}{_FIELDS.number("fps", "Per second", (1, 50))}
    <div class="field"><span class="label">Takes</span><output class="takes"></output></div></div>
  <div class="pair">{_FIELDS.select("course", "Course", COURSES)}
    {_FIELDS.select("curve.easing", "Speed", EASINGS)}</div>
  <label class="check"><input type="checkbox" data-morph="even"> Shift the frames' moments so that
    neighbours differ evenly (makes every frame twice)</label>
  <p class="error" data-error-for="even" hidden></p>
  {scene_html("morph", whole=False)}
  <h2 class="when">When each action unit moves, in per cent of the time</h2>
  <div class="curves" role="group" aria-label="Curves">{_row_html("all", "All units")}
    <div class="own"></div></div>
  <p class="error" data-error-for="curve curves" hidden></p>
  <p class="hint">An empty field is as for all units.</p>
  <template>{_row_html("", "")}</template>
</section>"""


def stage_html() -> str:
    """The stage's markup: progress, player, film strip, charts, downloads."""
    return """
<section class="report film" data-phase="idle" aria-label="The continuum">
  <div class="bar-track"><i></i></div>
  <p class="status" role="status" aria-live="polite"></p>
  <div class="player" hidden><div class="screen"><img alt=""></div>
    <div class="transport"><button type="button" data-act="play" aria-pressed="false">Play</button>
      <input type="range" min="0" max="0" step="1" value="0" aria-label="Frame">
      <label class="check"><input type="checkbox" data-act="repeat"> Repeat</label></div>
    <p class="caption"></p></div>
  <div class="strip" role="group" aria-label="Frames" hidden></div>
  <ul class="notes" hidden></ul>
  <div class="charts"></div>
  <div class="saves" hidden></div>
  <p class="hint lone">One face from neutral to the expression set in the Studio, in even steps: as
    frames, GIF, WebP and MP4, with a table of what was asked and measured. The person is compared
    with the neutral face in every frame, and the largest jump is named.</p>
</section>"""


def _row_html(key: str, title: str) -> str:
    """A unit's name, its curve as a picture, and its times."""
    times = "".join(
        f'<label title="{what}"><span>{name}</span><input type="number" data-time="{field}" '
        'min="0" max="100" step="1"></label>'
        for field, (name, what) in TIMES.items()
    )
    return f"""<div class="curve-row field" data-key="{key}" role="group">
  <p class="who"><b></b><span>{title}</span></p>
  <svg viewBox="0 0 120 44" aria-hidden="true"><path class="ground" d="M2 40H118"/>
    <path class="area"/><path class="line"/></svg>
  <div class="times">{times}</div></div>"""
