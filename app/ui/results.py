"""Results as markup and pictures: bars, AU read-back, seconds, recipe, overlays. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.compare import WITHOUT, Made
from app.figures import Figures
from app.jobs import Snapshot, State
from app.ui.curve import guidance_html
from app.ui.face_map import regions_html
from app.ui.kept import kept_value
from app.ui.label import label_html, vote_html
from app.ui.pictures import data_url, heat_url, preview_url
from app.ui.trust import trust_html
from synfer_core.drafts import Draft
from synfer_core.faces.blendshapes import ALONE
from synfer_core.faces.second_opinion import PENDING, SecondOpinion
from synfer_core.facs import (
    ACTION_UNITS,
    canonical_key,
    intensity_letter,
)
from synfer_core.provenance.export import see_through
from synfer_core.provenance.marking import Marking
from synfer_core.report import Annotation, AttentionMaps, AUReading, Result

STAGES = {
    "denoising": "Forming the face",
    "rendering": "Rendering the face",
    "generation": "Making the face",
    "annotation": "Reading the face",
    "inverting": "Finding the way back to noise",
    WITHOUT: "First without guidance",
}
"""Plain words for the stages of a run; other stages show by their own name."""

_MARKED = Marking()

NOTICED = 1.0
"""A unit that nobody asked for shows in the read-back from this intensity (A) on."""

_SIDES_DIFFER = 1.0
_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "of",
        "on",
        "or",
        "the",
        "to",
        "with",
    ]
)


def overlay_choices(attention: AttentionMaps, units: Iterable[str]) -> list[dict[str, str]]:
    """The overlays a page offers: action units, then words.

    Args:
        attention: Maps by AU key and by ``word:position:word``.
        units: AU keys to offer; a both-sides key takes the two sides' maps together.
    """
    found = {key: _unit_map(key, attention.maps) for key in units}
    chosen = [(key, _unit_label(key), heat) for key, heat in found.items() if heat is not None]
    for key, heat in attention.maps.items():
        word = key.split(":", 2)[2] if key.startswith("word:") else ""
        if any(map(str.isalpha, word)) and word.lower() not in _FUNCTION_WORDS:
            chosen.append((key, f"\u201c{word}\u201d", heat))
    return [{"key": key, "label": label, "url": heat_url(heat)} for key, label, heat in chosen]


def _unit_map(key: str, maps: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
    parts = [maps[k] for k in (key, *_sides(key)) if k in maps]
    heat: NDArray[np.float32] | None = np.maximum.reduce(parts) if parts else None
    return heat


def _sides(key: str) -> tuple[str, ...]:
    """The one-side keys of a both-sides key."""
    return () if key[2] in "LR" else (key.replace("AU", "AUL"), key.replace("AU", "AUR"))


def _unit_label(key: str) -> str:
    unit = ACTION_UNITS[int(key.lstrip("AULR"))]
    return f"{key.removeprefix('AU')} {unit.name.capitalize()}"


def progress_value(snapshot: Snapshot, *, previews: bool = True) -> dict[str, Any]:
    """A run that goes on, as the stage shows it.

    Args:
        snapshot: Where it is.
        previews: Whether to show what the face will be; a draft of it says more.
    """
    if snapshot.state is State.QUEUED:
        return {"phase": "waiting", "status": waiting_words(snapshot)}
    if snapshot.progress is None:
        return {"phase": "running", "status": "Starting"}
    now = snapshot.progress
    words = STAGES.get(now.stage, now.stage.capitalize())
    value = {"phase": "running", "step": now.step, "total": now.total, "image": None}
    if previews and now.preview is not None:
        value["image"] = preview_url(now.preview)
    return {**value, "status": f"{words}: step {now.step} of {now.total}"}


def waiting_words(snapshot: Snapshot) -> str:
    """How many go first."""
    ahead = snapshot.ahead - 1
    others = f"{ahead} other{'s' * (ahead != 1)} first" if ahead > 0 else "next in line"
    return f"Waiting: {others}"


def draft_value(snapshot: Snapshot, turn: int) -> dict[str, Any]:
    """A draft, as the stage shows it.

    Args:
        snapshot: How its job ended, or that it waits for others.
        turn: The slider value that was asked for; one that came later may have been made.
    """
    value = {"phase": "draft", "turn": turn, "image": None, "waits": False, "status": ""}
    if snapshot.state is State.QUEUED:
        return {**value, "waits": True, "status": waiting_words(snapshot)}
    if snapshot.state is not State.DONE:
        return value
    made = snapshot.result
    return {
        **value,
        "turn": made.turn,
        "image": preview_url(_drafted(made.draft)),
        "clear": made.draft.alpha is not None,
        "status": "Draft: letting go refines it",
        "alt": "Draft of a synthetic face",
    }


def _drafted(draft: Draft) -> NDArray[np.uint8]:
    """A draft's picture, with alpha where it has one."""
    return draft.image if draft.alpha is None else see_through(draft.image, draft.alpha)


