"""The tab for grids of faces: base recipe, two axes, and cells that come one by one.

Each cell is a job of its own in the device's queue, so that others get their turn in between.
Finished cells wait here until the page fetches them, and go when it closes or makes another grid.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr

from app.bounded_store import BoundedStore, weigh
from app.jobs import JobQueue, Snapshot, State
from app.off_loop import off_loop
from app.pages import Pages, client_of_page
from app.schemas import forms_of, page_recipe, unsupported_fields, wanted_marking
from app.settings import Settings
from app.tokens import opened_by
from app.turns import in_turn
from app.ui import engines, typed
from app.ui.grids_form import NUMBERS, WHOLE, form_html, stage_html
from app.ui.kept import kept_value
from app.ui.pictures import data_url, preview_url
from app.ui.results import file_name
from app.ui.scene import FRONTAL
from app.ui.values import Value, page_name, stamped, told
from synfer_core.errors import RequestError, SynferError, UnsupportedError
from synfer_core.grids import making
from synfer_core.grids.axis import Axis
from synfer_core.grids.sheet import Face, png_of
from synfer_core.grids.spec import Cell, Grid
from synfer_core.models.backbone import Capabilities
from synfer_core.provenance.marking import Marking
from synfer_core.report import Result
from synfer_core.synthesizer import Synthesizer

MAX_CELLS = 100
"""Cells of a grid that the page makes; the command line takes more."""

MAX_MAKERS = 4
"""Grids that are made at once; more are told to come back."""


def grid_of(form: object, backbones: Mapping[str, Capabilities]) -> Grid:
    """The grid that the page's form describes.

    Raises:
        RequestError: Names the first field that is wrong and what is allowed there.
    """
    base = form.get("base") if isinstance(form, Mapping) else None
    if not isinstance(form, Mapping) or not isinstance(base, Mapping):
        raise RequestError("the page sent no settings; reload it", field="base")
    try:
        recipe = page_recipe(base.get("panel"), base.get("controls"), backbones)
    except RequestError as error:
        where = f"base.{error.field}"
        raise type(error)(error.message, field=where, allowed=error.allowed) from error
    axes = {place: _axis(form.get(place), place) for place in ("rows", "columns")}
    for place, axis in axes.items():
        _check_kind(axis["kind"], place, backbones[recipe.backbone])
    shared = {"same_scene": form.get("same_scene", True)}
    base = recipe.model_copy(update={"weights_sha256": None})
    grid = Grid.parse({"base": base, **axes, **shared})
    if len(grid.cells) > MAX_CELLS:
        allowed = f"at most {MAX_CELLS} here; synfer grid takes more"
        raise RequestError(f"{len(grid.cells)} cells", field="columns.values", allowed=allowed)
    return grid


def _axis(given: object, place: str) -> dict[str, Any]:
    """An axis as the form has it: numbers are text, and what does not go with its kind is there."""
    axis = given if isinstance(given, Mapping) else {}
    kind, values, named = axis.get("kind"), axis.get("values"), f"{place}.values"
    if kind in WHOLE or kind in NUMBERS:
        read = typed.seeds if kind in WHOLE else typed.numbers
        values = read(str(values or ""), named)
    if not values:
        raise RequestError("has no values", field=named, allowed="one at least")
    fields = {"kind": kind, "values": values}
    if kind == "intensity":
        fields["unit"] = axis.get("unit") or None
    if kind == "units" and axis.get("intensity"):
        fields["intensity"] = typed.numbers(str(axis["intensity"]), f"{place}.intensity")[0]
    return fields


def _check_kind(kind: object, place: str, engine: Capabilities) -> None:
    """Refuse an axis along which nothing would change.

    Raises:
        UnsupportedError: The engine cannot use what it sets.
    """
    lacking = unsupported_fields(engine)
    name = str(kind)
    if name in lacking or name.partition(".")[0] in lacking:
        why = engines.engine_facts(engine)["cannot"]
        reason = why.get(name) or why[name.partition(".")[0]]
        raise UnsupportedError(reason, field=f"{place}.kind", allowed="another engine, or axis")


def form_of(grid: Grid) -> Value:
    """The page's form set to a grid; `grid_of` gives an equal one back."""
    forms = forms_of(grid.base.model_copy(update={"weights_sha256": None}))
    base = {"panel": forms.panel, "controls": forms.controls}
    axes = {"rows": _axis_form(grid.rows), "columns": _axis_form(grid.columns)}
    return {"base": base, **axes, "same_scene": grid.same_scene}


def _axis_form(axis: Axis) -> Value:
    typed_in = axis.kind in WHOLE or axis.kind in NUMBERS
    intensity = "" if axis.intensity is None else f"{axis.intensity:g}"
    return {
        "kind": axis.kind,
        "values": ", ".join(axis.names) if typed_in else list(axis.values),
        "unit": axis.unit or "",
        "intensity": intensity,
    }


