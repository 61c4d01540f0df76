"""The tab for stimulus sets: a form, its progress, a contact sheet and a ZIP file.

A set is made by a thread of its own, image by image through the device's queue, so that others get
their turn between two images. The ZIP file has no name on the disk and goes to the page in parts.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from app.errands import Errand
from app.jobs import JobQueue
from app.off_loop import off_loop
from app.pages import Pages
from app.settings import Settings
from app.shelf import Files, size_of
from app.ui import engines, people, typed
from app.ui.longer import Ended, LongerWork
from app.ui.pictures import data_url
from app.ui.scene import FRONTAL
from app.ui.stimuli_form import form_html, stage_html
from app.ui.stimuli_kept import Begun, BegunSets
from app.ui.stimuli_skin import warning
from app.ui.values import Value, page_name, stamped
from synfer_core.errors import (
    CancelledError,
    DependencyError,
    RequestError,
    SynferError,
    WeightsError,
)
from synfer_core.faces.landmarks import explain, shared_landmarker
from synfer_core.models.backbone import Located
from synfer_core.stimuli import confusion
from synfer_core.stimuli.archive import zipped
from synfer_core.stimuli.export import Sheet, export
from synfer_core.stimuli.making import Making, Step
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.record import Record
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.stimuli.tools import Tools
from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer

MAX_IMAGES = 1000
"""Images of a set that the page builds; the command line takes more."""

_MIXES = 4000
"""Letters in which mixes are typed."""

MAX_BUILDERS = 2
"""Sets that are built at once; more are told to come back."""

FIRST: Mapping[str, Any] = {
    "identities": "1, 2",
    "expressions": ["happiness", "anger"],
    "action_units": [],
    "mixes": "",
    "step": 50,
    "recipe": {"text": "plain background", "seed": "0", "scene": dict(FRONTAL)},
    "same_scene": True,
    "treatment": {
        "align": "eyes",
        "crop": "none",
        "greyscale": False,
        "match": "none",
        "match_over": "person",
    },
    "files": {"template": StimulusSet.model_fields["files"].default.template, "view": "front"},
    "about": {"title": "", "authors": "", "purpose": "", "licence": "Apache-2.0"},
}
"""What a freshly opened form is set to: whole faces from the front in colour as they were made, but
for the eyes, which lie at the same places. A crop, grey or matched luminance is the experimenter's
own choice.
"""

_SHEET_SECONDS = 3.0


def spec_of(form: object) -> StimulusSet:
    """The specification that the page's form describes.

    Raises:
        RequestError: Names the first field that is wrong and what is allowed there.
    """
    if not isinstance(form, Mapping):
        raise RequestError("the page sent no settings; reload it", field="identities")
    values = {name: value for name, value in form.items() if value not in (None, "")}
    values["identities"] = typed.seeds(str(form.get("identities", "")), "identities")
    values["mixes"] = _mixes(str(form.get("mixes", "")))
    values["recipe"] = _shared(form.get("recipe"))
    if isinstance(form.get("about"), Mapping):
        values["about"] = {k: v for k, v in form["about"].items() if v != ""}
    return StimulusSet.parse(values)


def _mixes(text: str) -> dict[str, str]:
    """Mixes as typed, one a line: a name and its FACS string."""
    if len(text) > _MIXES:
        raise RequestError("is too long", field="mixes", allowed=f"at most {_MIXES:,} letters")
    mixes: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        name, equals, facs = (part.strip() for part in line.partition("="))
        if not equals or name in mixes:
            allowed = "one a line, each name once, such as smirk = R12C+R14B"
            raise RequestError(f"cannot read {line[:40]!r}", field="mixes", allowed=allowed)
        mixes[name] = facs
    return mixes


def _shared(recipe: object) -> dict[str, Any]:
    """What all images share; the seed is text, because a browser's numbers end at 2**53."""
    values = dict(recipe) if isinstance(recipe, Mapping) else {}
    seed = str(values.get("seed", "0")).strip()
    if not (seed.isascii() and seed.isdigit() and len(seed) <= 19):
        raise RequestError("is not a whole number", field="recipe.seed", allowed="0 to 2^63-1")
    shared = {name: value for name, value in values.items() if value is not None}
    return {**shared, "seed": int(seed)}


@dataclass(frozen=True)
class Built:
    """A finished set.

    Attributes:
        record: What is known of it.
        files: The open ZIP file by its name.
        sheet: The contact sheet, a JPEG.
    """

    record: Record
    files: Files
    sheet: bytes


