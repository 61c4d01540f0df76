"""The tab for grids: its form and its run without a browser, then walked in one."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from app.jobs import JobQueue
from app.schemas import forms_of
from app.settings import Settings
from app.ui import grids
from app.ui.grids import Grids, form_of, grid_of
from app.ui.grids_form import CHOICES, LAYOUTS, form_html, stage_html
from synfer_core.errors import ModelError, RequestError, UnsupportedError
from synfer_core.grids.axis import KINDS
from synfer_core.grids.sheet import read_grid
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, NARROW, Visit, choose
from tests.app.test_ui import BACKBONES, check_markup
from tests.app.visiting import visitor, walk

BASE = forms_of(Recipe.parse({"steps": 2, "seed": 2**60}))
SMALL: dict[str, Any] = {
    "base": {"panel": BASE.panel, "controls": BASE.controls},
    "rows": {"kind": "units", "values": ["AU4", "AU12"], "intensity": "", "unit": ""},
    "columns": {"kind": "intensity", "values": "0, 5", "unit": "", "intensity": "3"},
}


@pytest.fixture
def tab(synthesizer: Synthesizer) -> Iterator[Grids]:
    queue = JobQueue(waiting=2)
    yield Grids(synthesizer, queue, Settings())
    queue.close()


def test_a_form_becomes_a_grid_and_back() -> None:
    grid = grid_of(SMALL, BACKBONES)
    assert [c.recipe.aus for c in grid.cells][3] == {"AU12": 5.0}
    assert grid.base.seed == 2**60
    assert grid_of(form_of(grid), BACKBONES) == grid
    for rows, columns in LAYOUTS.values():
        made = grid_of({**SMALL, "rows": rows, "columns": columns}, BACKBONES)
        assert grid_of(form_of(made), BACKBONES) == made
    seeds = {"kind": "seed", "values": f"1, 7-9 {2**62}"}
    assert grid_of({**SMALL, "rows": seeds, "columns": SMALL["rows"]}, BACKBONES).rows.values == (
        *(1, 7, 8, 9),
        2**62,
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base": None}, "base"),
        ({"base": {"panel": {}, "controls": {**BASE.controls, "seed": "x"}}}, "base.seed"),
        ({"rows": None}, "rows.values"),
        ({"rows": {"kind": "units", "values": []}}, "rows.values"),
        ({"columns": {"kind": "intensity", "values": "0, many"}}, "columns.values"),
        ({"columns": {"kind": "intensity", "values": "0, 9"}}, "columns.values"),
        ({"columns": {"kind": "seed", "values": "9-3"}}, "columns.values"),
        ({"columns": {"kind": "seed", "values": "1-51"}}, "columns.values"),
    ],
)
def test_what_is_wrong_in_the_form_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        grid_of({**SMALL, **change}, BACKBONES)
    assert caught.value.field == field
    with pytest.raises(RequestError):
        grid_of(None, BACKBONES)


def test_an_axis_along_which_the_engine_changes_nothing_is_refused() -> None:
    controls = {**BASE.controls, "backbone": "plain"}
    axis = {"kind": "guidance.au", "values": "1, 4", "unit": "", "intensity": ""}
    form = {**SMALL, "base": {"panel": BASE.panel, "controls": controls}, "columns": axis}
    with pytest.raises(UnsupportedError, match="has no guidance") as caught:
        grid_of(form, BACKBONES)
    assert caught.value.field == "columns.kind"
    assert grid_of({**form, "columns": SMALL["columns"]}, BACKBONES).base.backbone == "plain"


def test_the_markup_is_whole_and_offers_every_kind() -> None:
    for markup in (form_html(), stage_html()):
        check_markup(markup)
    words = ("light", "light_side", "background", "framing", "glasses", "hair", "beard")
    assert set(KINDS) - set(CHOICES) == {f"scene.{name}" for name in words}, "in files alone"


def test_cells_and_sheet_are_fetched_by_the_page_that_made_them(tab: Grids) -> None:
    updates = asyncio.run(walk(tab.make(SMALL, visitor())))
    value, notice = updates[-1]
    assert (value["phase"], value["status"], notice) == ("done", "4 of 4 faces", None)
    cells = tab.read_cells({"token": value["token"], "known": 1})["cells"]
    assert [cell["index"] for cell in cells] == [1, 2, 3]
    assert Recipe.parse_json(cells[2]["recipe"]).aus == {"AU12": 5.0}
    assert cells[2]["name"] == "AU12 lip corner puller, intensity 5"
    sheet = base64.b64decode(tab.read_sheet({"token": value["token"]})["data"])
    assert read_grid(sheet) == grid_of(SMALL, BACKBONES)
    assert tab.queue.jobs() == (), "nothing of it is kept in the queue"
    for wrong in (None, {}, {"token": "x"}, {"token": 3}):
        assert "error" in tab.read_cells(wrong)
    tab.leave(visitor())
    assert "error" in tab.read_sheet({"token": value["token"]})


def test_a_cancelled_grid_keeps_what_is_done(tab: Grids) -> None:
    async def run() -> list[tuple[Any, Any]]:
        updates = []
        async for update in tab.make(SMALL, visitor()):
            updates.append(update)
            if update[0].get("ended") == 1:
                tab.cancel(visitor())
        return updates

    value, _ = asyncio.run(run())[-1]
    assert value["status"] == "Cancelled; 1 of 4 faces were made and are kept."
    assert len(tab.read_cells({"token": value["token"], "known": 0})["cells"]) == 1
    assert tab.read_sheet({"token": value["token"]})["data"]
    assert tab.queue.jobs() == ()


def test_a_cell_that_fails_leaves_the_others(tab: Grids, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = ReferenceBackbone.stream

    def failing(self: ReferenceBackbone, recipe: Recipe) -> object:
        if recipe.aus.get("AU4") == 5.0:
            raise ModelError("is not a number")
        return stream(self, recipe)

    monkeypatch.setattr(ReferenceBackbone, "stream", failing)
    value, _ = asyncio.run(walk(tab.make(SMALL, visitor())))[-1]
    assert value["status"] == "3 of 4 faces; 1 could not be made"
    cells = tab.read_cells({"token": value["token"], "known": 0})["cells"]
    assert [("error" in cell) for cell in cells] == [False, True, False, False]


def test_errors_are_told_and_nothing_starts(tab: Grids, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**SMALL, "columns": {"kind": "intensity", "values": "x"}}
    [(value, notice)] = asyncio.run(walk(tab.make(wrong, visitor())))
    assert (value["phase"], notice["field"]) == ("refused", "columns.values")
    monkeypatch.setattr(grids, "MAX_MAKERS", 0)
    [(_, notice)] = asyncio.run(walk(tab.make(SMALL, visitor())))
    assert "other grids" in notice["message"]


class TestInABrowser:
    pytestmark = IN_A_BROWSER

    def test_a_grid_is_made_walked_and_loaded(self, light: Visit) -> None:
        page = light.page
        page.get_by_text("Fine control").click()
        page.locator("#steps").fill("2")
        page.get_by_role("tab", name="Grids").click()
        choose(page, "builtin", "grid")
        stage, count = page.locator(".grid-stage"), page.locator(".grid-form .count")
        sync_api.expect(count).to_contain_text("36 faces: 6 \u00d7 6")
        time = page.locator("[data-place=grid] .engine.on .time")
        sync_api.expect(time).to_have_text(re.compile(r"^about .* for 36 images$"))
        page.get_by_role("button", name="Use the studio").click()
        sync_api.expect(page.locator(".summary")).to_contain_text("2 steps")
        sync_api.expect(page.locator(".summary")).to_contain_text("12 at 4")
        page.get_by_role("button", name="Without its action units").click()
        page.get_by_role("button", name="AU by AU").click()
        rows, columns = (page.locator(f'[data-axis="{axis}"]') for axis in ("rows", "columns"))
        rows.get_by_label("Values").fill("0, 9")
        page.get_by_role("button", name="Make the grid").click()
        sync_api.expect(page.locator('[data-error-for="rows"]')).to_contain_text("9")
        rows.get_by_label("Values").fill("0, 5")
        columns.get_by_label("Columns: what changes").select_option("expression")
        for name in ("Neutral", "Sadness", "Surprise", "Fear", "Disgust", "Contempt"):
            columns.get_by_role("button", name=name, exact=True).click()
        sync_api.expect(count).to_contain_text("4 faces: 2 \u00d7 2")
        page.get_by_role("button", name="Make the grid").click()
        sync_api.expect(stage).to_have_attribute("data-phase", "done", timeout=60_000)
        sync_api.expect(stage.locator("th[scope=col]")).to_have_text(["happiness", "anger"])
        faces = stage.locator(".face")
        sync_api.expect(faces.locator("img")).to_have_count(4)

        with page.expect_download() as download:
            page.get_by_role("button", name="Download sheet").click()
        grid = read_grid(Path(download.value.path()).read_bytes())
        assert grid
        assert grid.base.steps == 2
        with page.expect_download() as download:
            page.get_by_role("button", name="Recipes").click()
        lines = Path(download.value.path()).read_text().splitlines()
        assert json.loads(lines[3])["expression"] == "anger"

        asked_of_four(page)
        faces.first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        light.facs("4D+5B+7C+12E+23C+24B")
        sync_api.expect(page.get_by_role("tab", name="Studio")).to_have_attribute(
            "aria-selected", "true"
        )
        sync_api.expect(page.locator(".notice")).to_contain_text("Loaded: Anger")
        light.generate()
        assert json.loads(lines[3]) == json.loads(light.recipe().to_json())

    @pytest.mark.usefixtures("unhurried")
    def test_a_narrow_page_fits(self, browser: sync_api.Browser, url: str) -> None:
        visit = Visit(browser, url, NARROW, "dark")
        visit.wait("done")
        page = visit.page
        page.get_by_role("tab", name="Grids").click()
        choose(page, "builtin", "grid")
        page.get_by_role("button", name="Make the grid").click()
        sync_api.expect(page.locator(".cell.now")).to_have_count(1)
        page.locator(".grid-form").get_by_role("button", name="Cancel").click()
        stage = page.locator(".grid-stage")
        sync_api.expect(stage).to_have_attribute("data-phase", "done", timeout=30_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        visit.close()
        assert visit.troubles == []


def asked_of_four(page: sync_api.Page) -> None:
    """Look at the table of asked and measured, and close it."""
    page.get_by_role("button", name="Asked and measured", exact=True).click()
    told = page.get_by_role("dialog", name="Asked and measured")
    sync_api.expect(told.locator(".face")).to_have_count(4)
    sync_api.expect(told.locator(".face").last).to_contain_text("Anger, ")
    page.keyboard.press("Escape")
    sync_api.expect(told).to_be_hidden()
