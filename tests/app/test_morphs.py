"""The tab for morph continua: its form, its thread and its files; and the tab in a browser."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from app.jobs import JobQueue
from app.settings import Settings
from app.ui.morph_charts import charts_html
from app.ui.morph_form import form_html, stage_html
from app.ui.morphs import Morphs, continuum_of, first, taken
from app.ui.page import first_forms
from synfer_core.errors import RequestError
from synfer_core.provenance.marking import Marking
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, NARROW, WIDE, Scheme, Visit, choose, open_tab
from tests.app.test_ui import check_markup
from tests.app.visiting import visitor, walk
from tests.morphs.drawn import morph
from tests.stimuli.drawn import tools

RECIPE = Recipe(
    text="a woman",
    aus={"AU12": 4.0, "AUL4": 2.0},
    expression="happiness",
    seed=2**60,
    identity_seed=7,
    steps=2,
)
FORM: dict[str, Any] = {
    **taken(RECIPE, Marking()),
    "frames": 3,
    "fps": 10,
    "course": "rise",
    "even": False,
    "curve": {"onset": 10, "easing": "smooth"},
    "curves": {"AUL4": {"apex": 60}, "AU12": {}},
}


@pytest.fixture
def tab(synthesizer: Synthesizer, queue: JobQueue, reading_folder: Path) -> Iterator[Morphs]:
    one = Morphs(synthesizer, queue, Settings(models=reading_folder))
    yield one
    one.leave(visitor())


def test_what_is_taken_from_the_studio_becomes_a_specification() -> None:
    assert "Meant as" in FORM["left"]
    assert [unit["key"] for unit in FORM["units"]] == ["AU12", "AUL4"]
    assert FORM["units"][1]["name"] == "left brow lowerer"
    assert "2**60" not in FORM["about"]
    assert f"person 7, seed {2**60}, a woman" == FORM["about"]
    made = continuum_of(json.loads(json.dumps(FORM)))
    assert made.frame(1.0).seed == 2**60
    assert made.frame(1.0).expression is None
    assert made.frame(1.0).steps == 2
    assert (made.timing("AU12").onset, made.timing("AU12").apex) == (0.1, 1.0)
    assert (made.timing("AUL4").onset, made.timing("AUL4").apex) == (0.1, 0.6)
    assert made.timing("AUL4").easing == "smooth"


def test_guidance_towards_a_label_and_its_words_are_left_out() -> None:
    fields = RECIPE.model_dump(exclude={"guidance", "enriched_text"}, exclude_unset=True)
    guided = Recipe.parse({**fields, "guidance": {"semantic": 2, "au": 3}, "enriched_text": "x"})
    form = taken(guided, Marking(watermark=False))
    assert "the detailed prompt, guidance towards an expression" in form["left"]
    shown = continuum_of({**FORM, **form}).frame(1.0)
    assert (shown.guidance.semantic, shown.guidance.au, shown.enriched_text) == (0, 3, None)
    assert form["marking"] == {"watermark": False, "visible_label": False}


def test_curves_of_units_that_are_gone_do_not_count() -> None:
    made = continuum_of({**FORM, "curves": {"AU9": {"onset": 50}}})
    assert made.curves == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"apex": {}}, "apex"),
        ({"frames": None}, "frames"),
        ({"frames": 121}, "frames"),
        ({"fps": 0}, "fps"),
        ({"course": "whole", "even": True}, "even"),
        ({"curve": {"onset": 90, "apex": 20}}, "curve.apex"),
        ({"curves": {"AU12": {"apex": 140}}}, "curves.AU12.apex"),
        ({"recipe": "{"}, "recipe"),
    ],
)
def test_what_is_wrong_in_the_form_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        continuum_of({**FORM, **change})
    assert caught.value.field == field
    with pytest.raises(RequestError):
        continuum_of(None)


def test_the_markup_is_whole() -> None:
    markup = [form_html(120), stage_html()]
    markup += [charts_html(morph()), charts_html(morph(tools(threshold=0.9), even=True))]
    for one in markup:
        check_markup(one)


def test_the_charts_name_the_largest_jump_and_who_drifts() -> None:
    made = morph(tools(threshold=0.9), drift_threshold=0.9999)
    drawn = charts_html(made)
    assert f"into frame {made.evenness.place}" in drawn
    assert drawn.count('class="bar ') == 4
    assert drawn.count('class="bar jump"') == 1
    assert drawn.count('class="bad"') == len(made.flagged) > 0
    assert 'class="limit"' in drawn
    assert "Same person" not in charts_html(morph())


def test_a_continuum_is_made_and_its_files_fetched(tab: Morphs) -> None:
    updates = asyncio.run(walk(tab.make(FORM, visitor())))
    value, notice = updates[-1]
    assert notice is None
    assert (value["phase"], value["status"]) == ("done", "3 frames, 0.2 s")
    assert set(value["frames"]) == {"0", "1", "2"}
    assert value["captions"][0] == "Frame 0, 0 ms: neutral"
    assert value["captions"][2] == "Frame 2, 200 ms: AU12 4.0 · AUL4 2.0"
    assert any("identity reader" in note for note in value["notes"])
    seen = {number for update, _ in updates[:-1] for number in update.get("frames", {})}
    assert seen == {"0", "1", "2"}, "frames come as they are made"
    files = {file["name"]: file["bytes"] for file in value["files"]}
    assert list(files) == ["morph.zip", "morph.gif", "morph.webp", "morph.mp4"]
    part = {"token": value["token"], "name": "morph.zip", "at": 0}
    data = base64.b64decode(tab.shelf.read_part(part)["data"])
    assert len(data) == files["morph.zip"]
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert {"frames/002.png", "frames.csv", "morph.mp4", "report.json"} < set(file.namelist())
    assert tab.queue.jobs() == (), "nothing of it is kept in the queue"
    tab.leave(visitor())
    assert "error" in tab.shelf.read_part(part)


def test_errors_are_told_and_nothing_starts(tab: Morphs) -> None:
    [(value, notice)] = asyncio.run(walk(tab.make({**FORM, "apex": {}}, visitor())))
    assert (value["phase"], notice["field"]) == ("stopped", "apex")
    tab.errands.most = 0
    [(value, notice)] = asyncio.run(walk(tab.make(FORM, visitor())))
    assert "other continua" in notice["message"]


def test_cancelling_stops_the_continuum(tab: Morphs) -> None:
    async def run() -> list[tuple[Any, Any]]:
        updates = []
        shared = json.dumps({**json.loads(FORM["recipe"]), "steps": 100})
        async for update in tab.make({**FORM, "recipe": shared}, visitor()):
            updates.append(update)
            tab.cancel(visitor())
        return updates

    value, notice = asyncio.run(run())[-1]
    assert (value["status"], notice) == ("Cancelled; nothing was kept.", None)
    assert tab.queue.jobs() == ()


def test_the_first_form_shows_the_studios_first_face(tab: Morphs) -> None:
    panel, controls = first_forms(tab.synthesizer)
    start = first((panel, controls), tab)
    assert continuum_of(start).apex == panel["aus"]
    value, notice = tab.take({**start, "frames": 9}, {**panel, "aus": {"AU4": 3}}, controls)
    assert (value["frames"], value["apex"], notice) == (9, {"AU4": 3.0}, None)
    _, notice = tab.take(start, panel, {**controls, "seed": "many"})
    assert notice["field"] == "seed"


def test_what_an_engine_cannot_use_waits_for_one_that_can(tab: Morphs) -> None:
    panel, controls = first_forms(tab.synthesizer)
    start = first((panel, {**controls, "steps": 7}), tab)
    frame = continuum_of(start).frame(1.0)
    assert (frame.backbone, frame.size, frame.steps) == ("facekit", 512, 20)
    changed, _ = tab.change({**start, "engine": {"backbone": "builtin", "size": None}})
    frame = continuum_of(changed).frame(1.0)
    assert (frame.backbone, frame.size, frame.steps) == ("builtin", None, 7)
    again, _ = tab.change({**changed, "engine": {"backbone": "facekit", "size": 256}})
    assert json.loads(again["recipe"])["size"] == 256
    assert json.loads(changed["recipe"])["backbone"] == "builtin", "the engine is named"


class TestInABrowser:
    pytestmark = IN_A_BROWSER

    @pytest.mark.parametrize(
        ("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide light", "narrow dark"]
    )
    def test_the_walk(
        self, browser: sync_api.Browser, url: str, size: sync_api.ViewportSize, scheme: Scheme
    ) -> None:
        visit = Visit(browser, url, size, scheme)
        visit.wait("done")
        page = visit.page
        page.emulate_media(reduced_motion="reduce", color_scheme=scheme)
        open_tab(page, "Morphs")
        choose(page, "builtin", "morph")
        expect = sync_api.expect
        expect(page.locator(".morph .apex")).to_have_text("6C+12D+25B")
        expect(page.locator(".own .curve-row")).to_have_count(3)
        page.locator("#morph-frames").fill("4")
        expect(page.locator(".morph .takes")).to_have_text("150 ms")
        before = page.locator('[data-key="AU12"] .line').get_attribute("d")
        page.locator('[data-key="AU12"] [data-time=onset]').fill("50")
        assert page.locator('[data-key="AU12"] .line').get_attribute("d") != before
        page.locator('[data-key="AU12"] [data-time=apex]').fill("20")
        page.get_by_role("button", name="Make the continuum").click()
        wrong = page.locator('[data-error-for~="curves"]')
        expect(wrong).to_contain_text("after onset")
        page.locator('[data-key="AU12"] [data-time=apex]').fill("")
        expect(wrong).to_be_hidden()
        page.get_by_role("button", name="Make the continuum").click()
        expect(page.locator(".film .status")).to_have_text("4 frames, 0.15 s", timeout=60_000)
        expect(page.locator(".film .cell")).to_have_count(4)
        expect(page.locator(".film .charts")).to_contain_text("At equal moments it would be")
        expect(page.get_by_role("button", name="Play")).to_be_visible()
        expect(page.locator(".film .caption")).to_have_text("Frame 0, 0 ms: neutral")
        page.get_by_label("Frame", exact=True).focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".film .caption")).to_contain_text("Frame 1, 50 ms: AU6")
        page.locator(".film .cell").nth(3).click()
        expect(page.locator(".film .caption")).to_contain_text("AU12 4.0")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        with page.expect_download() as download:
            page.get_by_role("button", name="MP4").click()
        assert download.value.suggested_filename == "morph.mp4"
        film = base64.b64encode(Path(download.value.path()).read_bytes()).decode()
        assert page.evaluate(PLAYS, film) == [512, 0.2], "a browser plays it"
        visit.close()
        assert visit.troubles == []

    def test_it_plays_once_by_itself_and_a_chosen_frame_stays(self, light: Visit) -> None:
        page = light.page
        open_tab(page, "Morphs")
        choose(page, "builtin", "morph")
        page.locator("#morph-frames").fill("5")
        page.locator("#morph-fps").fill("5")
        page.locator("[data-morph=even]").uncheck()
        page.get_by_role("button", name="Make the continuum").click()
        caption = page.locator(".film .caption")
        sync_api.expect(caption).to_contain_text("Frame 4, 800 ms", timeout=60_000)
        sync_api.expect(page.get_by_role("button", name="Play")).to_be_visible()
        page.get_by_role("button", name="Play").click()
        sync_api.expect(page.get_by_role("button", name="Pause")).to_be_visible()
        page.locator(".film .cell").nth(1).click()
        page.wait_for_timeout(500)
        sync_api.expect(caption).to_contain_text("Frame 1, 200 ms")

    def test_the_face_is_taken_and_the_work_cancelled(self, light: Visit) -> None:
        page = light.page
        page.get_by_role("button", name="Anger").click()
        light.facs("4D+5B+7C+23C+24B")
        open_tab(page, "Morphs")
        choose(page, "builtin", "morph")
        page.locator("#morph-course").select_option("whole")
        page.get_by_role("button", name="Take the face from Studio").click()
        sync_api.expect(page.locator(".morph .apex")).to_have_text("4D+5B+7C+23C+24B")
        assert page.locator("#morph-course").input_value() == "whole", "the rest stays"
        page.locator("#morph-frames").fill("120")
        page.get_by_role("button", name="Make the continuum").click()
        sync_api.expect(page.locator(".film .status")).to_contain_text("of 120")
        page.locator("#morph-morphs").get_by_role("button", name="Cancel").click()
        sync_api.expect(page.locator(".film .status")).to_contain_text("Cancelled", timeout=20_000)


PLAYS = """data => new Promise((resolve) => {
  const film = document.createElement("video");
  film.onloadeddata = () => resolve([film.videoWidth, Math.round(film.duration * 1000) / 1000]);
  film.onerror = () => resolve([film.error.message]);
  film.src = "data:video/mp4;base64," + data;
})"""