@dataclass
class Run:
    """One grid in the making, or made.

    Attributes:
        grid: What is made.
        marking: What is put onto pictures as they leave.
        token: Names it to the page that asked for it.
        faces: By the cell's index.
        tiles: What the page fetches of each cell that has ended, in the order they ended.
        cancelled: Whether it is to stop.
        size: Bytes of memory that its faces and tiles take.
    """

    grid: Grid
    marking: Marking
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    faces: dict[int, Face] = field(default_factory=dict)
    tiles: list[Value] = field(default_factory=list)
    cancelled: bool = False
    size: int = 0
    started: float = field(default_factory=time.monotonic)

    def keep(self, cell: Cell, snapshot: Snapshot) -> None:
        """Take over a cell that has ended by itself."""
        if snapshot.state is State.DONE:
            result: Result = snapshot.result
            face, tile = Face(result.image, result.recipe), self._tile(cell, result)
            self.faces[cell.index] = face
            self.tiles.append(tile)
            self.size += weigh((face, tile))
        elif snapshot.error:
            self.tiles.append({"index": cell.index, "error": str(snapshot.error)})

    def _tile(self, cell: Cell, result: Result) -> Value:
        return {
            "index": cell.index,
            "image": data_url(result.to_png(self.marking), "png"),
            "file": file_name(result),
            "name": self.grid.name(cell),
            **kept_value(result),
        }

    @property
    def left(self) -> str:
        """How long the rest is likely to take, in words; empty while nobody can tell."""
        if not self.tiles:
            return ""
        each = (time.monotonic() - self.started) / len(self.tiles)
        seconds = each * (len(self.grid.cells) - len(self.tiles))
        words = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
        return f", about {words} left" if seconds else ""


class Grids:
    """The tab's events, for one synthesizer and its queue.

    Args:
        synthesizer: Makes the faces.
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
        self.synthesizer, self.queue, self.settings = synthesizer, queue, settings
        pages = pages or Pages()
        self._runs = BoundedStore[Run](
            settings.in_memory,
            size=lambda run: run.size,
            close=self._end,
            alive=pages.connected,
            held=self._at_work,
        )
        pages.watch(self._runs)
        pages.on_leave(self.forget)
        self._making: set[str] = set()

    async def make(self, form: object, request: gr.Request) -> AsyncIterator[tuple[Any, Any]]:
        """Make a grid; yields values for the tab's stage and for the notice."""
        page = page_name(request)
        try:
            read = await off_loop(self._read, form)
            run = self._start(page, *read)
        except SynferError as error:
            yield _refused(), told(error)
            return
        self._making.add(run.token)
        try:
            for cell in run.grid.cells:
                async for value in self._cell(page, run, cell):
                    yield value, gr.skip()
                if run.cancelled:
                    break
            if self._runs.get(page) is run:
                yield _ended(run), None
        finally:
            self._making.discard(run.token)
            self._runs.resize(page)

    async def _cell(self, page: str, run: Run, cell: Cell) -> AsyncIterator[Value]:
        """One cell, in its turn."""
        work, client = partial(self.synthesizer.stream, cell.recipe), client_of_page(page)
        turn = in_turn(self.queue, work, _owner(run), client)
        async with aclosing(turn):
            async for snapshot in turn:
                if run.cancelled:
                    return
                if snapshot and snapshot.state.final:
                    await off_loop(run.keep, cell, snapshot)
                yield await off_loop(_progress, run, cell, snapshot)

    def cancel(self, request: gr.Request) -> None:
        """Stop what this page makes; finished cells stay."""
        if run := self._runs.get(page_name(request)):
            run.cancelled = True
            self.queue.cancel_owner(_owner(run))

    def leave(self, request: gr.Request) -> None:
        """The page was closed: stop its work and drop its cells."""
        self.forget(page_name(request))

    def forget(self, page: str) -> None:
        """Stop a page's work and drop its cells."""
        self._runs.drop(page)

    def _end(self, run: Run) -> None:
        """Stop a run that nobody wants any more."""
        run.cancelled = True
        self.queue.cancel_owner(_owner(run))
        self._making.discard(run.token)

    def _at_work(self, page: str) -> bool:
        run = self._runs.find(page)
        return run is not None and run.token in self._making

    def read_cells(self, wanted: object) -> Value:
        """The cells that ended since, as the page asks for them: a token, and how many it has."""
        run, known = self._found(wanted), _number(wanted, "known")
        return _gone() if run is None else {"cells": run.tiles[known : known + 8]}

    def read_sheet(self, wanted: object) -> Value:
        """The sheet of a grid, as the page asks for it: a token."""
        run = self._found(wanted)
        if run is None or not run.faces:
            return _gone()
        return {"data": base64.b64encode(png_of(run.grid, run.faces, run.marking)).decode()}

    def _found(self, wanted: object) -> Run | None:
        for page in self._runs:
            run = self._runs.find(page)
            if run and opened_by([run], wanted):
                self._runs.resize(page)
                return run
        return None

    def _read(self, form: object) -> tuple[Grid, Marking]:
        """Raises:
        RequestError: A field of the form is wrong.
        """
        grid = grid_of(form, self.synthesizer.capabilities)
        making.check(grid, self.synthesizer.check)
        controls = form["base"]["controls"] if isinstance(form, Mapping) else None
        return grid, wanted_marking(controls, self.settings.marking)

    def _start(self, page: str, grid: Grid, marking: Marking) -> Run:
        """The page's newest grid, in place of what it had.

        Raises:
            SynferError: Others are making grids.
        """
        self._runs.drop(page)
        if len(self._making) >= MAX_MAKERS:
            others = f"{len(self._making)} other grids"
            raise SynferError(f"The studio is making {others}. Try again in some minutes.")
        return self._runs.put(page, Run(grid, marking))


