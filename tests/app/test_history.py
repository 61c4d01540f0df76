"""History, comparison and undo in a real browser, and what the page keeps of a face."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright import sync_api

from app.ui.history import compare_html, history_html, undo_html
from app.ui.kept import asked_csv, asked_html, compare_recipes, kept_value, title
from app.ui.page import recipe_reader
from synfer_core.facs import PROTOTYPES, format_facs
from synfer_core.grids.sheet import Face, png_of
from synfer_core.grids.spec import Grid
from synfer_core.provenance.marking import PLAIN
from synfer_core.request import Recipe
from tests.app.browsing import IN_A_BROWSER, NARROW, Visit
from tests.app.test_ui import check_markup, recipe, result


def test_the_markup_is_whole() -> None:
    for markup in (history_html(), undo_html(), compare_html(), asked_html()):
        check_markup(markup)


def test_a_face_is_found_by_what_it_is() -> None:
    kept = kept_value(result(recipe=recipe(expression="fear", seed=3, identity_seed=2**60)))
    words = kept["words"].split()
    assert {"seed:3", f"person:{2**60}", "au12", "12d", "corner", "fear", "surprise"} <= set(words)
    assert kept["title"] == f"Fear, 12D+25B, person {2**60}, seed 3"
    assert kept["read"] == "surprise"
    assert Recipe.parse_json(kept["recipe"]).identity_seed == 2**60
    assert title(Recipe()) == "no action unit, seed 0"


def test_what_was_asked_and_measured_is_kept_and_comes_as_csv() -> None:
    kept = kept_value(result(recipe=recipe(expression="fear", seed=2**60)))
    assert {row["seed"] for row in kept["asked"]} == {str(2**60)}
    lines = asked_csv([*kept["asked"], "no row"])["text"].splitlines()
    assert lines[0].startswith("face,identity_seed,seed,backbone,what,asked,measured")
    assert len(lines) == 1 + len(kept["asked"])
    assert "expression,fear,surprise,other" in lines[-1]
    assert asked_csv(None)["text"].count("\n") == 1


def test_two_recipes_are_compared_for_the_page() -> None:
    texts = [recipe().to_json(), recipe(seed=2**62).to_json()]
    answer = compare_recipes(texts)
    assert answer["differing"] == [["Seed", "0", str(2**62)]]
    assert ["AU12 lip corner puller", "4 (D)"] in answer["equal"]
    for wrong in (None, [], [texts[0]], [texts[0], "{"]):
        assert "error" in compare_recipes(wrong)


def sent(content: bytes) -> dict[str, Any]:
    return recipe_reader(1)({"data": base64.b64encode(content).decode()})


def test_files_that_hold_no_recipe_are_told_apart() -> None:
    plain = result(image=result().image.repeat(8, 0).repeat(8, 1)).to_png()
    assert sent(plain)["controls"]["text"] == "a smile"
    assert "another kind" in sent(b"\xff\xd8\xff\xe0\x00\x10JFIF")["error"]["message"]
    assert "JSON" in sent(b"{")["error"]["message"]


def sheet() -> bytes:
    """Of a grid of which one face was made."""
    seeds = {"kind": "seed", "values": [1, 2]}
    grid = Grid.parse({"rows": {"kind": "units", "values": ["AUL12"]}, "columns": seeds})
    face = Face(np.full((64, 64, 3), 90, np.uint8), grid.cells[0].recipe)
    return png_of(grid, {0: face}, PLAIN)


def test_the_sheet_of_a_grid_brings_its_form() -> None:
    form = sent(sheet())["grid"]
    assert form["rows"] == {"kind": "units", "values": ["AUL12"], "unit": "", "intensity": ""}
    assert form["columns"]["values"] == "1, 2"
    assert form["base"]["controls"]["seed"] == "0"


BRIGHTEST = """e => Math.max(...e.getContext('2d').getImageData(0, 0, 64, 64).data
  .filter((_, i) => i % 4 < 3))"""


class TestInABrowser:
    pytestmark = IN_A_BROWSER

    def test_history_is_kept_searched_and_undone(self, light: Visit) -> None:
        page = light.page
        faces = page.locator(".history li")
        sync_api.expect(faces).to_have_count(1)
        page.get_by_role("button", name="Anger").click()
        page.locator("#seed").fill("41")
        light.generate()
        sync_api.expect(faces).to_have_count(2)
        page.get_by_role("button", name="Neutral").click()
        light.generate()
        sync_api.expect(faces).to_have_count(3)
        light.generate()
        sync_api.expect(faces).to_have_count(3)  # the same face is there once

        page.get_by_role("button", name=re.compile("^History")).click()
        find = page.get_by_label("Search the history")
        for text, count in (
            ("anger", 1),
            ("12", 1),
            ("seed 41", 2),
            ("au4 seed 41", 1),
            ("xyz", 0),
        ):
            find.fill(text)
            sync_api.expect(faces).to_have_count(count)
        find.fill("")
        first = faces.nth(1)
        first.hover()
        first.get_by_role("button", name="Favourite").click()
        page.reload()
        light.wait("done")
        sync_api.expect(faces).to_have_count(3)
        page.get_by_role("button", name=re.compile("^History")).click()
        page.get_by_role("button", name="Favourites only").click()
        sync_api.expect(faces).to_have_count(1)
        page.get_by_role("button", name="Load Anger").click()
        light.facs("4D+5B+7C+23C+24B")
        sync_api.expect(page.locator("#seed")).to_have_value("41")

        page.get_by_role("button", name="Favourites only").click()
        faces.first.get_by_role("button").first.focus()
        page.keyboard.press("Delete")
        sync_api.expect(faces).to_have_count(2)
        page.get_by_role("button", name="Delete all").click()
        sync_api.expect(faces).to_have_count(0)
        page.get_by_role("button", name="Undo", exact=True).click()
        sync_api.expect(faces).to_have_count(2)
        sync_api.expect(page.locator(".history .star[aria-pressed=true]")).to_have_count(1)

    def test_two_faces_are_compared(self, light: Visit) -> None:
        page = light.page
        light.slide("AU12", 2.0)
        light.generate()
        faces = page.locator(".history li")
        sync_api.expect(faces).to_have_count(2)
        page.get_by_role("button", name=re.compile("^History")).click()
        page.get_by_role("button", name="Table", exact=True).click()
        told = page.get_by_role("dialog", name="Asked and measured")
        sync_api.expect(told.locator(".face")).to_have_text(
            [re.compile(rf"^Happiness, 6C\+12{level}\+25B, .* builtin$") for level in "BD"]
        )
        sync_api.expect(told.locator(".reader").first).to_contain_text("Read by au-reader")
        sync_api.expect(told.locator("td").nth(1)).to_have_text("3")
        with page.expect_download() as download:
            told.get_by_role("button", name="Download CSV").click()
        lines = Path(download.value.path()).read_text().splitlines()
        assert lines[0].startswith("face,identity_seed,seed,backbone,what,asked,measured")
        told.get_by_role("button", name="Close").click()
        for face in faces.all():
            face.hover()
            face.get_by_role("button", name="Compare").click()
        dialog = page.get_by_role("dialog")
        sync_api.expect(dialog.locator(".differing tbody tr")).to_have_text(
            [re.compile(r"AU12 lip corner puller\s*2 \(B\)\s*4 \(D\)")]
        )
        dialog.get_by_role("button", name="Difference").click()
        canvas = dialog.locator("canvas")
        sync_api.expect(canvas).to_be_visible()
        assert canvas.evaluate(BRIGHTEST) > 0
        dialog.get_by_role("button", name="Wipe").click()
        dialog.get_by_label("Wipe").fill("0")
        sync_api.expect(dialog.locator(".other img")).to_have_css(
            "clip-path", "inset(0px 0px 0px 0%)"
        )
        page.keyboard.press("Escape")
        sync_api.expect(dialog).to_be_hidden()

    def test_settings_are_undone_and_redone(self, light: Visit) -> None:
        page = light.page
        undo = page.get_by_role("button", name="Undo the last change")
        sync_api.expect(undo).to_be_disabled()
        page.get_by_role("button", name="Fear").click()
        sync_api.expect(undo).to_be_enabled()
        page.locator("#text").fill("a man")
        page.wait_for_timeout(600)
        page.get_by_text("Fine control").click()
        page.locator("#steps").fill("7")
        page.locator("#steps").focus()
        page.keyboard.press("Control+z")
        sync_api.expect(page.locator("#steps")).to_have_value("20")
        page.keyboard.press("Control+z")
        sync_api.expect(page.locator("#text")).to_have_value("a portrait photo, plain background")
        page.keyboard.press("Control+z")
        light.facs("6C+12D+25B")
        sync_api.expect(undo).to_be_disabled()
        for _ in range(2):
            page.keyboard.press("Control+Shift+z")
        sync_api.expect(page.locator("#text")).to_have_value("a man")
        light.facs(format_facs(PROTOTYPES["fear"]))
        page.get_by_role("button", name="Redo").click()
        sync_api.expect(page.locator("#steps")).to_have_value("7")
        page.locator("#text").focus()
        page.keyboard.press("Control+z")  # in a text field it is the browser's own
        sync_api.expect(page.locator("#steps")).to_have_value("7")

    def test_a_picture_dropped_anywhere_brings_its_recipe(
        self, light: Visit, tmp_path: Path
    ) -> None:
        page = light.page
        page.get_by_role("tab", name="Stimuli").click()
        drop(page, b"\x89PNG\r\n\x1a\nbroken", "photo.png")
        sync_api.expect(page.locator(".notice")).to_contain_text("damaged or cut short")
        drop(page, b"\xff\xd8\xff\xe0\x00\x10JFIF", "photo.jpg")
        sync_api.expect(page.locator(".notice")).to_contain_text("another kind")
        drop(page, recipe(seed=77).to_json().encode(), "recipe.json")
        sync_api.expect(page.locator("#seed")).to_have_value("77")
        sync_api.expect(page.locator("#seed")).to_be_visible()
        drop(page, sheet(), "sheet.png")
        rows = page.locator('[data-axis="rows"]')
        sync_api.expect(rows.get_by_role("button", name="AUL12")).to_have_attribute(
            "aria-pressed", "true"
        )
        sync_api.expect(page.locator(".grid-form .count")).to_contain_text("2 faces: 1")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_a_narrow_page_keeps_it_folded(
        self, browser: sync_api.Browser, url: str, scheme: Any
    ) -> None:
        visit = Visit(browser, url, NARROW, scheme)
        visit.wait("done")
        page = visit.page
        head = page.get_by_role("button", name=re.compile("^History"))
        sync_api.expect(head).to_have_attribute("aria-expanded", "false")
        head.click()
        sync_api.expect(page.get_by_label("Search the history")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        visit.close()
        assert visit.troubles == []


def drop(page: sync_api.Page, content: bytes, name: str) -> None:
    """Drop a file on the middle of the page."""
    page.evaluate(
        """([data, name]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name));
          document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true,
            cancelable: true}));
        }""",
        [base64.b64encode(content).decode(), name],
    )
