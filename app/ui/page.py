"""The page: which parts it has, where they stand, and what happens when they are used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from app.bounded_store import BoundedStore
from app.compare import Made, make
from app.drafts import Drafts, Wanted
from app.figures import Figures
from app.jobs import Job, JobQueue, Snapshot, State
from app.off_loop import off_loop
from app.pages import Pages, client_of_page
from app.schemas import (
    forms_of,
    page_recipe,
    refines,
    turn_of,
    wanted_marking,
    wants_comparison,
)
from app.settings import Settings
from app.ui import (
    annotate,
    controls,
    data,
    engines,
    grids,
    help,
    history,
    morphs,
    references,
    results,
    sliders,
    stimuli,
    theme,
)
from app.ui.kept import asked_csv, asked_html, compare_recipes
from app.ui.values import page_name, stamped, told
from app.uploads import uploaded
from synfer_core.enrichment import enrich_recipe
from synfer_core.errors import RequestError, SynferError
from synfer_core.faces.second_opinion import PENDING, SecondOpinion, second_opinion
from synfer_core.facs import PROTOTYPES, Expression
from synfer_core.grids.sheet import read_grid
from synfer_core.models.backbone import Capabilities
from synfer_core.report import read_recipe
from synfer_core.request import Recipe
from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer

PATIENCE = 8.0
"""Seconds that a finished report waits for MediaPipe to be loaded, or its model fetched."""

_THREADS = 12
"""Functions of the page that run at once: more would only keep the event loop waiting."""

FIRST: Expression = "happiness"
FIRST_TEXT = "a portrait photo, plain background"
FIRST_PERSON = 7

_HEADER = """
<header class="masthead"><div class="wordmark"><b>SynFER</b> Studio</div>
<p>Faces whose expression is known</p>
<button type="button" class="icon" data-act="help" title="Examples, glossary, tour"
  aria-label="Help"><b aria-hidden="true">?</b></button>
<button type="button" class="icon" data-act="theme" aria-pressed="false"
  title="Light or dark" aria-label="Dark colours"><svg viewBox="0 0 24 24" aria-hidden="true">
  <circle cx="12" cy="12" r="8.5"/><path class="half" d="M12 3.5a8.5 8.5 0 0 1 0 17z"/></svg>
</button>__SIGN_OUT__</header><p class="error notice" role="alert" hidden></p>"""

_SIGN_OUT = """
<form class="sign-out" method="post" action="__ACTION__"><button class="icon" title="Sign out"
  aria-label="Sign out"><svg viewBox="0 0 24 24" aria-hidden="true">
  <path d="M10 4H5v16h5M9 12h11m-4-4 4 4-4 4"/></svg></button></form>"""


def masthead(settings: Settings) -> str:
    """The page's head; where the server has users, with the button that signs out."""
    form = _SIGN_OUT.replace("__ACTION__", escape(f"{settings.root_path}/logout"))
    return _HEADER.replace("__SIGN_OUT__", form if settings.auth else "")


