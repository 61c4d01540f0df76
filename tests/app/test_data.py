"""The tab for data sets: recipe and form, builds that stop and go on, files; and in a browser."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api

from app.jobs import JobQueue
from app.settings import Settings
from app.ui.data import Data, first
from app.ui.data_form import form_html, saves_html, stage_html
from app.ui.data_recipe import MAX_TEXT, form_of, job_of, merged, spec_of, summary, text_of
from app.ui.data_view import card_html
from synfer_core.data.manifest import verify
from synfer_core.data.spec import DataSet
from synfer_core.errors import RequestError
from synfer_core.facs import EXPRESSIONS
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, NARROW, WIDE, Scheme, Visit, open_tab
from tests.app.test_ui import check_markup
from tests.app.visiting import visitor, walk

SMALL = """\
title: Two by two
counts: {happiness: 2, anger: 1}
people: {balance: [sex]}
verdicts: {by: none}
recipe: {steps: 2}
distance: null
"""


def asked(text: str = SMALL, name: str = "pilot", **more: Any) -> dict[str, Any]:
    return {"name": name, "text": text, **more}


@pytest.fixture
def tab(
    synthesizer: Synthesizer, queue: JobQueue, reading_folder: Path, tmp_path: Path
) -> Iterator[Data]:
    settings = Settings(models=reading_folder, data=tmp_path / "sets", data_images=500)
    (tmp_path / "sets").mkdir()
    one = Data(synthesizer, queue, settings)
    yield one
    one.leave(visitor())


def build(tab: Data, form: dict[str, Any], stop_at: int | None = None) -> list[tuple[Any, Any]]:
    """All that a build shows; stopped once so many images are through."""

    async def run() -> list[tuple[Any, Any]]:
        updates = []
        async for update in tab.build(form, visitor()):
            updates.append(update)
            if stop_at is not None and update[0].get("done", 0) >= stop_at:
                tab.cancel(visitor())
        return updates

    return asyncio.run(run())


def test_the_form_is_a_view_of_the_text() -> None:
    text = """