class Build(Errand[Built]):
    """One set in the making.

    Args:
        begun: What to make, and the images that are there already.
        synthesizer: Makes the images.
        queue: The queue of its device.
        settings: Where the weights are.
        partial: Write the images that are there, and make no others.
    """

    def __init__(
        self,
        begun: Begun,
        synthesizer: Synthesizer,
        queue: JobQueue,
        settings: Settings,
        partial: bool = False,
    ):
        super().__init__("stimuli", synthesizer, queue, self._export)
        self.partial, self.store = partial, begun.store
        self.plan = plan = begun.partial if partial else begun.plan
        self.folder = settings.models or DEFAULT_FOLDER
        self.step: Step | None = None
        self.sheet: bytes | None = None
        self._sheet, self._drawn = Sheet(plan), time.monotonic()
        self._places = {stimulus.file: stimulus for stimulus in plan.stimuli}

    def _export(self) -> Built:
        making = Making(self.plan, self._tools(), self.store)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            with zipped(file) as sink:
                record = export(making, sink, self._watch)
            self.stop_if_cancelled()
            stack.pop_all()  # it stays open until the page leaves
        slug = _slug(record.plan.spec.about.title)
        name = f"{slug}-incomplete.zip" if self.partial else f"{slug}.zip"
        return Built(record, {name: file}, self._sheet.draw())

    def _tools(self) -> Tools:
        align = self.plan.spec.treatment.align
        backbone = self.synthesizer.backbones.get(self.plan.stimuli[0].recipe.backbone)
        if align == "eyes" and not isinstance(backbone, Located):
            _need_landmarker()
        return Tools.of(self.synthesizer, self.folder, align, self.generate, self.generate_several)

    def _watch(self, step: Step) -> None:
        """Called in the thread after each image."""
        self.stop_if_cancelled()
        if step.image is not None:
            self._sheet.put(self._places[step.file], step.image)
        now = time.monotonic()
        if now - self._drawn > max(_SHEET_SECONDS, step.total / 20) or step.done == 1:
            self.sheet, self._drawn = self._sheet.draw(), now
        self.step = step
        self.ring()


def _need_landmarker() -> None:
    """Raises:
    RequestError: Eyes cannot be found on this machine; says why in words for a page.
    """
    try:
        shared_landmarker()
    except (DependencyError, WeightsError) as error:
        why, remedy = explain(error)
        allowed = f"without alignment. {remedy.rstrip('.')}"
        raise RequestError(why, field="treatment.align", allowed=allowed) from error


