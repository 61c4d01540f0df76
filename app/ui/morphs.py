"""The tab for morph continua: the Studio's face from neutral to apex, played, measured and saved.

Frames are made by a thread of their own, one by one through the device's queue.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.errands import Errand
from app.jobs import JobQueue
from app.pages import Pages
from app.schemas import page_recipe, wanted_marking
from app.settings import Settings
from app.shelf import Files, size_of
from app.ui import engines
from app.ui.longer import LongerWork
from app.ui.morph_charts import charts_html
from app.ui.morph_form import form_html, stage_html
from app.ui.pictures import preview_url
from app.ui.scene import FRONTAL
from app.ui.values import page_name, stamped, told
from synfer_core.errors import RequestError, SynferError
from synfer_core.facs import ACTION_UNITS, format_facs
from synfer_core.morphs import export
from synfer_core.morphs.making import Making, Morph
from synfer_core.morphs.spec import SET_BY_FRAME, Continuum
from synfer_core.provenance.marking import Marking
from synfer_core.report import Pixels
from synfer_core.request import TRANSPARENT, Guidance, Recipe, SemanticOptions
from synfer_core.stimuli.archive import zipped
from synfer_core.stimuli.making import Step
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.tools import Tools
from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer

MAX_FRAMES = 120
"""Frames of a continuum that the page makes; the command line takes more."""

MAX_MAKERS = 2
"""Continua that are made at once; more are told to come back."""

_POINTS = 10
"""Fields of a curve at most: onset, apex, offset, end and easing."""

ZIP = "morph.zip"
KINDS = {
    ZIP: ("ZIP of all files", "application/zip"),
    export.GIF: ("GIF", "image/gif"),
    export.WEBP: ("WebP", "image/webp"),
    export.MP4: ("MP4", "video/mp4"),
}
"""File: its name on a button, and its type."""

Value = dict[str, Any]


_OWN = {*SET_BY_FRAME, "scene"}
"""Recipe fields that are not taken over as they are: the scene has controls of its own."""


def taken(recipe: Recipe, marking: Marking) -> Value:
    """What the form keeps of the Studio's settings: the apex, and what all frames share."""
    left = []
    if recipe.expression:
        left.append("the label under Meant as")
    if recipe.enriched_text is not None:
        left.append("the detailed prompt")
    if recipe.guidance.semantic:
        left.append("guidance towards an expression")
    if recipe.scene and recipe.scene.background == TRANSPARENT:
        left.append("the transparent background")
    plain = recipe.model_copy(
        update={
            "guidance": Guidance(**{**recipe.guidance.model_dump(), "semantic": 0.0}),
            "semantic": SemanticOptions(),
        }
    )
    shared = json.loads(plain.model_dump_json(exclude_defaults=True, exclude=_OWN))
    shared["backbone"] = recipe.backbone
    return {
        "apex": recipe.action_units,
        "facs": format_facs(recipe.action_units),
        # As text: a browser's numbers end at 2**53.
        "recipe": json.dumps(shared),
        "about": _about(recipe),
        "left": f"Left out, as frames cannot have it: {', '.join(left)}." if left else "",
        "units": [_unit(key) for key in recipe.action_units],
        "marking": {"watermark": marking.watermark, "visible_label": marking.label},
    }


def _about(recipe: Recipe) -> str:
    who = "anyone" if recipe.identity_seed is None else f"person {recipe.identity_seed}"
    if recipe.identity_code is not None:
        who = "a person given as a code"
    face = "an edited face, " if recipe.reference else ""
    words = f", {recipe.text}" if recipe.text else ""
    return f"{face}{who}, seed {recipe.seed}{words}"


def _unit(key: str) -> dict[str, str]:
    """An AU key for a row of the form."""
    number = key.lstrip("AULR")
    side = {"L": "left ", "R": "right "}.get(key[2], "")
    return {
        "key": key,
        "number": key.removeprefix("AU"),
        "name": side + ACTION_UNITS[int(number)].name,
    }


def continuum_of(form: object) -> Continuum:
    """The specification that the page's form describes.

    Raises:
        RequestError: Names the first field that is wrong and what is allowed there.
    """
    if not isinstance(form, Mapping):
        raise RequestError("the page sent no settings; reload it", field="apex")
    recipe = Recipe.parse_json(str(form.get("recipe", "{}"))).model_dump(exclude_unset=True)
    apex, scene = form.get("apex"), form.get("scene")
    shared = {name: value for name, value in recipe.items() if name not in SET_BY_FRAME}
    values = {
        "apex": apex,
        "recipe": {**shared, **({"scene": scene} if scene else {})},
        "curve": _curve(form.get("curve")),
        "curves": _curves(form.get("curves"), apex),
        **{name: form.get(name) for name in ("frames", "fps", "course", "even")},
    }
    continuum = Continuum.parse(values)
    if continuum.frames > MAX_FRAMES:
        allowed = f"at most {MAX_FRAMES} here; synfer morph takes more"
        raise RequestError(f"{continuum.frames} frames", field="frames", allowed=allowed)
    return continuum