def _owner(run: Run) -> str:
    return f"grid {run.token}"


def _number(wanted: object, name: str) -> int:
    value = wanted.get(name) if isinstance(wanted, Mapping) else None
    return value if isinstance(value, int) and value >= 0 else 0


def _gone() -> Value:
    return {"error": SynferError("The grid is not here any more; make it again.").to_dict()}


def _refused() -> Value:
    return stamped({"phase": "refused", "status": "Nothing was made; the reason is on the page."})


def _shared(run: Run) -> Value:
    """What every value says of a run."""
    axes = {"rows": _named(run.grid.rows), "columns": _named(run.grid.columns)}
    return {"token": run.token, "ended": len(run.tiles), "total": len(run.grid.cells), **axes}


def _named(axis: Axis) -> Value:
    return {"title": axis.title, "names": list(axis.names)}


def _progress(run: Run, cell: Cell, snapshot: Snapshot | None) -> Value:
    """A grid that goes on; None where the queue is full."""
    value = {"phase": "running", "at": cell.index, "share": 0.0, "preview": None, **_shared(run)}
    place = f"Face {cell.index + 1} of {len(run.grid.cells)}{run.left}"
    if snapshot is None or snapshot.state is State.QUEUED:
        ahead = snapshot.ahead if snapshot else 0
        waits = f", waiting for {ahead} other{'s' * (ahead != 1)}" if ahead else ", waiting"
        return stamped({**value, "status": place + waits})
    if now := snapshot.progress:
        value["share"] = now.step / max(1, now.total)
        value["preview"] = None if now.preview is None else preview_url(now.preview)
    return stamped({**value, "status": place})


def _ended(run: Run) -> Value:
    failed = len(run.tiles) - len(run.faces)
    status = f"{len(run.faces)} of {len(run.grid.cells)} faces"
    if run.cancelled:
        status = f"Cancelled; {status} were made and are kept."
    if failed:
        status += f"; {failed} could not be made"
    return stamped({"phase": "done", "status": status, **_shared(run)})


def tab(
    page: gr.Blocks,
    grids: Grids,
    notice: gr.HTML,
    part: Callable[..., gr.HTML],
    base: tuple[Value, Value],
) -> None:
    """The tab's parts and events.

    Args:
        page: The page it is on.
        grids: Its events.
        notice: Where errors go.
        part: Makes a part of the page from script, markup and value.
        base: What the studio's two forms are set to at first.
    """

    def read_cells(wanted: object) -> Value:  # Gradio marks them, which no method allows
        return grids.read_cells(wanted)

    def read_sheet(wanted: object) -> Value:
        return grids.read_sheet(wanted)

    panel, controls = base
    still, frontal = {**panel, "aus": {}, "expression": None}, {"scene": dict(FRONTAL)}
    bare = {"panel": still, "controls": {**controls, **frontal}}
    engines.part("grid", grids.synthesizer.capabilities, engines.EXACT, part)
    with gr.Row(elem_id="grids"):
        with gr.Column(elem_id="grids-left"):
            form = part("grids", form_html(), {"base": bare}, "grid")
        with gr.Column(elem_id="grids-right"):
            start = {"phase": "idle", "status": ""}
            served = [read_cells, read_sheet]
            stage = part("cells", stage_html(), start, "grid", server_functions=served)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    form.make(grids.make, inputs=[form], outputs=[stage, notice], trigger_mode="multiple", **quiet)
    form.cancel(grids.cancel, queue=False, **quiet)
    page.unload(grids.leave)
