"""The markup of the tab for stimulus sets: its form and its stage. Pure functions."""

from __future__ import annotations

from html import escape

from app.ui.fields import Fields
from app.ui.scene import same_scene_html, scene_html
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES, format_facs

_FIELDS = Fields("set")

STEPS = {str(n): f"{n} %" for n in (10, 20, 25, 50, 100)}
CROPS = {
    "none": "None",
    "oval": "Oval, no hair",
    "hair": "Head with hair",
}
BACKGROUNDS = {"": "As it is", "0": "Black", "128": "Mid grey", "255": "White"}
MATCHES = {
    "none": "Not matched: faces as they are",
    "mean_sd": "Mean and contrast (SHINE lumMatch)",
    "histogram": "Whole histogram (SHINE histMatch)",
}
OVERS = {
    "person": "Each person's own average",
    "set": "The average of all people",
}
SIZES = {"": "As made", "256": "256 px", "384": "384 px", "512": "512 px"}


def form_html() -> str:
    """The form's markup; its script fills it."""
    return f"""
<section class="controls set" aria-label="What the set is made of">
  <div class="actions"><button type="button" class="primary" data-act="build"><span>Build the set
    </span></button><button type="button" data-act="cancel" disabled>Cancel</button></div>
  <p class="count" role="status" aria-live="polite"></p>
  {_FIELDS.text("identities", "People", _PEOPLE, "such as 1, 2, 5-8")}
  <fieldset class="field"><legend>Expressions</legend><div class="ticks">{_expressions_html()}</div>
    <p class="error" data-error-for="expressions" hidden></p></fieldset>
  <details class="fine"><summary>Action units and mixes<span class="state"></span></summary>
    <fieldset class="field"><legend>Single action units, up to their maximum</legend>
      <div class="ticks units">{_units_html()}</div>
      <p class="error" data-error-for="action_units" hidden></p></fieldset>
    {_FIELDS.area("mixes", "Own mixes", _MIXES, "such as smirk = R12C+R14B")}
  </details>
  <div class="pair">{_FIELDS.select("step", "Steps of intensity", STEPS)}
    {_FIELDS.select("treatment.size", "Picture size", SIZES)}</div>
  <details class="fine" open><summary>Treatment</summary>
    <label class="check"><input type="checkbox" data-set="treatment.align"> Level the eyes and put
      them in the same places</label>
    <p class="error" data-error-for="treatment.align" hidden></p>
    <div class="pair">{_FIELDS.select("treatment.crop", "Crop", CROPS)}
      {_FIELDS.select("treatment.background", "Background", BACKGROUNDS)}</div>
    <p class="hint">Behind a crop, as it is means mid grey. The head is cut out along its neutral
      image, which needs a plain background.</p>
    <label class="check"><input type="checkbox" data-set="treatment.greyscale"> Greyscale</label>
    {_FIELDS.select("treatment.match", "Luminance", MATCHES)}
    {_FIELDS.select("treatment.match_over", "Matched to", OVERS)}
    <p class="skin notes" role="status" aria-live="polite" hidden></p>
    <p class="hint">Measured and matched inside the face's oval; statistics before and after go into
      the table. Matching to each person's own average keeps everyone's skin. A histogram needs
      greyscale and the oval.</p>
  </details>
  {same_scene_html('data-set="same_scene"')}
  {scene_html("set", whole=False)}
  <details class="fine"><summary>Words, seed and file names</summary>
    {_FIELDS.text("recipe.text", "Words for all", _WORDS, "")}
    <div class="pair">{_FIELDS.text("recipe.seed", "Seed", _SEED, "")}
      {_FIELDS.text("files.view", "View", "Goes into file names and the table.", "")}</div>
    {_FIELDS.text("files.template", "File names", _TEMPLATE, "")}
  </details>
  <details class="fine"><summary>For the data sheet</summary>
    {_FIELDS.text("about.title", "Title", "", "")}
    {_FIELDS.text("about.authors", "Authors", "", "")}
    {_FIELDS.area("about.purpose", "Purpose", "", "")}
    {_FIELDS.text("about.licence", "Licence of the images", "", "")}
  </details>
</section>"""


_PEOPLE = (
    "Each number is a person; the same number is the same person everywhere. Every person also "
    "gets a neutral image."
)
_WORDS = "Such as light or background; what the face does comes from the steps alone."
_SEED = "Hair, light and background that all images share."
_MIXES = "One a line: a name, and its FACS string at 100 %."
_TEMPLATE = "Fields: {subject}, {seed}, {expression}, {intensity}, {view}, {index}."


def stage_html() -> str:
    """The stage's markup: progress, contact sheet, download."""
    return """
<section class="report set-stage" data-phase="idle" aria-label="The set">
  <div class="bar-track"><i></i></div>
  <p class="status" role="status" aria-live="polite"></p>
  <button type="button" class="save" data-act="save" hidden>Download ZIP</button>
  <div class="going-on" hidden><button type="button" class="primary" data-act="resume">Continue
    </button><button type="button" data-act="part">Write what is there</button>
    <p class="hint">What is there makes an incomplete set, and its documents say so. Closing or
      reloading the page deletes the images.</p></div>
  <ul class="notes" hidden></ul><p class="assured" hidden></p>
  <div class="sheet" tabindex="0" hidden><img alt="Contact sheet: one row for each person and
    expression, intensity growing from left to right"></div>
  <details class="confusion" open hidden><summary>What readers see</summary>
    <img alt="Confusion table: expressions asked for against those read, by reader and intensity">
    <p class="hint"></p></details>
  <p class="hint lone">A set is people by expressions by steps of intensity, matched and documented:
    images, a table of everything, files for PsychoPy and jsPsych, a methods paragraph and a data
    sheet, in one ZIP file.</p>
</section>"""


def _tick_html(field: str, value: str, title: str, hint: str) -> str:
    return (
        f'<label class="check" title="{escape(hint)}"><input type="checkbox" '
        f'data-list="{field}" value="{value}"> {escape(title)}</label>'
    )


def _expressions_html() -> str:
    return "".join(
        _tick_html("expressions", name, name.capitalize(), format_facs(PROTOTYPES[name]))
        for name in EXPRESSIONS[1:]
    )


def _units_html() -> str:
    return "".join(
        _tick_html("action_units", unit.key, f"{unit.number} {unit.name}", unit.help)
        for unit in ACTION_UNITS.values()
    )
