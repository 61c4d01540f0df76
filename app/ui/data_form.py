"""The markup of the tab for data sets: its form, its stage, its downloads. Pure functions."""

from __future__ import annotations

from html import escape

from app.settings import Settings
from app.ui.data_recipe import MAX_TEXT
from app.ui.fields import Fields
from app.ui.scene import scene_html
from synfer_core.facekit.demographics import FACTORS
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, format_facs

SOURCES = {
    "prototypes": "The expression's prototype, varied",
    "csv": "Measured faces in a CSV table",
    "uniform": "Some units at random, without a label",
}
JUDGES = {
    "feranno": "FERAnno",
    "experts": "FERAnno and the experts",
    "none": "Nobody: keep every face",
}
SURER = {
    "keep": "Relabel it and keep it",
    "reject": "Reject it and make it again",
}
EXPORTS = {
    "imagefolder": "ImageFolder (ZIP)",
    "parquet": "Parquet (ZIP)",
    "webdataset": "WebDataset (ZIP)",
    "manifest.jsonl": "Manifest (JSON Lines)",
}

_FIELDS = Fields("build", errors="data.")
_LASTING = (
    "The set stays on this server under this name, for all who can open this page. The same name "
    "goes on with it."
)
_PASSING = (
    "The same name goes on with a set that was stopped. This server keeps sets until the page "
    "closes: download yours before."
)
_TABLE = (
    "One row a face, columns AU12, AUL4 or OpenFace's AU12_r from 0 to 5, and perhaps expression. "
    "Each row is used equally often."
)
_GUIDANCE = (
    "0 is off. A classifier moves each face towards its label on the way; that takes about twice "
    "as long."
)
_AGAIN = "Each attempt draws other noise. A face that passes none is left out."
_PERSONS = "Empty: another person on each image."
_BITS = "Of 256 in which two perceptual hashes differ at most."


def form_html(settings: Settings) -> str:
    """The form's markup; its script fills it."""
    return f"""
<section class="controls dataset-form" aria-label="What the data set is made of">
  <div class="actions"><button type="button" class="primary" data-act="build"><span>Build the data
    set</span></button><button type="button" data-act="cancel" disabled>Stop</button></div>
  <p class="count" role="status" aria-live="polite"></p>
  {_FIELDS.text("name", "Name", _LASTING if settings.data else _PASSING, "such as pilot-1")}
  <div class="field kept" hidden><label for="build-open">Sets that are here</label>
    <select id="build-open"></select></div>
  {_FIELDS.select("aus.source", "Action units from", SOURCES)}
  {_sources_html()}
  {_counts_html(settings.data_images)}
  {_people_html()}
  {scene_html("data", whole=False)}
  {_words_html()}
  {_verdicts_html()}
  <details class="fine"><summary>Near-duplicates, seed, title</summary>
    {_FIELDS.check("duplicates", "Leave out faces that are nearly the same as an earlier one")}
    <div class="pair">{_FIELDS.number("distance", "Bits", (0, 64), hint=_BITS)}
      {_FIELDS.text("seed", "Seed", "Draws all that is left to chance.")}</div>
    <div class="pair">{_FIELDS.text("title", "Title")}{_FIELDS.text("licence", "Licence")}</div>
  </details>
  {_recipe_html()}
</section>"""


def _sources_html() -> str:
    """What goes with each source of action units; the script shows one."""
    return f"""<div class="trio" data-source="prototypes">
    {_FIELDS.number("aus.strength.0", "Strength from", (0, 2), 0.05)}
    {_FIELDS.number("aus.strength.1", "to", (0, 2), 0.05)}
    {_FIELDS.number("aus.jitter", "Each unit by ±", (0, 1), 0.05)}</div>
  <div class="field" data-source="csv" hidden><div class="buttons">
    <button type="button" data-act="table">Choose a table…</button>
    <input type="file" accept=".csv,text/csv" hidden aria-label="Table of action units">
    <span class="hint told-table"></span></div>
    <p class="hint">{_TABLE}</p>{_FIELDS.error("aus.file")}</div>
  <div data-source="uniform" hidden><div class="pair">
    {_FIELDS.number("aus.active.0", "Units at once, at least", (1, 22))}
    {_FIELDS.number("aus.active.1", "at most", (1, 22))}</div><div class="pair">
    {_FIELDS.number("aus.intensity.0", "Intensity from", (0, 5), 0.1)}
    {_FIELDS.number("aus.intensity.1", "to", (0, 5), 0.1)}</div></div>"""