def stopped_value(snapshot: Snapshot) -> dict[str, Any]:
    """A run that was cancelled or failed, as the stage shows it."""
    if snapshot.state is State.FAILED:
        return {"phase": "failed", "status": "No face was made; the reason is given on the page."}
    at = f" at step {snapshot.progress.step}" if snapshot.progress else ""
    return {"phase": "cancelled", "status": f"Cancelled{at}."}


def result_value(made: Made, marking: Marking = _MARKED) -> dict[str, Any]:
    """A finished face, marked, as the stage shows it; the picture's file carries its recipe."""
    result = made.result
    total = sum(result.seconds.values())
    return {
        "phase": "done",
        "image": data_url(result.to_png(marking), "png"),
        "clear": result.alpha is not None,
        "file": file_name(result),
        "alt": _alt(result),
        "maps": overlay_choices(result.attention, result.recipe.action_units),
        "status": f"Made in {total:.1f} s",
        **kept_value(result),
        **_beside(made, marking),
    }


def _beside(made: Made, marking: Marking) -> dict[str, Any]:
    """The picture that stands beside the finished one, with its own maps; empty without one."""
    if made.plain is not None:
        plain = made.plain
        maps = overlay_choices(plain.attention, plain.recipe.action_units)
        beside = _picture(plain.export(marking).pixels, _alt(plain), "Without guidance", maps)
        return {"beside": beside, "name": "With guidance"}
    if made.reference is not None:
        beside = _picture(made.reference, "The face it started from", "Before", [])
        return {"beside": beside, "name": "After"}
    return {}


def _picture(
    image: NDArray[np.uint8], alt: str, name: str, maps: list[dict[str, str]]
) -> dict[str, Any]:
    return {"image": preview_url(image), "alt": alt, "name": name, "maps": maps}


def annotation_value(annotation: Annotation) -> dict[str, Any]:
    """An annotated image, as the stage shows it."""
    return {
        "phase": "done",
        "image": preview_url(annotation.image),
        "file": "",
        "alt": "The face as the readers saw it",
        "maps": overlay_choices(annotation.attention, units_shown(annotation.readings)),
        "status": "The face as the readers saw it",
    }


def file_name(result: Result) -> str:
    """A name for the download that tells person, expression and seed."""
    recipe = result.recipe
    person = "any" if recipe.identity_seed is None else str(recipe.identity_seed)
    return f"synfer_p{person}_{recipe.expression or 'face'}_s{recipe.seed}.png"


def _alt(result: Result) -> str:
    read = f", read as {result.label.expression}" if result.label else ""
    return f"Synthetic face{read}"


def report_html(made: Made, figures: Figures, opinion: SecondOpinion = PENDING) -> str:
    """All that was measured on a face, how far to trust it, and the recipe it came from."""
    result = made.result
    recipe = result.recipe
    return (
        '<div class="report">'
        + label_html(result.label, recipe.expression)
        + vote_html(result.verdict)
        + _guidance(made)
        + reconstruction_html(result.reconstruction_psnr)
        + readback_html(result.readings, recipe.action_units, opinion)
        + '<button type="button" class="quiet" data-asked>Asked and measured as a table</button>'
        + notes_html(result.notes)
        + trust_html(figures, recipe.weights_sha256, recipe.action_units)
        + seconds_html(result.seconds)
        + recipe_html(json.dumps(json.loads(recipe.to_json()), indent=2, ensure_ascii=False))
        + "</div>"
    )


def _guidance(made: Made) -> str:
    """The guide's curve, with the labels with and without it."""
    result, plain = made.result, made.plain
    target = result.recipe.expression or "neutral"
    before = plain.label if plain else None
    return guidance_html(result.guidance_curve, target, before, result.label)


def reconstruction_html(psnr: float | None) -> str:
    """How well the face that was edited comes back unedited; empty where none was."""
    if psnr is None:
        return ""
    words = next(text for least, text in _COMES_BACK if psnr >= least)
    return (
        '<section class="reconstruction"><h2>How much of the face is held</h2>'
        f'<p class="said">Carried back to noise and forth again without a change, it comes back '
        f'{words}: <b>{psnr:.1f}\u00a0dB</b>.</p><p class="source">Peak signal-to-noise ratio of '
        "that round trip, the codec\u2019s own loss among it; 6\u00a0dB more halve the error. What "
        "it loses, the edit can lose too, unless it is held.</p></section>"
    )