class Studio:
    """The page's events, for one synthesizer and its queue.

    Args:
        synthesizer: Makes and reads faces.
        queue: The queue of its device.
        settings: The server's limits.

    Raises:
        WeightsError: The figures beside the weights cannot be read.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        queue: JobQueue,
        settings: Settings,
        pages: Pages | None = None,
    ):
        self.synthesizer = synthesizer
        self.queue = queue
        self.settings = settings
        self.pages = pages = pages or Pages()
        self.figures = Figures.load(settings.models or DEFAULT_FOLDER)
        self.drafts = Drafts(synthesizer, queue, settings.in_memory, pages)
        self._newest = BoundedStore[Job](
            settings.in_memory,
            size=lambda job: job.size,
            alive=lambda name: pages.connected(name.rpartition(" ")[0]),
        )
        pages.watch(self._newest)
        pages.on_leave(self.forget)

    async def generate(
        self, panel: object, form: object, request: gr.Request
    ) -> AsyncIterator[Update]:
        """Make a face; yields values for stage, report and notice."""
        page = page_name(request)
        try:
            recipe = await off_loop(page_recipe, panel, form, self.synthesizer.capabilities)
            compare = wants_comparison(form)
            marking = wanted_marking(form, self.settings.marking)
            stage = partial(results.result_value, marking=marking)
            job = self._start(page, "face", lambda: make(self.synthesizer, recipe, compare=compare))
        except SynferError as error:
            yield refused(error)
            return
        self.drafts.stop(page)
        progress = partial(results.progress_value, previews=not refines(form))
        async for update in self._show(page, "face", job, stage, self._face_report, progress):
            yield update

    async def draft(self, panel: object, form: object, request: gr.Request) -> dict[str, Any]:
        """Make a draft in place of what this page has running; a value for the stage.

        What is wrong with a form is told by the run that follows when the hand lets go.
        """
        page, turn = page_name(request), turn_of(form)
        try:
            recipe = await off_loop(page_recipe, panel, form, self.synthesizer.capabilities)
            job = self.drafts.ask(page, Wanted(turn, recipe))
        except SynferError:
            job = None
        if job is None:
            return stamped({"phase": "draft", "turn": turn})
        if old := self._newest.take(f"{page} face"):
            self.queue.cancel(old)
        outcome = await self.drafts.outcome(job)
        return stamped(await off_loop(results.draft_value, outcome, turn))

    def cancel(self, request: gr.Request) -> None:
        """Stop what this page has running."""
        self.queue.cancel_owner(page_name(request))

    def leave(self, request: gr.Request) -> None:
        """The page was closed: stop its work and drop its results."""
        self.forget(page_name(request))
        self.pages.leave(page_name(request))

    def forget(self, page: str) -> None:
        """Stop a page's work and drop its results."""
        self.drafts.forget(page)
        self.queue.forget(page)

    def _start(self, page: str, kind: str, work: Any) -> Job:
        """Put a page's newest job in the queue, in place of what it had there.

        Raises:
            BusyError: The queue is full.
        """
        old = self._newest.get(f"{page} {kind}")
        if old:
            self.queue.cancel(old)
        job = self.queue.submit(work, owner=page, client=client_of_page(page))
        return self._newest.put(f"{page} {kind}", job)

    async def _show(
        self,
        page: str,
        kind: str,
        job: Job,
        stage: Shown,
        report: Report,
        progress: Shown = results.progress_value,
    ) -> AsyncIterator[Update]:
        """What the page shows of a job, until its end or until the page has a newer one.

        The picture does not wait for MediaPipe: its reading comes in a second report.
        """
        name = f"{page} {kind}"
        try:
            async for snapshot in self.queue.follow(job):
                if self._newest.get(name) is not job:
                    return
                yield await off_loop(update_of, snapshot, stage, report, progress)
            if snapshot.state is State.DONE:
                made = snapshot.result
                opinion = await asyncio.to_thread(second_opinion, made.image, PATIENCE)
                if self._newest.get(name) is job:
                    yield gr.skip(), await off_loop(report, made, opinion), gr.skip()
        finally:
            self.queue.drop(job)  # its result is the page's now, and nobody else knows its name
            if self._newest.get(name) is job:
                self._newest.drop(name)

    def _face_report(self, made: Made, opinion: SecondOpinion) -> str:
        return results.report_html(made, self.figures, opinion)


Update = tuple[Any, Any, Any]
"""Values for a tab's stage, its report, and the notice."""

Shown = Callable[[Any], dict[str, Any]]
"""What the stage shows of what a job made, or of a job that goes on."""

Report = Callable[[Any, SecondOpinion], str]
"""The report's markup, from what a job made and what MediaPipe says of it."""


def update_of(
    snapshot: Snapshot, stage: Shown, report: Report, progress: Shown = results.progress_value
) -> Update:
    """What the page shows of a job; MediaPipe has not spoken yet."""
    if snapshot.state is not State.DONE:
        return _unfinished(snapshot, progress)
    return stamped(stage(snapshot.result)), report(snapshot.result, PENDING), None


