"""The tab for data sets: a recipe, a build that can be stopped and resumed, its card and files."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from app.jobs import JobQueue
from app.pages import Pages
from app.places import Places, checked
from app.settings import Settings
from app.ui import engines, lab
from app.ui.data_build import RECIPE, SET, Building, Finished, Order, Stand
from app.ui.data_files import Exports
from app.ui.data_form import form_html, saves_html, stage_html
from app.ui.data_recipe import (
    TEXT,
    USUAL_EACH,
    form_of,
    job_of,
    merged,
    seconds_of,
    spec_of,
    summary,
    text_of,
)
from app.ui.data_view import card_html, faces_html, rates_html, rates_of
from app.ui.longer import Ended, LongerWork
from app.ui.values import Value, ended_badly, page_name, stamped
from app.uploads import uploaded
from synfer_core.data.aus import Table
from synfer_core.data.building import so_far
from synfer_core.data.manifest import MANIFEST
from synfer_core.data.plan import Plan
from synfer_core.data.spec import DataSet
from synfer_core.errors import CancelledError, MissingError, SynferError
from synfer_core.facs import EXPRESSIONS, MAX_INTENSITY
from synfer_core.synthesizer import Synthesizer

MAX_BUILDERS = 2
"""Sets that are built at once; more are told to come back."""

_SHIPPED = "Data sets are built with the two engines that ship."


class Data(LongerWork[Building]):
    """The tab's events, for one synthesizer and its queue.

    Args:
        synthesizer: Makes the images.
        queue: The queue of its device.
        settings: The server's limits and folders.
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
        self.synthesizer, self.queue, self.settings = synthesizer, queue, settings
        self.places = Places(settings.data, settings.on_disk, pages)
        self.exports = Exports(self.places, synthesizer, queue, settings.on_disk, pages)

    async def build(self, form: object, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Build a set or go on with it; yields values for the tab's stage and for the notice."""
        page = page_name(request)
        async for update in self.show(
            page,
            lambda: self._start(page, form),
            _progress,
            lambda _, finished: self._whole(page, finished),
        ):
            yield update

    def open(self, form: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """A set by its name; values for the tab's form, its stage and the notice."""
        page = page_name(request)
        try:
            name = checked(form.get("name") if isinstance(form, Mapping) else None)
            if name not in self.places.names(page):
                raise MissingError("there is no set of this name", field="name")
            with self.places.using(page, name) as folder:
                return *self._opened(page, name, folder), None
        except SynferError as error:
            return gr.skip(), gr.skip(), _named(ended_badly(error, "set")[1])

    def _opened(self, page: str, name: str, folder: Path) -> tuple[Value, Value]:
        """Raises:
        MissingError: There is no set of that name.
        """
        if not (folder / RECIPE).is_file():
            raise MissingError("there is no set of this name", field="name")
        text = (folder / RECIPE).read_text(encoding="utf-8")
        form = stamped({"name": name, "text": text, **self.read_recipe({"text": text})})
        if (folder / SET / MANIFEST).is_file():
            value = {"phase": "done", "status": f"{name} is finished"}
            return form, self._shown(page, {**value, "name": name, "card": card_html(folder / SET)})
        tally = so_far(Plan.of(DataSet.load(folder / RECIPE)), folder / SET)
        stand = Stand("", tally.done, tally.total, rates_of(tally))
        return form, self._shown(page, _kept(name, stand, self.places.lasting, "begun"))

    def badly(self, errand: Building | None, outcome: object) -> Ended:
        """See `LongerWork`; what is made stays, and the notice names fields of this tab."""
        stage, notice = ended_badly(outcome, self.what)
        if errand is not None and errand.stand is not None:
            how = "stopped" if isinstance(outcome, CancelledError) else "broken off"
            stage = _kept(errand.order.name, errand.stand, self.places.lasting, how)
            return self._shown(errand.page, {**stage, **_faces(errand)}), _named(notice)
        if isinstance(outcome, CancelledError):
            stage = stamped({"phase": "stopped", "status": "Stopped before the first image."})
        return stage, _named(notice)

    def forget(self, page: str) -> None:
        """Stop a page's work; what has no lasting place goes."""
        super().forget(page)
        self.exports.forget(page)
        self.places.leave(page)

    def sets(self) -> dict[str, Any]:
        """Names of the sets that every page may go on with."""
        return {"names": self.places.names("") if self.places.lasting else []}

    def write_recipe(self, sent: object) -> Value:
        """The recipe's text with the form laid over it, and what it asks for; or an error."""
        values = sent if isinstance(sent, Mapping) else {}
        try:
            text = merged(values.get("text"), values.get("form"))
            return {"text": text, **self._read(text)}
        except SynferError as error:
            return {"error": _named(error.to_dict())}

    def read_recipe(self, sent: object) -> Value:
        """The form's values for a recipe's text, and what it asks for; or an error."""
        values = sent if isinstance(sent, Mapping) else {}
        try:
            return self._read(values.get("text"))
        except SynferError as error:
            return {"error": _named(error.to_dict())}

    def read_table(self, sent: object) -> Value:
        """How many faces are in a table that a page sends, by expression; or an error."""
        try:
            data = uploaded(sent, self.settings.upload_mb)
            with tempfile.NamedTemporaryFile(suffix=".csv") as file:
                file.write(data)
                file.flush()
                table = Table.read(Path(file.name), usual=MAX_INTENSITY)
        except SynferError as error:
            return {"error": _named({**error.to_dict(), "field": "aus.file"})}
        return {"rows": len(table.rows), "labels": sorted(filter(None, set(table.labels or ())))}

    def _read(self, text: object) -> Value:
        """Raises:
        RequestError: It is no recipe that may be built here.
        """
        spec = spec_of(text, self.settings.data_images)
        engines = self.synthesizer.capabilities
        seconds = seconds_of(spec, engines, self.queue.paces)
        return {"form": form_of(spec), "summary": summary(spec, seconds), "job": job_of(spec)}

    def _start(self, page: str, form: object) -> Callable[[], Building]:
        """Read the form; begins the page's newest build, in place of what it had.

        Raises:
            RequestError: A field of the form is wrong.
        """
        order = Order.of(form, self.settings)
        tools = (self.places, self.synthesizer, self.queue, self.settings)
        return lambda: self.errands.start(page, lambda: Building(order, page, *tools))

    def _whole(self, page: str, finished: Finished) -> Value:
        outcome = finished.outcome
        status = (
            f"{outcome.made:,} images, {outcome.rejected:,} left out by the verdict, "
            f"{outcome.duplicates:,} near-duplicates, {outcome.failed:,} failed"
        )
        value = {"phase": "done", "status": status, "name": finished.name, "card": finished.card}
        return self._shown(page, value)

    def _shown(self, page: str, value: Value) -> Value:
        return stamped({**value, "names": self.places.names(page)})


def _progress(building: Building) -> Value:
    stand = building.stand
    if stand is None:
        return stamped({"phase": "running", "status": "Starting", "done": 0, "total": 1})
    value = {"phase": "running", "status": stand.status, "done": stand.done, "total": stand.total}
    return stamped({**value, "rates": rates_html(stand.rates), **_faces(building)})


def _faces(building: Building) -> Value:
    """The newest faces, where they are others than the page has."""
    if not building.fresh:
        return {}
    building.fresh = False
    return {"faces": faces_html(tuple(building.faces))}


def _kept(name: str, stand: Stand, lasting: bool, how: str) -> Value:
    """The stage of a set that is not finished."""
    until = "are kept" if lasting else "are kept until this page closes"
    status = (
        f"{name} was {how}: {stand.done:,} of {stand.total:,} images are through and {until}. "
        "Build goes on with them."
    )
    value = {"phase": "kept", "status": status, "name": name, "rates": rates_html(stand.rates)}
    return {**value, "done": stand.done, "total": stand.total}


def _named(error: Value | None) -> Any:
    """An error with its field as this tab names it; paths of this machine stay here."""
    if error is None:
        return None
    name = str(error.get("field") or "RECIPE")
    return {**error, "field": "data.name" if "/" in name else f"data.{name}"}


def first(data: Data) -> Value:
    """What a freshly opened form is set to."""
    most = data.settings.data_images
    each = min(USUAL_EACH, most // len(EXPRESSIONS))
    counts = dict.fromkeys(EXPRESSIONS, each) if each else most
    text = text_of({"title": "Untitled data set", "counts": counts, **TEXT})
    return {"name": "", "text": text, **data.read_recipe({"text": text})}


def tab(page: gr.Blocks, data: Data, notice: gr.HTML, part: Callable[..., gr.HTML]) -> None:
    """The tab's parts and events.

    Args:
        page: The page it is on.
        data: Its events.
        notice: Where errors go.
        part: Makes a part of the page from script, markup and value.
    """

    def write_recipe(sent: object) -> Value:  # Gradio marks them, which no method allows
        return data.write_recipe(sent)

    def read_recipe(sent: object) -> Value:
        return data.read_recipe(sent)

    def read_table(sent: object) -> Value:
        return data.read_table(sent)

    def list_sets(_: object) -> Value:
        return data.sets()

    def read_part(wanted: object) -> dict[str, Any]:
        return data.exports.shelf.read_part(wanted)

    served = [write_recipe, read_recipe, read_table, list_sets]
    backbones = data.synthesizer.capabilities
    shipped = (engines.EXACT, engines.DIFFUSION)
    unable = {name: _SHIPPED for name in backbones if name not in shipped}
    engines.part("data", backbones, engines.DIFFUSION, part, unable)
    with gr.Row(elem_id="data"):
        with gr.Column(elem_id="data-left"):
            form = part(
                "data", form_html(data.settings), first(data), "data", server_functions=served
            )
        with gr.Column(elem_id="data-right"):
            idle = {"phase": "idle", "status": ""}
            stage = part("dataset", stage_html(), idle, "data")
            saves = part("datasaves", saves_html(), idle, "data", server_functions=[read_part])
            lab.part_of(lab.Lab(data.settings.runs), part)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.build(data.build, inputs=[form], outputs=[stage, notice], trigger_mode="multiple", **quiet)
    form.open(data.open, inputs=[form], outputs=[form, stage, notice], queue=False, **quiet)
    form.cancel(data.cancel, queue=False, **quiet)
    write = data.exports.write
    saves.write(write, inputs=[saves], outputs=[saves, notice], trigger_mode="multiple", **quiet)
    page.unload(data.leave)