_COMES_BACK = (
    (30.0, "almost as it was"),
    (24.0, "a little softer, the person the same"),
    (18.0, "visibly changed; detail is lost"),
    (float("-inf"), "as another face: trust no likeness here"),
)
"""In words, from these dB on."""


def annotation_html(annotation: Annotation, opinion: SecondOpinion = PENDING) -> str:
    """All that was read off an image."""
    return (
        '<div class="report">'
        + notes_html(annotation.notes)
        + label_html(annotation.label, None)
        + vote_html(annotation.verdict)
        + readback_html(annotation.readings, None, opinion)
        + "</div>"
    )


def empty_report_html(text: str) -> str:
    """The report's place before there is anything to report."""
    return f'<div class="report"><p class="hint lone">{escape(text)}</p></div>'


def readback_html(
    readings: Sequence[AUReading],
    asked: Mapping[str, float] | None,
    opinion: SecondOpinion = PENDING,
) -> str:
    """Action units asked for against those measured, one column a reader, MediaPipe's the last."""
    known = (*readings, opinion.reading) if opinion.reading else tuple(readings)
    if not known:
        return (
            '<section><h2>Action units</h2><p class="hint">No reader of action units is '
            f"available here.</p>{_missing_html(opinion)}</section>"
        )
    columns = len(known) + (opinion.reading is None)
    silent = "" if opinion.reading else _silent_cell(opinion)
    body = "".join(_readback_row(key, known, asked, silent) for key in units_shown(known, asked))
    if not body:
        body = f'<tr><td colspan="{2 + columns}" class="none">No unit is in play.</td></tr>'
    return (
        f"<section><h2>Action units</h2>{_readback_head(known, asked, opinion)}"
        f"<tbody>{body}</tbody></table>{_readback_foot(known, opinion)}</section>"
    )


def _readback_head(
    known: Sequence[AUReading], asked: Mapping[str, float] | None, opinion: SecondOpinion
) -> str:
    names = [_reader_name(reading.reader) for reading in known]
    names += ["MediaPipe"] * (opinion.reading is None)
    middle = "<th>Asked</th>" if asked is not None else ""
    heads = "".join(f"<th>{escape(name)}</th>" for name in names)
    return f'<table class="readback"><thead><tr><th>Unit</th>{middle}{heads}</tr></thead>'


def _readback_foot(known: Sequence[AUReading], opinion: SecondOpinion) -> str:
    sources = " · ".join(escape(reading.reader) for reading in known)
    return (
        f'<p class="source">Read by {sources}. {_weak_note(known)}</p>'
        f'<p class="source">{_WHO_READS}</p>{_missing_html(opinion)}'
    )


_WHO_READS = (
    "The AU reader is this project\u2019s own network, trained on renders; MediaPipe, made by "
    "others, is an outside check that needs a face it can find and can tell only units "
    f"{', '.join(map(str, ALONE[:-1]))} and {ALONE[-1]} from one picture."
)


def _missing_html(opinion: SecondOpinion) -> str:
    """Why MediaPipe says nothing and, folded up, what would help; empty where it speaks."""
    why = f'<p class="source missing">{escape(opinion.why)}</p>' if opinion.why else ""
    if not opinion.remedy:
        return why
    return (
        f'{why}<details class="source remedy"><summary>What to do</summary>'
        f"{escape(opinion.remedy)}</details>"
    )


def _silent_cell(opinion: SecondOpinion) -> str:
    mark = "&hellip;" if opinion is PENDING else "&ndash;"
    return f'<td class="none" title="{escape(opinion.why)}">{mark}</td>'


def _weak_note(readings: Sequence[AUReading]) -> str:
    if any(reading.weak for reading in readings):
        return '<span class="weak">Greyed</span>: this reader is known to measure the unit poorly.'
    return ""


def _reader_name(reader: str) -> str:
    """The short name at a column's head; the version stands below the table."""
    return "MediaPipe" if reader.lower().startswith("mediapipe") else "AU reader"


def units_shown(
    readings: Sequence[AUReading], asked: Mapping[str, float] | None = None
) -> list[str]:
    """Keys to show: those asked for, then those that anyone measured at A or more."""
    first = [key for key, value in (asked or {}).items() if value > 0]
    numbers = {_number(key) for key in first}
    seen: dict[int, str] = {}
    for reading in readings:
        for number in sorted({_number(key) for key in reading.aus} - numbers - set(seen)):
            key = _shown_key(number, reading.aus)
            if (measured(key, reading.aus) or 0.0) >= NOTICED:
                seen[number] = key
    return first + [seen[number] for number in sorted(seen)]


