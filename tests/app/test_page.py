"""The page in a real browser, walked as a person would."""

from __future__ import annotations

import json
import re
import time
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright import sync_api

from app.jobs import State
from app.ui.page import recipe_of
from synfer_core import editing
from synfer_core.provenance import reading
from tests.app.browsing import IN_A_BROWSER, NARROW, WIDE, Scheme, Visit, choose, crowding, open_tab
from tests.serving import Server

pytestmark = IN_A_BROWSER


def test_the_main_walk(visit: Visit) -> None:
    page = visit.page
    assert visit.first_face < 10 * crowding(), "the first face comes within ten seconds"
    assert visit.recipe().expression == "happiness"

    page.get_by_role("button", name="Surprise").click()
    visit.facs("1C+2C+5B+25B+26C")
    visit.slide("AU4", 1.5)
    visit.slide("AU12", 3.0)
    visit.facs("1C+2C+4B+5B+12C+25B+26C")
    visit.generate()

    made = visit.recipe()
    assert made.expression == "surprise"
    assert (made.aus["AU4"], made.aus["AU12"], made.aus["AU26"]) == (1.5, 3.0, 3.0)
    assert page.locator(".face").first.evaluate("e => e.naturalWidth") == 512
    assert page.locator("#report .bar-row").count() == 8
    assert page.locator("#report .readback:not(.figures) tbody tr").count() >= 7
    headings = page.locator("#report .readback:not(.figures) thead th")
    sync_api.expect(headings.last).to_have_text("MediaPipe")
    sync_api.expect(page.locator("#report")).not_to_contain_text("is reading")

    page.get_by_role("button", name="12 Lip corner puller").click()
    heat = page.locator("#studio-stage .heat").first
    sync_api.expect(heat).to_be_visible()
    before = heat.evaluate("e => getComputedStyle(e).opacity")
    page.locator("#studio-stage .heat-strength").fill("0.3")
    assert heat.evaluate("e => getComputedStyle(e).opacity") != before
    page.get_by_role("button", name="Face only").click()
    sync_api.expect(heat).to_be_hidden()


def test_light_and_dark(light: Visit) -> None:
    page = light.page
    back = "() => getComputedStyle(document.querySelector('.gradio-container')).backgroundColor"
    bright = page.evaluate(back)
    page.get_by_role("button", name="Dark colours").click()
    assert page.evaluate(back) != bright
    page.reload()
    light.wait("done")
    assert page.evaluate("document.body.classList.contains('dark')"), "the choice is kept"


@pytest.mark.usefixtures("unhurried")
def test_cancel_by_escape_and_by_button(light: Visit) -> None:
    page = light.page
    page.get_by_text("Fine control").click()
    page.locator("#steps").fill("100")
    face = page.locator("#studio-stage .face").first
    finished = face.get_attribute("src")
    for by_key in (True, False):
        page.get_by_role("button", name="Generate").click()
        light.wait("running")  # the last run's status may also say "step 3"
        page.wait_for_function("document.querySelector('.status').textContent.includes('step 3')")
        if by_key:
            page.keyboard.press("Escape")
        else:
            page.get_by_role("button", name="Cancel").click()
        light.wait("cancelled")
        assert "Cancelled at step" in page.locator("#studio-stage .status").inner_text()
        assert face.get_attribute("src") == finished


def test_sides_and_the_facs_box(light: Visit) -> None:
    page = light.page
    page.get_by_role("button", name="Lip corner puller: set the sides apart").click()
    light.slide("AUR12", 1.0)
    light.facs("6C+L12D+R12A+25B")
    page.locator("#facs").fill("R14C+4B")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator('[data-key="AUR14"] input')).to_have_value("3")
    light.generate()
    assert dict(light.recipe().aus) == {"AUR14": 3.0, "AU4": 2.0}


def test_errors_stand_beside_their_field_and_go_when_mended(light: Visit) -> None:
    page = light.page
    page.locator("#facs").fill("12D+99C")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#facs-error")).to_contain_text("AU99 is not an action unit")
    page.locator("#facs").fill("12D")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#facs-error")).to_be_hidden()
    wrong = page.locator('[data-error-for="seed"]')
    for _ in range(2):
        page.locator("#seed").fill("many")
        page.keyboard.press("Control+Enter")
        light.wait("failed")
        sync_api.expect(wrong).to_contain_text("not a whole number")
    page.locator("#seed").fill("3")
    sync_api.expect(wrong).to_be_hidden()
    light.generate()
    assert light.recipe().seed == 3