counts: {fear: 3, anger: 2}
seed: 9007199254740993
aus: {source: prototypes, jitter: 0.1}
people: {balance: {sex: [woman], age: null}, first_seed: 7}
recipe: {steps: 5}
semantic: true
distance: null
"""
    form = json.loads(json.dumps(form_of(spec_of(text, 10))))
    assert form["counts"] == {"fear": 3, "anger": 2}
    assert (form["total"], form["seed"], form["semantic"]) == (5, "9007199254740993", 2.0)
    assert (form["balance"], form["duplicates"], form["distance"]) == (["sex", "age"], False, 12)
    assert spec_of(merged(text, form), 10) == spec_of(text.replace("true", "2"), 10)
    form |= {"counts": {"fear": 4, "joy": 0}, "balance": ["sex", "hair"], "duplicates": True}
    form["people"] = 6
    changed = yaml.safe_load(merged(text, form))
    assert changed["counts"] == {"fear": 4}
    assert changed["people"] == {
        "balance": {"sex": ["woman"], "hair": None},
        "first_seed": 7,
        "count": 6,
    }
    assert changed["recipe"] == {"steps": 5}
    assert changed["distance"] == 12


@pytest.mark.parametrize(
    ("source", "counts"), [("uniform", 30), ("csv", 30), ("prototypes", {"fear": 2})]
)
def test_fields_go_with_the_source_of_action_units(source: str, counts: object) -> None:
    text = "counts: {fear: 2}\naus: {source: csv, file: a.csv}\n"
    form = form_of(spec_of(text, 50))
    form = {**form, "total": 30, "aus": {**form["aus"], "source": source}}
    changed = yaml.safe_load(merged(text, form))
    assert changed["counts"] == counts
    assert (
        set(changed["aus"])
        == {
            "prototypes": {"source", "strength", "jitter"},
            "csv": {"source", "file"},
            "uniform": {"source", "active", "intensity"},
        }[source]
    )
    assert yaml.safe_load(merged(text, {**form, "total": 2}))["counts"] in ({"fear": 2}, 2)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "RECIPE"),
        ("counts: [", "RECIPE"),
        (None, "RECIPE"),
        ("counts: 5\ntitle: &a [*a]\n", "RECIPE"),
        ("x" * (MAX_TEXT + 1), "RECIPE"),
        ("counts: 11", "counts"),
        ("counts: {fear: 6, anger: 5}", "counts"),
        ("counts: 100000000", "counts"),
        ("counts: 5\nhat: 1", "hat"),
        ("counts: 5\nseed: many", "seed"),
        ("counts: 5\naus: {source: csv, file: /etc/passwd}", "aus.file"),
        ("counts: 5\naus: {source: csv, file: ../a.csv}", "aus.file"),
        ("counts: 5\naus: {source: csv, file: .csv}", "aus.file"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(text: object, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        spec_of(text, 10)
    assert caught.value.field == field


def test_the_time_is_the_factorys_own_estimate() -> None:
    spec = spec_of("counts: 1000", 1000)
    assert summary(spec, None).startswith("1,000 images of 8 expressions; ")
    told = summary(spec, 1.66)
    assert told == "1,000 images of 8 expressions, about 33 min: about 1,188 to be made, 1.7 s each"
    job = job_of(spec)
    assert (job["images"], job["steps"], job["kind"]) == (1000, 20, "data")
    assert job["images"] * job["passes"] == pytest.approx(1188, abs=1)
    guided = job_of(spec_of("counts: 1000\nsemantic: true", 1000))
    assert guided["passes"] == pytest.approx(2 * job["passes"])


def test_the_engine_stands_in_the_text_and_its_size_among_the_shared_fields() -> None:
    text = text_of({"counts": 3, "recipe": {"steps": 5}})
    form = {**form_of(spec_of(text, 10)), "backbone": "facekit", "size": 256}
    exact = merged(text, form)
    spec = spec_of(exact, 10)
    assert (spec.backbone, spec.recipe) == ("facekit", {"steps": 5, "size": 256})
    assert form_of(spec)["size"] == 256
    own = spec_of(merged(exact, {**form, "size": None}), 10)
    assert own.recipe == {"steps": 5}
    kept = {name: value for name, value in form.items() if name != "size"}
    assert spec_of(merged(exact, kept), 10).recipe["size"] == 256


def test_the_markup_is_whole_and_every_field_has_a_place(tmp_path: Path) -> None:
    for settings in (Settings(), Settings(data=tmp_path)):
        check_markup(form_html(settings))
    check_markup(stage_html())
    check_markup(saves_html())
    markup = form_html(Settings())
    for field in ("name", "counts", "seed", "aus.file", "people.balance", "verdicts", "semantic"):
        assert f"data.{field}" in markup
    assert all(f'data-build="counts.{name}"' in markup for name in EXPRESSIONS)


@pytest.mark.usefixtures("unhurried")
def test_a_set_is_built_shown_and_fetched(tab: Data, tmp_path: Path) -> None:
    updates = build(tab, asked())
    value, notice = updates[-1]
    assert notice is None
    assert (value["phase"], value["names"]) == ("done", ["pilot"])
    assert value["status"].startswith("3 images, 0 left out")
    assert any(update.get("faces", "").count("<figure") for update, _ in updates)
    assert any("1 of 2" in update.get("rates", "") for update, _ in updates)
    assert verify(tmp_path / "sets/pilot/set").good
    assert "<h2>Two by two</h2><img" in value["card"]
    assert ">asked for<" in value["card"]
    check_markup(value["card"])
    assert tab.queue.jobs() == (), "nothing of it is kept in the queue"
    for form, name in (("imagefolder", "pilot-imagefolder.zip"), ("manifest.jsonl", "pilot.jsonl")):
        order = {"name": "pilot", "form": form, "splits": False}
        ready, _ = asyncio.run(walk(tab.exports.write(order, visitor())))[-1]
        assert (ready["phase"], ready["file"]) == ("done", name)
        data = fetched(tab, ready)
        if form == "imagefolder":
            with zipfile.ZipFile(io.BytesIO(data)) as file:
                assert sum(entry.endswith(".png") for entry in file.namelist()) == 3
        else:
            assert len(data.splitlines()) == 3


def fetched(tab: Data, ready: dict[str, Any]) -> bytes:
    part = tab.exports.shelf.read_part({"token": ready["token"], "name": ready["file"], "at": 0})
    data = base64.b64decode(part["data"])
    assert len(data) == ready["bytes"]
    return data


@pytest.mark.usefixtures("unhurried")
def test_a_stopped_set_keeps_its_images_and_is_gone_on_with_by_name(
    tab: Data, tmp_path: Path
) -> None:
    value, notice = build(tab, asked(), stop_at=1)[-1]
    assert (value["phase"], notice) == ("kept", None)
    assert 1 <= value["done"] < 3
    assert f"{value['done']} of 3 images are through and are kept" in value["status"]
    form, stage, notice = tab.open({"name": "pilot"}, visitor("another"))
    assert (form["text"], form["form"]["title"]) == (SMALL, "Two by two")
    assert (stage["phase"], stage["done"], notice) == ("kept", value["done"], None)
    whole, _ = build(tab, asked(name="whole"))[-1]
    again, _ = build(tab, asked())[-1]
    assert again["phase"] == whole["phase"] == "done"
    sets = [tmp_path / "sets" / name / "set" for name in ("pilot", "whole")]
    assert len({(one / "manifest.jsonl").read_bytes() for one in sets}) == 1
    _, stage, _ = tab.open({"name": "pilot"}, visitor())
    assert (stage["phase"], stage["card"]) == ("done", card_html(sets[0]))


@pytest.mark.usefixtures("unhurried")
def test_a_name_holds_one_recipe(tab: Data, tmp_path: Path) -> None:
    build(tab, asked(), stop_at=1)
    _, notice = build(tab, asked(SMALL.replace("anger: 1", "anger: 2")))[-1]
    assert notice["field"] == "data.name"
    assert "another recipe" in notice["message"]
    (tmp_path / "sets/other").mkdir()
    (tmp_path / "sets/other/notes.txt").touch()
    _, notice = build(tab, asked(name="other"))[-1]
    assert (notice["field"], notice["message"]) == ("data.name", "has other files")
    (tmp_path / "sets/pilot/set/made-by.json").write_text("{}")
    value, notice = build(tab, asked())[-1]
    assert notice["field"] == "data.name", "no path of the server is told"
    assert value["phase"] == "stopped"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (None, "data.name"),
        (asked(name="../x"), "data.name"),
        (asked("counts: many"), "data.counts"),
        (asked(SMALL + "semantic: 99\n"), "data.semantic"),
        (asked("counts: 5\naus: {source: csv, file: a.csv}\n"), "data.aus.file"),
        (asked(SMALL.replace("none", "experts")), "data.verdicts.by"),
    ],
)
def test_errors_are_told_beside_their_field(tab: Data, form: Any, field: str) -> None:
    value, notice = build(tab, form)[-1]
    assert value["phase"] == "stopped"
    assert f"{notice['field']}.".startswith(f"{field}.")


def test_a_table_of_measured_faces_is_read_and_kept_with_the_set(tab: Data, tmp_path: Path) -> None:
    data = b"AU12,AU4_r,expression\n3,0,happiness\n0,2,anger\n"
    sent = {"name": "faces.csv", "data": base64.b64encode(data).decode()}
    assert tab.read_table(sent) == {"rows": 2, "labels": ["anger", "happiness"]}
    wrong = tab.read_table({**sent, "data": base64.b64encode(b"a\n1\n").decode()})
    assert wrong["error"]["field"] == "data.aus.file"
    text = (
        "counts: 2\naus: {source: csv, file: faces.csv}\nverdicts: {by: none}\nrecipe: {steps: 2}\n"
    )
    value, _ = build(tab, asked(text, table=sent))[-1]
    assert value["status"].startswith("2 images")
    assert (tmp_path / "sets/pilot/faces.csv").read_bytes() == data
    assert build(tab, asked(text))[-1][0]["phase"] == "done", "the table is there already"
    other = {**sent, "data": base64.b64encode(data + b"1,1,anger\n").decode()}
    assert build(tab, asked(text, table=other))[-1][1]["field"] == "data.name"


def test_text_and_form_are_brought_together(tab: Data) -> None:
    start = first(tab)
    assert start["form"]["total"] == 200
    changed = {**start["form"], "counts": {"fear": 1}}
    answer = tab.write_recipe({"text": start["text"], "form": changed})
    assert answer["form"]["counts"] == {"fear": 1}
    assert answer["summary"].startswith("1 image of 1 expression; how long they take is known")
    assert answer["job"]["images"] == 1
    assert DataSet.parse_text(answer["text"].encode()).counts == {"fear": 1}
    wrong = tab.write_recipe({"text": start["text"], "form": {**changed, "counts": {"fear": 501}}})
    assert (wrong["error"]["field"], wrong["error"]["allowed"][:13]) == (
        "data.counts",
        "at most 500 h",
    )
    assert tab.read_recipe(None)["error"]["field"] == "data.RECIPE"


@pytest.mark.usefixtures("unhurried")
def test_without_a_folder_sets_go_with_their_page(
    synthesizer: Synthesizer, queue: JobQueue, reading_folder: Path
) -> None:
    tab = Data(synthesizer, queue, Settings(models=reading_folder))
    value, _ = build(tab, asked(), stop_at=1)[-1]
    assert "are kept until this page closes" in value["status"]
    assert value["names"] == ["pilot"]
    assert tab.sets() == {"names": []}
    assert tab.open({"name": "pilot"}, visitor("other"))[2]["field"] == "data.name"
    assert tab.open({"name": "pilot"}, visitor())[1]["phase"] == "kept"
    order = {"name": "pilot", "form": "manifest.jsonl"}
    [(_, notice)] = asyncio.run(walk(tab.exports.write(order, visitor("other"))))
    assert notice["message"] == "there is no finished set of this name"
    tab.leave(visitor())
    assert tab.open({"name": "pilot"}, visitor())[2]["field"] == "data.name"


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
        page, expect = visit.page, sync_api.expect
        open_tab(page, "Data")
        recipe, count = page.locator("#build-recipe"), page.locator(".dataset-form .count")
        expect(count).to_contain_text("200 images of 8 expressions, about ")
        page.locator("#build-total").fill("16")
        expect(page.locator("#build-counts-fear")).to_have_value("2")
        expect(recipe).to_have_value(re.compile("fear: 2"))
        page.locator("[data-balance=hair]").check()
        expect(recipe).to_have_value(re.compile("skin_tone, hair"))
        recipe.fill(SMALL + "hat: 1\n")
        wrong = page.locator('[data-error-for="data"]')
        expect(wrong).to_contain_text("Unknown key")
        recipe.fill(SMALL)
        expect(wrong).to_be_hidden()
        expect(page.locator("#build-counts-anger")).to_have_value("1")
        page.get_by_role("button", name="Build the data set").click()
        expect(page.locator('[data-error-for="data.name"]')).to_contain_text("no name for a folder")
        page.locator("#build-name").fill("pilot-1")
        page.get_by_role("button", name="Build the data set").click()
        status = page.locator(".dataset .status")
        expect(status).to_contain_text("3 images, 0 left out", timeout=60_000)
        expect(page.locator(".dataset-saves .card h2")).to_have_text("Two by two")
        expect(page.locator(".dataset .faces")).to_be_hidden()
        expect(page.get_by_label("Sets that are here")).to_contain_text("pilot-1")
        expect(page.locator(".lab .empty")).to_contain_text("SYNFER_STUDIO_RUNS")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        with page.expect_download() as download:
            page.get_by_role("button", name="ImageFolder (ZIP)").click()
        assert download.value.suggested_filename == "pilot-1-imagefolder.zip"
        with zipfile.ZipFile(download.value.path()) as file:
            assert file.testzip() is None
        report = Axe().run(page).response
        serious = [v["id"] for v in report["violations"] if v["impact"] in ("serious", "critical")]
        assert serious == []
        visit.close()
        assert visit.troubles == []

    @pytest.mark.usefixtures("unhurried")
    def test_a_build_is_stopped_and_gone_on_with(self, light: Visit) -> None:
        page, expect = light.page, sync_api.expect
        open_tab(page, "Data")
        page.locator("#build-recipe").fill(SMALL)
        page.locator("#build-name").fill("later")
        page.get_by_role("button", name="Build the data set").click()
        status = page.locator(".dataset .status")
        expect(status).to_contain_text("of 3 images", timeout=60_000)
        expect(page.locator(".dataset .rates")).to_contain_text("happiness")
        page.get_by_role("button", name="Stop").click()
        expect(status).to_contain_text("are kept until this page closes", timeout=20_000)
        page.get_by_label("Sets that are here").select_option("later")
        expect(status).to_contain_text("later was begun")
        page.get_by_role("button", name="Build the data set").click()
        expect(page.locator(".dataset-saves .card h2")).to_have_text("Two by two", timeout=60_000)


def test_a_recipe_may_refer_to_its_own_parts() -> None:
    spec = spec_of("counts: 5\ntitle: &a x\nlicence: *a\n", 50)
    assert (spec.title, spec.licence) == ("x", "x")