def _shown_key(number: int, aus: Mapping[str, float]) -> str:
    """One side's key where the sides clearly differ, else the key of both."""
    left, right = aus.get(f"AUL{number}"), aus.get(f"AUR{number}")
    if left is None or right is None or abs(left - right) < _SIDES_DIFFER:
        return f"AU{number}"
    return f"AUL{number}" if left > right else f"AUR{number}"


def _number(key: str) -> int:
    return int(canonical_key(key).lstrip("AULR"))


def measured(key: str, aus: Mapping[str, float]) -> float | None:
    """A reading for a key; both sides are the mean of the two, a side falls back on both."""
    if key in aus:
        return aus[key]
    sides = [aus[k] for k in _sides(key) if k in aus]
    if sides:
        return sum(sides) / len(sides)
    return aus.get(f"AU{_number(key)}")


def _readback_row(
    key: str, known: Sequence[AUReading], asked: Mapping[str, float] | None, silent: str
) -> str:
    cells = "".join(_measured_cell(key, reading) for reading in known) + silent
    want = (asked or {}).get(key)
    middle = "" if asked is None else f"<td>{_intensity(want) if want else '&ndash;'}</td>"
    unit = ACTION_UNITS[_number(key)]
    name = f"<b>{key.removeprefix('AU')}</b> {escape(unit.name)}"
    extra = ' class="extra"' if asked is not None and not want else ""
    return f"<tr{extra}><th scope='row'>{name}</th>{middle}{cells}</tr>"


def _measured_cell(key: str, reading: AUReading) -> str:
    value = measured(key, reading.aus)
    if value is None:
        return '<td class="none" title="not measured by this reader">&ndash;</td>'
    weak = {_number(k) for k in reading.weak}
    style = ' class="weak" title="weak: known to be measured poorly"' * (_number(key) in weak)
    return (
        f'<td{style}><span class="meter"><i style="width:{20 * min(5.0, value):.0f}%"></i></span>'
        f"{_intensity(value)}</td>"
    )


def _intensity(value: float) -> str:
    return f"{value:.1f} <small>{intensity_letter(value) or ''}</small>"


def notes_html(notes: Iterable[str]) -> str:
    """Things the user should know."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def seconds_html(seconds: Mapping[str, float]) -> str:
    """Seconds by stage, as one divided bar and a list."""
    total = sum(seconds.values())
    if total <= 0:
        return ""
    parts = "".join(f'<i style="flex-grow:{s / total:.4f}"></i>' for s in seconds.values())
    items = "".join(
        f"<li><i></i>{escape(STAGES.get(k, k.capitalize()))}<b>{s:.2f} s</b></li>"
        for k, s in seconds.items()
    )
    return (
        f'<section class="seconds"><h2>Time <span>{total:.1f} s</span></h2>'
        f'<div class="split-bar" aria-hidden="true">{parts}</div><ul>{items}</ul></section>'
    )


def recipe_html(text: str) -> str:
    """The recipe as JSON, to copy."""
    return (
        '<details class="recipe"><summary>Recipe (JSON)</summary>'
        '<button type="button" class="quiet" data-copy="#recipe-json">Copy</button>'
        f'<pre id="recipe-json" tabindex="0">{escape(text)}</pre></details>'
    )


_EDIT = '<button type="button" class="quiet" data-act="edit" hidden>Edit this face</button>'


def stage_html(*, main: bool, empty: str) -> str:
    """The stage's markup; scripts fill it."""
    overlays = "Where it acted" if main else "Where the reader looked"
    edit, regions = (_EDIT, regions_html()) if main else ("", "")
    return f"""
<figure class="stage" data-phase="idle" {"data-main" if main else ""}>
  <div class="frames"><div class="frame"><div class="empty"><p>{escape(empty)}</p></div>
    <img class="face" alt="" hidden><img class="heat" alt="" hidden>{regions}
    <span class="name" hidden></span><span class="draft-mark" hidden>Draft</span>
    <div class="progress"><i></i></div></div>
  <div class="frame beside" hidden><img class="face" alt=""><img class="heat" alt="" hidden>
    <span class="name"></span></div></div>
  <img class="mini" alt="" aria-hidden="true">
  <figcaption><span class="status" role="status" aria-live="polite"></span>{edit}
    <a class="download" hidden>Download PNG</a></figcaption>
  <div class="overlay" hidden><h3>{overlays}</h3>
    <div class="chips" role="group" aria-label="{overlays}"></div>
    <div class="heat-scale" hidden><label>Strength <input type="range" class="heat-strength"
      min="0" max="1" step="0.05" value="0.75" style="--at:75%"></label>
      <span class="ramp">less<i></i>more</span></div></div>
</figure>"""