def test_locks_and_dice(light: Visit) -> None:
    page = light.page
    light.generate()
    first = light.recipe()
    page.get_by_role("button", name="Seed: keep from one face to the next").click()
    light.generate()
    second = light.recipe()
    assert second.identity_seed == first.identity_seed
    assert second.seed != first.seed
    page.get_by_role("button", name="Person: draw another").click()
    light.generate()
    assert light.recipe().identity_seed != first.identity_seed


def downloaded(page: sync_api.Page) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PNG").click()
    return Path(download.value.path()).read_bytes()


def test_the_download_is_marked_unless_the_page_says_otherwise(light: Visit) -> None:
    page = light.page
    marked = reading.read(downloaded(page))
    assert marked.tag_agrees
    page.get_by_text("Fine control").click()
    page.get_by_label("Put an invisible watermark into the picture").uncheck()
    page.get_by_label("Write into a corner").check()
    light.generate()
    plain = reading.read(downloaded(page))
    assert not plain.watermark.found
    assert plain.origin
    assert marked.origin
    assert (plain.origin.label, marked.origin.label) == ("AI-generated", "none")
    assert plain.origin.image_sha256 == marked.origin.image_sha256


def test_a_recipe_goes_round_by_png_and_by_json(light: Visit, tmp_path: Path) -> None:
    page = light.page
    content = downloaded(page)
    assert recipe_of(content).aus == {"AU6": 3.0, "AU12": 4.0, "AU25": 2.0}
    asked = recipe_of(content).model_copy(update={"text": "from a file", "seed": 2**60})
    file = tmp_path / "recipe.json"
    file.write_text(asked.to_json())
    page.locator('.load input[type="file"]').set_input_files(file)
    sync_api.expect(page.locator("#text")).to_have_value("from a file")
    light.generate()
    assert light.recipe().seed == 2**60
    assert light.recipe().text == "from a file"
    file.write_text("{")
    page.locator('.load input[type="file"]').set_input_files(file)
    sync_api.expect(page.locator('[data-error-for~="recipe"]')).to_contain_text("Not valid JSON")


def test_a_detailed_prompt_is_written_edited_and_dropped(light: Visit) -> None:
    page = light.page
    box = page.get_by_label("Detailed prompt")
    sync_api.expect(box).to_be_hidden()
    page.locator("#text").fill("a man")
    page.get_by_role("button", name="Write in detail").click()
    sync_api.expect(box).to_have_value(
        "a man, with an expression of happiness, lip corners pulled up strongly, cheeks raised, "
        "lips parted slightly"
    )
    sync_api.expect(page.locator(".stale")).to_be_hidden()
    light.slide("AU9", 5.0)
    sync_api.expect(page.locator(".stale")).to_contain_text("have changed")
    page.get_by_role("button", name="Write it again").click()
    sync_api.expect(page.locator(".stale")).to_be_hidden()
    box.press("End")
    box.press_sequentially(", smiling")
    light.generate()
    made = light.recipe()
    assert made.text == "a man"
    assert (made.enriched_text or "").startswith("a man, with an expression of happiness, nose")
    assert (made.enriched_text or "").endswith(", smiling")
    page.get_by_role("button", name="Use the prompt alone").click()
    sync_api.expect(box).to_be_hidden()
    light.generate()
    assert light.recipe().enriched_text is None


def test_a_prompt_needs_something_to_describe(light: Visit) -> None:
    page = light.page
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Write in detail").click()
    wrong = page.locator('[data-error-for="expression"]')
    sync_api.expect(wrong).to_contain_text("nothing to describe")


def test_guidance_is_compared_from_one_seed(light: Visit) -> None:
    page = light.page
    page.get_by_role("button", name="Fear").click()
    page.get_by_text("Reach an expression").click()
    state = page.locator(".guide .state")
    sync_api.expect(state).to_have_text("off")
    page.locator("#guidance-semantic").fill("5")
    sync_api.expect(state).to_have_text("5 towards fear")
    page.get_by_label("Also make it without").check()
    light.generate()
    assert light.recipe().guidance.semantic == 5.0
    faces = page.locator("#studio-stage .face")
    sync_api.expect(faces).to_have_count(2)
    sync_api.expect(page.locator("#studio-stage .name")).to_have_text(
        ["With guidance", "Without guidance"]
    )
    assert faces.nth(0).get_attribute("src") != faces.nth(1).get_attribute("src")
    page.get_by_role("button", name="5 Upper lid raiser").click()
    heats = page.locator("#studio-stage .heat")
    for heat in heats.all():
        sync_api.expect(heat).to_be_visible()
    curve = page.locator("#report .guided")
    sync_api.expect(curve).to_contain_text("The guide read fear")
    assert curve.locator("polyline").count() == 2
    page.locator("#target").select_option("")
    sync_api.expect(state).to_contain_text("needs a label")
    page.keyboard.press("Control+Enter")
    light.wait("failed")
    wrong = page.locator('[data-error-for="expression"]')
    sync_api.expect(wrong).to_contain_text("needs a target")
    page.locator("#guidance-semantic").fill("0")
    light.generate()
    sync_api.expect(page.locator("#studio-stage .beside")).to_be_hidden()