class Stimuli(LongerWork[Build]):
    """The tab's events, for one synthesizer and its queue.

    Args:
        synthesizer: Makes the images.
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
        pages = pages or Pages()
        super().__init__(MAX_BUILDERS, "set", "sets", settings.on_disk, pages)
        self.begun = BegunSets(self.errands.busy, settings.on_disk.seconds, pages)
        self.synthesizer, self.queue, self.settings = synthesizer, queue, settings

    async def build(self, form: object, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Build a set; yields values for the tab's stage and for the notice."""
        page = page_name(request)
        async for update in self.show(page, lambda: self._start(page, form), _progress, _done):
            yield update

    async def resume(self, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Go on with the page's set that was stopped."""
        page = page_name(request)
        async for update in self.show(page, lambda: self._again(page), _progress, _done):
            yield update

    async def part(self, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Write the finished images of the page's set that was stopped."""
        page = page_name(request)
        again = partial(self._again, page, partial=True)
        async for update in self.show(page, again, _progress, _done):
            yield update

    def badly(self, errand: Build | None, outcome: object) -> Ended:
        """A set that was stopped keeps its finished images and can go on.

        Args:
            errand: The set; None where it was not begun.
            outcome: The error that ended it; None where nobody foresaw it.
        """
        value, notice = super().badly(errand, outcome)
        begun = self.begun.of(errand.store) if errand else None
        if begun is None or not len(begun.store) or not isinstance(outcome, CancelledError):
            return value, notice
        return _paused(begun), None

    def ended(self, page: str, errand: Build) -> None:
        """Delete the images of a set whose files are written, or that cannot be made."""
        if not errand.partial and not isinstance(errand.outcome, CancelledError):
            self.begun.drop(page)

    def forget(self, page: str) -> None:
        """Stop a page's work and drop its images and files."""
        super().forget(page)
        self.begun.drop(page)

    async def warn_of_skin(self, form: object) -> dict[str, str]:
        """What the form's matching does to skin, for the page to show before anything is built."""
        try:
            spec = await off_loop(spec_of, form)
            return {"text": await warning(spec, self.synthesizer, self.queue)}
        except SynferError:
            return {"text": ""}  # building names what is wrong

    def _start(self, page: str, form: object) -> Callable[[], Build]:
        """Read the form; begins the page's newest build, in place of what it had.

        Raises:
            RequestError: A field of the form is wrong.
        """
        spec = spec_of(form)
        if spec.count > MAX_IMAGES:
            allowed = f"at most {MAX_IMAGES:,} here; synfer stimuli takes more"
            raise RequestError(f"{spec.count:,} images", field="identities", allowed=allowed)
        plan = Plan.of(spec)
        self.synthesizer.check(plan.stimuli[0].recipe)
        return lambda: self._launch(page, lambda: self.begun.begin(page, plan))

    def _again(self, page: str, *, partial: bool = False) -> Callable[[], Build]:
        """The page's set that was stopped, going on.

        Raises:
            RequestError: It is not there any more.
        """
        begun = self.begun.get(page)
        if begun is None:
            raise RequestError("the set is not here any more; build it again", field="identities")
        return lambda: self._launch(page, lambda: begun, partial=partial)

    def _launch(self, page: str, begin: Callable[[], Begun], partial: bool = False) -> Build:
        """Raises:
        SynferError: Others are building sets.
        """
        kept = (self.synthesizer, self.queue, self.settings)
        build = self.errands.start(page, lambda: Build(begin(), *kept, partial))
        self.shelf.drop(page)
        return build


def _progress(build: Build) -> Value:
    step, sheet = build.step, build.sheet
    build.sheet = None
    value: Value = {"phase": "running", "sheet": data_url(sheet, "jpeg") if sheet else None}
    if step is None:
        return stamped({**value, "status": "Starting", "done": 0, "total": 1})
    what = "Making" if step.stage == "making" else "Matching and writing"
    left = f": {step.left}" if step.left else ""
    status = f"{what} image {step.done} of {step.total}{left}"
    return stamped({**value, "status": status, "done": step.done, "total": step.total})


def _paused(begun: Begun) -> Value:
    """A set that was stopped and can go on."""
    made, planned = len(begun.store), len(begun.plan.stimuli)
    ready = len(begun.partial.stimuli)
    kept = f"Stopped: {made:,} of {planned:,} images are kept until this page closes."
    value: Value = {"phase": "paused", "status": kept, "done": made, "total": planned}
    return stamped({**value, "ready": ready})


def _done(token: str, built: Built) -> Value:
    record = built.record
    ((name, file),) = built.files.items()
    size = size_of(file)
    return stamped(
        {
            "phase": "done",
            "status": f"{len(record.rows):,} images, {size / 1e6:.1f} MB",
            "more": record.plan.planned is not None,
            "sheet": data_url(built.sheet, "jpeg"),
            "token": token,
            "bytes": size,
            "file": name,
            "notes": _notes(record),
            "good": _good(record),
            "confusion": data_url(record.confusion, "png") if record.confusion else None,
            "said": " ".join(confusion.notes(record)),
        }
    )


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "stimuli"


def _notes(record: Record) -> list[str]:
    """What the user should be warned of in a finished set."""
    notes = [f"{failure.stimulus.file} is missing: {failure.error}" for failure in record.failures]
    if record.flagged:
        notes.append(f"The person drifts in: {', '.join(record.flagged)}.")
    return [*notes, record.note] if record.note else notes


def _good(record: Record) -> str:
    """That nobody drifts, where that was looked for and is so."""
    if record.flagged or not record.values("identity_drift"):
        return ""
    return (
        f"Nobody drifts: the identity similarity is {record.span('identity_similarity', 2)}, the "
        f"threshold {record.span('identity_threshold', 2)}."
    )


def tab(page: gr.Blocks, stimuli: Stimuli, notice: gr.HTML, part: Callable[..., gr.HTML]) -> None:
    """The tab's parts and events.

    Args:
        page: The page it is on.
        stimuli: Its events.
        notice: Where errors go.
        part: Makes a part of the page from script, markup and value.
    """

    def read_part(wanted: object) -> dict[str, Any]:  # Gradio marks it, which no method allows
        return stimuli.shelf.read_part(wanted)

    async def warn_of_skin(form: object) -> dict[str, str]:
        return await stimuli.warn_of_skin(form)

    backbones = stimuli.synthesizer.capabilities
    unable = {
        name: f"{one.title} {one.reasons.get('identity', 'keeps no person')}."
        for name, one in backbones.items()
        if not one.identity
    }
    engines.part("set", backbones, engines.EXACT, part, unable)
    with gr.Row(elem_id="stimuli"):
        with gr.Column(elem_id="stimuli-left"):
            served = [warn_of_skin]
            form = part("stimuli", form_html(), dict(FIRST), "set", server_functions=served)
        with gr.Column(elem_id="stimuli-right"):
            gallery = people.Gallery(stimuli.synthesizer, stimuli.queue)
            functions = gallery.server_functions()
            part("people", people.gallery_html(), None, "set", server_functions=functions)
            start = {"phase": "idle", "status": ""}
            stage = part("sheet", stage_html(), start, "set", server_functions=[read_part])
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.build(
        stimuli.build, inputs=[form], outputs=[stage, notice], trigger_mode="multiple", **quiet
    )
    form.cancel(stimuli.cancel, queue=False, **quiet)
    shown: dict[str, Any] = {"outputs": [stage, notice], "trigger_mode": "multiple", **quiet}
    stage.resume(stimuli.resume, **shown)
    stage.part(stimuli.part, **shown)
    page.unload(stimuli.leave)
