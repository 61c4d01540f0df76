"""The markup of the tab that reads images, and what its script shows of one. Pure functions."""

from __future__ import annotations

from typing import Any

from app.settings import Settings
from app.ui import results, sliders
from app.ui.label import STATUS
from app.ui.pictures import jpeg_url
from synfer_core.annotations.reading import Outcome, Read
from synfer_core.annotations.table import STYLES
from synfer_core.faces.landmarks import Face
from synfer_core.faces.sixty_eight import INDICES
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, intensity_letter

_STRONGEST = 4
_COLUMNS = {
    "name": "Image",
    "label": "Expression",
    "confidence": "Confidence",
    "verdict": "Verdict",
    "strength": "Strongest units",
}
_TITLES = {
    "synfer": "All that is read",
    "openface": "Like OpenFace (AU12_r)",
    "pyfeat": "Like py-feat (AU12)",
}
_LINES = (
    *(range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36)),
    *((*range(36, 42), 36), (*range(42, 48), 42), (*range(48, 60), 48), (*range(60, 68), 60)),
)
"""Lines through the 68 points: jaw, brows, nose, eyes, lips."""


def form_html(settings: Settings) -> str:
    """The form's markup: drop zone, consent, label, and the table of images."""
    limits = (
        f"At most {settings.annotate_files} images, {settings.annotate_mb} MB in all and "
        f"{settings.upload_mb} MB each; PNG, JPEG, WebP, BMP, TIFF or AVIF."
    )
    return f"""
<section class="controls annotate" aria-label="Images to read"
  data-files="{settings.annotate_files}" data-mb="{settings.annotate_mb}">
  <button type="button" class="drop"><b>Drop face images here</b>
    <span>or click to choose them, or paste one</span></button>
  <input type="file" accept="image/*" multiple hidden aria-label="Images">
  <p class="hint limits">{limits}</p>
  <p class="error" data-error-for="images image" hidden></p>
  <div class="consent"><label class="check"><input type="checkbox" id="consent"> <span>I may use
    these images: they are mine, or synthetic, or the people in them agreed.</span></label>
    <p class="hint">Until you tick this, no image is opened or leaves your browser. Then each goes
      to this server\u2019s memory, is read, and is dropped; what was read stays until you press
      Clear or close the page. No file is written. {_PHOTOS}</p></div>
  <div class="field" data-field="label"><label for="said">Said to show</label>
    <select id="said">{sliders.target_options()}</select><p class="hint">A label to be checked on
      all images: FERAnno and the experts vote on it. Without one they only read.</p>
    <p class="error" data-error-for="label" hidden></p></div>
  {_list_html()}
</section>"""


_PHOTOS = (
    "The built-in model was trained on rendered faces alone: photos of people are outside what it "
    "knows, and its readings of them are not to be relied on."
)


def _list_html() -> str:
    return f"""<div class="list" hidden>
  <div class="run"><p class="status" role="status" aria-live="polite"></p>
    <button type="button" data-act="go-on" hidden>Read the rest</button>
    <button type="button" data-act="cancel" disabled>Cancel</button>
    <button type="button" data-act="clear">Clear</button></div>
  <div class="bar-track"><i></i></div>
  <div class="tools"><label>Show <select id="annotate-filter">{_filter_options()}</select></label>
    <label>Columns <select id="annotate-style">{_style_options()}</select></label>
    <button type="button" data-act="csv" disabled>Download CSV</button></div>
  <table class="images"><caption class="unseen">The images and what was read off them; choose one to
    see its full report</caption><thead><tr>{_heads_html()}</tr></thead><tbody></tbody></table>
  <p class="hint none-shown" hidden>No image has that label.</p></div>"""


def _heads_html() -> str:
    return "".join(
        f'<th scope="col" data-column="{key}" aria-sort="none"><button type="button" '
        f'data-sort="{key}">{title}<i aria-hidden="true"></i></button></th>'
        for key, title in _COLUMNS.items()
    )


def _filter_options() -> str:
    named = "".join(f'<option value="{name}">{name.capitalize()}</option>' for name in EXPRESSIONS)
    return f'<option value="">all</option>{named}<option value="failed">not read</option>'


def _style_options() -> str:
    return "".join(f'<option value="{name}">{_TITLES[name]}</option>' for name in STYLES)


def landmarks_html() -> str:
    """The control that lays MediaPipe's points over the face; its script fills it."""
    return """
<div class="landmarks" hidden><button type="button" class="chip" data-act="landmarks"
  aria-pressed="false">Landmarks</button><p class="hint" role="status"></p></div>"""


def row_of(number: int, outcome: Outcome) -> dict[str, Any]:
    """One image as the table's script takes it.

    Args:
        number: Its place in the batch.
        outcome: What became of it.
    """
    if not isinstance(outcome, Read):
        return {"number": number, "state": "failed", "error": outcome.error.to_dict()}
    label, verdict = outcome.annotation.label, outcome.annotation.verdict
    units = _strongest(outcome)
    return {
        "number": number,
        "state": "done",
        "thumb": jpeg_url(outcome.annotation.image),
        "label": label.expression if label else "",
        "confidence": label.confidence if label else 0.0,
        "verdict": _verdict(outcome) if verdict else None,
        "units": units,
        "strength": max((unit["value"] for unit in units), default=0.0),
    }


def _verdict(outcome: Read) -> dict[str, str]:
    verdict = outcome.annotation.verdict
    assert verdict is not None
    kind, word = STATUS[verdict.status]
    return {"kind": kind, "text": word, "title": str(verdict)}


def _strongest(outcome: Read) -> list[dict[str, Any]]:
    """The units that the AU reader measures most of, each from A on."""
    if outcome.aus is None:
        return []
    aus = outcome.aus.aus
    keys = results.units_shown([outcome.aus])
    values = {key: results.measured(key, aus) or 0.0 for key in keys}
    chosen = sorted(values, key=lambda key: -values[key])[:_STRONGEST]
    return [_unit(key, values[key]) for key in chosen]


def _unit(key: str, value: float) -> dict[str, Any]:
    name = ACTION_UNITS[int(key.lstrip("AULR"))].name
    side = {"L": ", left", "R": ", right"}.get(key[2], "")
    return {
        "text": f"{key.removeprefix('AU')}{intensity_letter(value) or ''}",
        "title": f"{name}{side}: {value:.1f} of 5",
        "value": value,
    }


def shown_value(read: Read) -> dict[str, Any]:
    """The image as the stage shows it, with MediaPipe's points or why there are none."""
    value = results.annotation_value(read.annotation)
    opinion = read.opinion
    if opinion.face is None:
        why = " ".join(filter(None, (opinion.why, opinion.remedy)))
        return {**value, "points": None, "why": why}
    return {**value, "points": _points(opinion.face, len(read.annotation.image)), "why": ""}


def _points(face: Face, side: int) -> dict[str, str]:
    """MediaPipe's points in a square of 100: dots, and lines through the 68 of the iBUG scheme."""
    places = [f"{x:.2f} {y:.2f}" for x, y in face.points * (100 / side)]
    lines = ("M" + "L".join(places[INDICES[i]] for i in line) for line in _LINES)
    return {"dots": "".join(f"M{place}h0" for place in places), "lines": "".join(lines)}