def _counts_html(most: int) -> str:
    fields = "".join(
        f'<label title="{escape(format_facs(PROTOTYPES[name]) or "no action unit")}">'
        f'<span>{name.capitalize()}</span><input type="number" id="build-counts-{name}" '
        f'data-build="counts.{name}" min="0" max="{most}" step="1"></label>'
        for name in EXPRESSIONS
    )
    return f"""<fieldset class="field"><legend>Images</legend><div class="eight">{fields}</div>
    <label class="total"><span>In all</span><input type="number" id="build-total"
      data-build="total" min="1" max="{most}" step="1"></label>
    <p class="hint">A new total is shared out evenly. At most {most:,} on this page.</p>
    {_FIELDS.error("counts")}</fieldset>"""


def _people_html() -> str:
    ticks = "".join(
        f'<label class="check" title="{escape(", ".join(values))}"><input type="checkbox" '
        f'data-balance="{factor}"> {factor.replace("_", " ").capitalize()}</label>'
        for factor, values in FACTORS.items()
    )
    return f"""<fieldset class="field"><legend>People balanced by</legend>
    <div class="ticks">{ticks}</div>
    <p class="hint">Apparent, what a face suggests: every combination comes equally often.</p>
    {_FIELDS.error("people.balance")}</fieldset>
  {_FIELDS.number("people", "Number of persons", (1, 1e8), hint=_PERSONS)}
  {_FIELDS.error("people.count", "people.first_seed")}"""


def _words_html() -> str:
    return f"""<details class="fine"><summary>Words and guidance<span class="state words"></span>
    </summary>
    {_FIELDS.check("enrich", "Put each image into detailed words (prompt enrichment)")}
    {_FIELDS.text("text", "Words for all images", "", "such as plain background")}
    {_FIELDS.number("semantic", "Semantic guidance", (0, 10), 0.5, _GUIDANCE)}
    {_FIELDS.error("guidance.semantic", "guidance")}
  </details>"""


def _verdicts_html() -> str:
    return f"""<details class="fine" open><summary>Does the label hold?</summary>
    {_FIELDS.select("verdicts.by", "Asked of every face", JUDGES)}
    <div class="pair judged">
      {_FIELDS.select("verdicts.relabelled", "If another label is clearer", SURER)}
      {_FIELDS.number("verdicts.attempts", "Attempts a face", (1, 20))}</div>
    <p class="hint judged">{_AGAIN}</p>{_FIELDS.error("verdicts")}
  </details>"""


def _recipe_html() -> str:
    return f"""<details class="fine recipe" open><summary>Recipe (YAML)</summary>
    <label class="unseen" for="build-recipe">Recipe as YAML</label>
    <textarea id="build-recipe" rows="12" maxlength="{MAX_TEXT}" spellcheck="false"
      autocomplete="off"></textarea>
    <p class="hint">What stands here is built. Edit it, and the fields follow; fields that are not
      on the page stay as they are. docs/data.md lists all of them.</p>
    <p class="error" data-error-for="data" hidden></p>
    <div class="buttons"><button type="button" data-act="download">Download recipe</button>
      <button type="button" class="quiet" data-act="load">Load a recipe…</button>
      <input type="file" accept=".yaml,.yml,.json" hidden aria-label="Recipe of a data set"></div>
  </details>"""


def stage_html() -> str:
    """The stage's markup: progress, rates, newest faces."""
    return """
<section class="report dataset" data-phase="idle" aria-label="The data set">
  <div class="bar-track"><i></i></div>
  <p class="status" role="status" aria-live="polite"></p>
  <div class="faces" role="group" aria-label="Newest faces" hidden></div>
  <div class="rates" hidden></div>
  <p class="hint lone">A data set is many faces with known labels, action units and people. A
    reader checks whether each label holds, doubtful faces are made again, near-duplicates go, and a
    manifest and a data card say what is in it. You can stop at any time and go on later.</p>
</section>"""


def saves_html() -> str:
    """The downloads and the card of a finished set."""
    buttons = "".join(
        f'<button type="button" class="save" data-form="{form}">{title}</button>'
        for form, title in EXPORTS.items()
    )
    return f"""
<section class="report dataset-saves" hidden aria-label="The finished data set">
  <label class="check"><input type="checkbox" data-act="splits"> Split into train, validation and
    test, nobody in two of them</label>
  <div class="saves">{buttons}</div>
  <div class="bar-track" hidden><i></i></div>
  <p class="status" role="status" aria-live="polite"></p>
  <div class="card"></div>
</section>"""