def refused(error: SynferError) -> Update:
    """What the page shows where nothing was started."""
    return stamped({"phase": "failed", "status": ""}), gr.skip(), told(error)


def _unfinished(snapshot: Snapshot, progress: Shown) -> Update:
    if snapshot.error:
        stage, notice = results.stopped_value(snapshot), told(snapshot.error)
        return stamped(stage), gr.skip(), notice
    if snapshot.state.final:
        return stamped(results.stopped_value(snapshot)), gr.skip(), None
    return stamped(progress(snapshot)), gr.skip(), gr.skip()


def recipe_of(content: bytes) -> Recipe:
    """A recipe from the bytes of a PNG made here or of a JSON file; content decides, not the name.

    The hash of the weights is left out, so that the recipe can be run with those at hand.

    Raises:
        RequestError: There is no valid recipe in it.
        ImageError: A PNG cannot be read.
    """
    png = content.startswith(b"\x89PNG")
    if not png and b"\0" in content:
        raise RequestError(
            "is a file of another kind", field="recipe", allowed="a PNG made here, or JSON"
        )
    recipe = read_recipe(content) if png else Recipe.parse_json(content)
    return recipe.model_copy(update={"weights_sha256": None})


def recipe_reader(limit_mb: int) -> Callable[[object], dict[str, Any]]:
    """What the page calls with a recipe's file; answers values for its forms, or an error.

    A sheet of a grid answers values for the form of grids.
    """

    def read_recipe(upload: object) -> dict[str, Any]:
        try:
            content = uploaded(upload, limit_mb)
            if grid := read_grid(content):
                return {"grid": grids.form_of(grid)}
            forms = forms_of(recipe_of(content))
        except SynferError as error:
            return {"error": {**error.to_dict(), "field": "recipe"}}
        return {"panel": forms.panel, "controls": forms.controls}

    return read_recipe


def enricher(backbones: Mapping[str, Capabilities]) -> Callable[[object], dict[str, Any]]:
    """What the page calls for a detailed prompt; answers its text and notes, or an error."""

    def enrich_words(forms: object) -> dict[str, Any]:
        try:
            return _enriched(forms, backbones)
        except SynferError as error:
            return {"error": error.to_dict()}

    return enrich_words


def _enriched(forms: object, backbones: Mapping[str, Capabilities]) -> dict[str, Any]:
    """The detailed prompt for the page's two forms.

    Raises:
        RequestError: A field of them is wrong, or there is nothing to describe.
    """
    if not isinstance(forms, Mapping) or not isinstance(forms.get("controls"), Mapping):
        raise RequestError("the page sent no settings; reload it", field="recipe")
    controls = {**forms["controls"], "enriched_text": ""}
    _, made = enrich_recipe(page_recipe(forms.get("panel"), controls, backbones))
    return {"text": made.text, "notes": list(made.notes)}


def pace_reader(queue: JobQueue) -> Callable[[object], dict[str, Any]]:
    """What the page calls to know what images took here, by engine and size."""

    def read_paces(_: object) -> dict[str, Any]:
        quick = [name for name, engine in queue.paces.engines.items() if engine.drafts]
        return {"paces": queue.paces.told(), "engines": quick}

    return read_paces