def _curves(curves: object, apex: object) -> dict[str, Any]:
    """Curves of single units; of those in use, which say something."""
    if not isinstance(curves, Mapping) or not isinstance(apex, Mapping):
        return {}
    given = {key: _curve(curve) for key, curve in curves.items() if key in apex}
    return {key: curve for key, curve in given.items() if curve}


def _curve(curve: object) -> dict[str, Any]:
    """A curve as typed, in per cent of the time; empty fields are as for all units.

    Raises:
        RequestError: It has more points than a curve has.
    """
    given = curve if isinstance(curve, Mapping) else {}
    if len(given) > _POINTS:
        raise RequestError(f"{len(given):,} points", field="curve", allowed=f"at most {_POINTS}")
    return {
        name: value / 100 if isinstance(value, int | float) else value
        for name, value in given.items()
        if value not in (None, "")
    }


@dataclass(frozen=True)
class Made:
    """A finished continuum.

    Attributes:
        morph: Its frames, measured.
        files: Open files by their names.
    """

    morph: Morph
    files: Files


class Filming(Errand[Made]):
    """One continuum in the making.

    Args:
        continuum: What to make.
        marking: What is put onto the frames.
        synthesizer: Makes them.
        queue: The queue of its device.
        settings: Where the weights are.
    """

    def __init__(
        self,
        continuum: Continuum,
        marking: Marking,
        synthesizer: Synthesizer,
        queue: JobQueue,
        settings: Settings,
    ):
        super().__init__("morph", synthesizer, queue, self._film)
        self.continuum, self.marking = continuum, marking
        self.folder = settings.models or DEFAULT_FOLDER
        self.step: Step | None = None
        self.fresh: dict[int, Pixels] = {}

    def _film(self) -> Made:
        tools = Tools.of(self.synthesizer, self.folder, "none", self.generate)
        morph = Making(self.continuum, tools, MemoryStore()).make(self._watch)
        whole = io.BytesIO()
        with zipped(whole) as sink:
            moving = export.export(morph, sink, self.marking)
        self.stop_if_cancelled()
        return Made(morph, {ZIP: whole, **{n: io.BytesIO(data) for n, data in moving.items()}})

    def _watch(self, step: Step) -> None:
        """Called in the thread after each frame."""
        self.stop_if_cancelled()
        if step.image is not None:
            self.fresh[step.done - 1] = step.image
        self.step = step
        self.ring()


class Morphs(LongerWork[Filming]):
    """The tab's events, for one synthesizer and its queue.

    Args:
        synthesizer: Makes the frames.
        queue: The queue of its device.
        settings: The server's limits.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        queue: JobQueue,
        settings: Settings,
        pages: Pages | None = None,
    ):
        super().__init__(MAX_MAKERS, "continuum", "continua", settings.in_memory, pages)
        self.synthesizer, self.queue, self.settings = synthesizer, queue, settings

    def take(self, form: object, panel: object, controls: object) -> tuple[Any, Any]:
        """The Studio's settings as the apex; values for the tab's form and for the notice.

        The engine is the tab's own; what it cannot use waits in the form for one that can.
        """
        kept = form if isinstance(form, Mapping) else {}
        try:
            recipe = self.apex(panel, controls, kept.get("engine"))
        except SynferError as error:
            return gr.skip(), told(error)
        marking = wanted_marking(controls, self.settings.marking)
        settings = {"panel": panel, "controls": controls}
        return stamped({**kept, **settings, **taken(recipe, marking)}), None

    def change(self, form: object) -> tuple[Any, Any]:
        """The same settings for the engine that is chosen now."""
        kept = form if isinstance(form, Mapping) else {}
        return self.take(form, kept.get("panel"), kept.get("controls"))

    def apex(self, panel: object, controls: object, engine: object) -> Recipe:
        """The recipe of the Studio's settings with the tab's own engine and size.

        Raises:
            RequestError: A setting is wrong.
        """
        chosen = engine if isinstance(engine, Mapping) else {}
        own = {name: chosen.get(name) for name in ("backbone", "size")}
        given = {**controls, **own} if isinstance(controls, Mapping) else controls
        return page_recipe(panel, given, self.synthesizer.capabilities)

    async def make(self, form: object, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Make a continuum; yields values for the tab's stage and for the notice."""
        page = page_name(request)
        async for update in self.show(page, lambda: self._start(page, form), _progress, _done):
            yield update

    def _start(self, page: str, form: object) -> Callable[[], Filming]:
        """Read the form; begins the page's newest continuum, in place of what it had.

        Raises:
            RequestError: A field of the form is wrong.
        """
        continuum = continuum_of(form)
        self.synthesizer.check(continuum.frame(1.0))
        asked = form.get("marking") if isinstance(form, Mapping) else None
        marking = wanted_marking(asked, self.settings.marking)
        tools = (self.synthesizer, self.queue, self.settings)

        def begin() -> Filming:
            filming = self.errands.start(page, lambda: Filming(continuum, marking, *tools))
            self.shelf.drop(page)
            return filming

        return begin