@pytest.mark.usefixtures("unhurried")
def test_cancel_stops_both_runs_of_a_comparison(light: Visit) -> None:
    page = light.page
    page.get_by_text("Reach an expression").click()
    page.locator("#guidance-semantic").fill("5")
    page.get_by_label("Also make it without").check()
    page.get_by_text("Fine control").click()
    page.locator("#steps").fill("100")
    page.keyboard.press("Control+Enter")
    light.wait("running")
    status = page.locator("#studio-stage .status")
    sync_api.expect(status).to_contain_text("First without guidance")
    page.keyboard.press("Escape")
    light.wait("cancelled")
    sync_api.expect(status).to_contain_text("Cancelled at step")


def test_the_face_is_edited_and_there_is_a_way_back(light: Visit) -> None:
    page = light.page
    before = light.recipe()
    page.get_by_role("button", name="Edit this face").click()
    sync_api.expect(page.locator(".edit .state")).to_have_text(f"on, depth {editing.DEPTH}")
    sync_api.expect(page.locator(".editing b")).to_have_text("The face above")
    light.slide("AU4", 4.0)
    page.locator("#inversion_depth").fill("0.5")
    page.get_by_role("button", name="Make the edit").click()
    light.wait("running")
    light.wait("done")
    made = light.recipe()
    assert (made.reference or "").startswith("data:image/png;base64,")
    assert (made.inversion_depth, made.aus["AU4"], made.identity_seed) == (0.5, 4.0, None)
    sync_api.expect(page.locator("#studio-stage .name")).to_have_text(["After", "Before"])
    sync_api.expect(page.locator("#report .reconstruction")).to_contain_text("dB")
    page.get_by_label("start from what the face shows").check()
    light.facs("6C+12D+25B")
    page.get_by_label("ask for what they show").check()
    light.facs("4D+6C+12D+25B")
    page.get_by_role("button", name="Back to plain generation").click()
    sync_api.expect(page.locator(".editing")).to_be_hidden()
    light.generate()
    after = light.recipe()
    assert after.reference is None
    assert after.identity_seed == before.identity_seed


def test_a_face_to_edit_is_uploaded_and_one_that_does_not_fit_is_named(
    light: Visit, tmp_path: Path
) -> None:
    page = light.page
    page.get_by_text("Edit a face").click()
    nobody, picture = tmp_path / "nobody.png", tmp_path / "mine.png"
    Image.new("RGB", (96, 96), "tan").save(nobody)
    page.locator('.edit input[type="file"]').set_input_files(nobody)
    wrong = page.locator('[data-error-for~="reference"]')
    sync_api.expect(wrong).to_contain_text("no face")
    Image.new("RGB", (128, 128), "tan").save(picture)
    page.locator('.edit input[type="file"]').set_input_files(picture)
    sync_api.expect(page.locator(".editing b")).to_have_text("mine.png")
    sync_api.expect(wrong).to_be_hidden()
    page.locator("input[name=studio-size][value='128']").check(force=True)  # as the picture
    light.generate()
    made = light.recipe()
    file = tmp_path / "recipe.json"
    file.write_text(made.model_copy(update={"weights_sha256": None}).to_json())
    page.get_by_role("button", name="Back to plain generation").click()
    page.locator('.load input[type="file"]').set_input_files(file)
    sync_api.expect(page.locator(".editing b")).to_have_text("The recipe's face")
    light.generate()
    assert light.recipe() == made


def test_a_narrow_page_fits_and_works_by_keyboard(browser: sync_api.Browser, url: str) -> None:
    visit = Visit(browser, url, NARROW, "light")
    visit.wait("done")
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    table = page.locator("#report .readback").first.bounding_box()
    assert table is not None
    assert table["x"] + table["width"] <= NARROW["width"] - 10, "all readers fit"
    box = page.get_by_role("button", name="Generate").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= NARROW["height"], "Generate is always in reach"
    page.locator('[data-region="mouth"] summary').click()
    page.locator('[data-key="AU12"] input').focus()
    page.keyboard.press("ArrowLeft")
    visit.generate()
    assert visit.recipe().aus["AU12"] == 3.9
    visit.close()
    assert visit.troubles == []