def first_forms(synthesizer: Synthesizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a freshly opened page is set to: a smile."""
    recipe = Recipe(
        **engines.usual(synthesizer.capabilities, engines.DIFFUSION),
        text=FIRST_TEXT,
        aus=dict(PROTOTYPES[FIRST]),
        expression=FIRST,
        identity_seed=FIRST_PERSON,
    )
    forms = forms_of(recipe)
    return forms.panel, forms.controls


def build(studio: Studio) -> gr.Blocks:
    """The page with its events."""
    page: gr.Blocks
    served = (studio.synthesizer, studio.queue, studio.settings, studio.pages)
    with gr.Blocks(
        title="SynFER Studio",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(600, 600),
    ) as page:
        head = masthead(studio.settings)
        gr.HTML(html_template=head, elem_id="masthead", apply_default_css=False)
        notice = _part("notice", "<span></span>", None)
        backbones = studio.synthesizer.capabilities
        _part("help", help.help_html(), None, server_functions=help.server_functions(backbones))
        _part("paces", "<span hidden></span>", None, server_functions=[pace_reader(studio.queue)])
        _part("compare", history.compare_html(), None, server_functions=[compare_recipes])
        _part("asked", asked_html(), None, server_functions=[asked_csv])
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            with gr.Tab("Studio"):
                forms = _studio_tab(page, studio, notice)
            with gr.Tab("Annotate"):
                read = annotate.Annotate(*served)
                annotate.tab(page, read, notice, _part, _report)
            with gr.Tab("Stimuli"):
                sets = stimuli.Stimuli(*served)
                stimuli.tab(page, sets, notice, _part)
            with gr.Tab("Grids"):
                rows = grids.Grids(*served)
                grids.tab(page, rows, notice, _part, first_forms(studio.synthesizer))
            with gr.Tab("Morphs"):
                films = morphs.Morphs(*served)
                morphs.tab(page, films, forms, first_forms(studio.synthesizer), notice, _part)
            with gr.Tab("Data"):
                factory = data.Data(*served)
                data.tab(page, factory, notice, _part)
        page.unload(studio.leave)
    page.max_threads = _THREADS
    page.queue(
        api_open=False,
        max_size=studio.settings.pages,
        default_concurrency_limit=studio.settings.pages,
    )
    return page


def _studio_tab(page: gr.Blocks, studio: Studio, notice: gr.HTML) -> tuple[gr.HTML, gr.HTML]:
    """The tab's parts and events; returns its two forms."""
    panel_value, form_value = first_forms(studio.synthesizer)
    engines.part("studio", studio.synthesizer.capabilities, engines.DIFFUSION, _part)
    with gr.Row(elem_id="bench"):
        with gr.Column(elem_id="left"):
            panel = _part(
                "sliders",
                sliders.panel_html(FIRST),
                panel_value,
                server_functions=[sliders.read_facs, sliders.write_facs],
            )
        with gr.Column(elem_id="centre"):
            empty = "The first face is on its way." if studio.settings.first_face else ""
            markup = results.stage_html(main=True, empty=empty)
            stage = _part("stage regions", markup, {"phase": "idle"})
            _part("history", history.history_html(), None)
            form = _part(
                "controls enrich edit portrait staged live undo",
                controls.controls_html(
                    studio.synthesizer.capabilities,
                    form_value,
                    studio.settings.marking,
                    live=studio.settings.live,
                ),
                form_value,
                server_functions=[
                    recipe_reader(studio.settings.upload_mb),
                    enricher(studio.synthesizer.capabilities),
                    references.reference_reader(studio.synthesizer, studio.settings.upload_mb),
                    references.portrait_reader(studio.settings.upload_mb),
                ],
            )
        with gr.Column(elem_id="right"):
            waiting = results.empty_report_html("What is read off the face will stand here.")
            report = _report("report", waiting)
    making = {"inputs": [panel, form], "outputs": [stage, report, notice], **_QUIET}
    form.generate(studio.generate, trigger_mode="multiple", **making)
    form.draft(
        studio.draft,
        inputs=[panel, form],
        outputs=[stage],
        queue=False,
        trigger_mode="multiple",
        **_QUIET,
    )
    form.cancel(studio.cancel, queue=False, **_QUIET)
    if studio.settings.first_face:
        page.load(studio.generate, **making)
    return panel, form


_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def _part(
    script: str, markup: str, value: Any, name: str = "", *, server_functions: Any = None
) -> gr.HTML:
    """A part of the page with its own markup and script; its value is what the two exchange."""
    return gr.HTML(
        value=value,
        html_template=markup,
        js_on_load=theme.script(*script.split()),
        elem_id=f"{name or 'studio'}-{script.split(maxsplit=1)[0]}",
        apply_default_css=False,
        server_functions=server_functions,
    )


def _report(name: str, value: str) -> gr.HTML:
    return gr.HTML(
        value=value,
        js_on_load=theme.script("report"),
        elem_id=name,
        apply_default_css=False,
    )