def _progress(filming: Filming) -> Value:
    step = filming.step
    fresh = {number: filming.fresh.pop(number) for number in sorted(filming.fresh)}
    value: Value = {"phase": "running", "frames": _pictures(fresh)}
    if step is None:
        return stamped({**value, "status": "Starting", "done": 0, "total": 1})
    again = " again, at shifted moments" if step.stage == "spacing" else ""
    left = f": {step.left}" if step.left else ""
    status = f"Making frame {step.done} of {step.total}{again}{left}"
    passes = 2 if filming.continuum.even else 1
    done = step.done + step.total * (step.stage == "spacing")
    return stamped({**value, "status": status, "done": done, "total": passes * step.total})


def _done(token: str, made: Made) -> Value:
    morph = made.morph
    return stamped(
        {
            "phase": "done",
            "status": f"{len(morph.frames)} frames, {morph.continuum.seconds:g} s",
            "frames": _pictures({frame.number: frame.made.image for frame in morph.frames}),
            "captions": _captions(morph),
            "flagged": list(morph.flagged),
            "jump": morph.evenness.place,
            "fps": morph.continuum.fps,
            "charts": charts_html(morph),
            "notes": _notes(morph),
            "token": token,
            "files": [
                {"name": name, "title": title, "type": kind, "bytes": size_of(made.files[name])}
                for name, (title, kind) in KINDS.items()
            ],
        }
    )


def _pictures(frames: Mapping[int, Pixels]) -> dict[str, str]:
    """Frames by their numbers, which JSON takes as text only."""
    return {str(number): preview_url(image) for number, image in frames.items()}


def _captions(morph: Morph) -> list[str]:
    """What the player says of each frame."""
    captions = []
    for frame in morph.frames:
        ms = 1000 * frame.number / morph.continuum.fps
        asked = frame.made.recipe.action_units
        units = " · ".join(f"AU{k.removeprefix('AU')} {v:.1f}" for k, v in asked.items())
        captions.append(f"Frame {frame.number}, {ms:.0f} ms: {units or 'neutral'}")
    return captions


def _notes(morph: Morph) -> list[str]:
    """What the user should be warned of."""
    notes = []
    if morph.flagged:
        numbers = ", ".join(map(str, morph.flagged))
        notes.append(f"The person drifts in frames {numbers}: do not use them as the same person.")
    return [*notes, morph.note] if morph.note else notes


def first(forms: tuple[Value, Value], morphs: Morphs) -> Value:
    """What a freshly opened form is set to: the Studio's own first settings."""
    course = Continuum.model_fields
    kept = {name: course[name].default for name in ("frames", "fps", "course")}
    panel, controls = forms
    engine = engines.usual(morphs.synthesizer.capabilities, engines.EXACT)
    recipe = morphs.apex(panel, controls, engine)
    usual = {**kept, "even": True, "curve": {}, "curves": {}, "engine": engine}
    settings = {"panel": panel, "controls": controls, "scene": dict(FRONTAL)}
    return {**usual, **settings, **taken(recipe, morphs.settings.marking)}


def tab(
    page: gr.Blocks,
    morphs: Morphs,
    studio: tuple[gr.HTML, gr.HTML],
    forms: tuple[Value, Value],
    notice: gr.HTML,
    part: Callable[..., gr.HTML],
) -> None:
    """The tab's parts and events.

    Args:
        page: The page it is on.
        morphs: Its events.
        studio: The Studio's two forms, from which the apex is taken.
        forms: What these are set to when the page opens.
        notice: Where errors go.
        part: Makes a part of the page from script, markup and value.
    """

    def read_part(wanted: object) -> dict[str, Any]:  # Gradio marks it, which no method allows
        return morphs.shelf.read_part(wanted)

    engines.part("morph", morphs.synthesizer.capabilities, engines.EXACT, part)
    with gr.Row(elem_id="morphs"):
        with gr.Column(elem_id="morphs-left"):
            form = part("morphs", form_html(MAX_FRAMES), first(forms, morphs), "morph")
        with gr.Column(elem_id="morphs-right"):
            idle = {"phase": "idle", "status": "", "frames": {}}
            stage = part("film", stage_html(), idle, "morph", server_functions=[read_part])
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.take(morphs.take, inputs=[form, *studio], outputs=[form, notice], queue=False, **quiet)
    form.engine(morphs.change, inputs=[form], outputs=[form, notice], queue=False, **quiet)
    form.make(morphs.make, inputs=[form], outputs=[stage, notice], trigger_mode="multiple", **quiet)
    form.cancel(morphs.cancel, queue=False, **quiet)
    page.unload(morphs.leave)