def test_figures_are_readable_on_a_narrow_page(browser: sync_api.Browser, url: str) -> None:
    visit = Visit(browser, url, NARROW, "light")
    visit.wait("done")
    panel = visit.page.locator("#report .trust")
    sync_api.expect(panel.locator(".tag")).to_have_text(["fair", "good", "poor"])
    sync_api.expect(panel).to_contain_text("right on 90 %")
    box = panel.locator("table").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= NARROW["width"] - 10
    light = contrasts(panel)
    visit.page.get_by_role("button", name="Dark colours").click()
    dark = contrasts(panel)
    assert light != dark
    assert min(light + dark) >= 4.5, "as WCAG 2 asks of text"
    visit.close()
    assert visit.troubles == []


COLOURS = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"


def contrasts(panel: sync_api.Locator) -> list[float]:
    return [contrast(*tag.evaluate(COLOURS)) for tag in panel.locator(".tag").all()]


def contrast(one: str, other: str) -> float:
    """The ratio of two colours, 1 to 21 (WCAG 2.2, contrast ratio)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.usefixtures("unhurried")
def test_a_closed_page_stops_its_run(browser: sync_api.Browser, url: str, server: Server) -> None:
    visit = Visit(browser, url, WIDE, "light")
    visit.wait("done")
    queue = server.queue
    before = set(queue.jobs())
    visit.page.get_by_text("Fine control").click()
    visit.page.locator("#steps").fill("100")
    visit.page.keyboard.press("Control+Enter")
    visit.wait("running")
    (job,) = set(queue.jobs()) - before
    visit.close()
    for _ in range(200):
        if job.state.final:
            break
        time.sleep(0.05)
    assert job.state is State.CANCELLED


def test_the_report_is_valid_json_to_copy(light: Visit) -> None:
    text = light.page.locator("#recipe-json").text_content() or ""
    assert json.loads(text)["weights_sha256"]


def test_a_stimulus_set_is_built_cancelled_and_saved(light: Visit) -> None:
    page = light.page
    open_tab(page, "Stimuli")
    choose(page, "builtin", "set")
    status = page.locator(".set-stage .status")
    page.locator("#set-identities").fill("3, 5")
    sync_api.expect(page.locator(".set .count")).to_contain_text("10 images: 2 ")
    page.get_by_label("Luminance").select_option("histogram")
    page.get_by_role("button", name="Build the set").click()
    wrong = page.locator('[data-error-for="treatment.match"]')
    sync_api.expect(wrong).to_contain_text("greyscale: true")
    page.get_by_label("Greyscale").check()
    page.get_by_label("Crop").select_option("oval")
    page.get_by_label("Level the eyes").uncheck()
    page.get_by_role("button", name="Build the set").click()
    sync_api.expect(status).to_contain_text("of 10", timeout=20_000)
    page.locator("#set-stimuli").get_by_role("button", name="Cancel").click()
    sync_api.expect(status).to_contain_text("Stopped", timeout=20_000)
    page.get_by_role("button", name="Continue").click()
    sync_api.expect(status).to_contain_text("10 images, ", timeout=60_000)
    confusion = page.get_by_alt_text("Confusion table")
    sync_api.expect(confusion).to_be_visible()
    assert confusion.evaluate("async img => { await img.decode(); return img.naturalWidth; }") > 200
    sync_api.expect(page.get_by_role("button", name="Continue")).to_be_hidden()

    page.get_by_label("Steps of intensity").select_option("100")
    page.locator("#set-identities").fill("3")
    page.get_by_role("button", name="Build the set").click()
    sync_api.expect(status).to_contain_text("3 images", timeout=60_000)
    sync_api.expect(page.locator(".set-stage .sheet img")).to_be_visible()
    sync_api.expect(page.locator(".set-stage .notes")).to_contain_text("no identity reader")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download ZIP").click()
    assert download.value.suggested_filename == "untitled-stimulus-set.zip"
    with zipfile.ZipFile(download.value.path()) as file:
        assert file.testzip() is None
        assert len([n for n in file.namelist() if n.startswith("images/")]) == 3


@pytest.mark.parametrize(
    ("size", "scheme"),
    # Colours follow from the scheme and places from the width: two visits meet all four.
    [(WIDE, "light"), (NARROW, "dark")],
    ids=["wide light", "narrow dark"],
)
def test_axe_finds_nothing_serious(
    browser: sync_api.Browser, url: str, size: sync_api.ViewportSize, scheme: Scheme
) -> None:
    visit = Visit(browser, url, size, scheme)
    visit.wait("done")
    found = {}
    for name in visit.page.get_by_role("tab").all_inner_texts():
        open_tab(visit.page, name)
        report = Axe().run(visit.page).response
        found[name] = [
            f"{v['id']}: {node['target']} {node['failureSummary']}"
            for v in report["violations"]
            if v["impact"] in ("serious", "critical")
            for node in v["nodes"]
        ]
    visit.close()
    assert not any(found.values()), "\n".join(f"{k}: {line}" for k in found for line in found[k])
