"""In a real browser: what the chosen backbone cannot do is greyed out, and the page says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

from app.settings import Settings
from synfer_core import samples
from synfer_core.models import sd_adapter
from synfer_core.models.added import Added
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, WIDE, Visit, choose, open_tab
from tests.models import tiny_ip_adapter, tiny_sd
from tests.serving import served

pytestmark = IN_A_BROWSER
NAME = "fineface"


@pytest.fixture(scope="module")
def page(
    reading_folder: Path, browser: sync_api.Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sync_api.Page]:
    """The studio with FineFace beside the built-in model, and FineFace chosen."""
    place = tmp_path_factory.mktemp("sd")
    units = sd_adapter.read_fineface(tiny_sd.write_fineface(place / "files"))
    sd_adapter.save(units, place / "units.safetensors")
    face = tiny_ip_adapter.write(place / "face", "plus")
    where = str(tiny_sd.write(place / "model"))
    added = Added(NAME, where, place / "units.safetensors", face=face)
    synthesizer = Synthesizer.load(reading_folder, [added])
    with served(synthesizer, Settings(first_face=False)) as server:
        visit = Visit(browser, server.url, WIDE, "light")
        visit.page.wait_for_selector(".au[data-unit='12'] input", state="attached")
        visit.page.get_by_text("Fine control").click()
        choose(visit.page, NAME)
        yield visit.page
        visit.close()
        assert visit.troubles == []


def test_units_that_it_lacks_are_greyed_out_with_the_reason(page: sync_api.Page) -> None:
    lacking = page.locator(".au.cannot")
    assert lacking.count() == 22 - 12
    seventh = page.locator(".au[data-unit='7']")
    assert seventh.get_attribute("title") == "Stable Diffusion (fineface) can't do AU7."
    slider = seventh.locator("input").first
    assert slider.is_disabled()
    assert slider.get_attribute("aria-description") == seventh.get_attribute("title")
    assert page.locator(".au[data-unit='12'] input").first.is_enabled()
    assert "moves 12 of the 22 action units" in page.locator(".units-why").inner_text()
    split = page.locator(".au[data-unit='12'] .split")
    assert split.is_disabled()
    assert "both sides of the face alike" in (split.get_attribute("title") or "")


def test_the_person_is_greyed_out_with_the_reason(page: sync_api.Page) -> None:
    field = page.locator("[data-field=identity_seed]")
    assert field.locator("#identity_seed").is_disabled()
    why = "keeps the person of a picture, not of a seed or a code"
    assert why in field.locator(".why").inner_text()
    declared = page.locator("p[data-declares]").inner_text()
    assert "trained on pictures from the web" in declared
    assert (
        "64 px · 12 action units, 0 to 5 · keeps the person of a picture · reads English"
        in declared
    )


def test_a_picture_of_the_person_is_taken_and_left_out_again(page: sync_api.Page) -> None:
    field, chosen = page.locator(".portrait"), page.locator(".portrait .chosen")
    assert field.get_by_role("button", name="Choose a picture").is_enabled()
    assert chosen.is_hidden()
    photo = samples.FOLDER / samples.find("ada").file
    field.locator("input[type=file]").set_input_files(photo)
    chosen.wait_for(timeout=60_000)
    assert chosen.locator("b").inner_text() == photo.name
    told = page.evaluate("window.synfer.controls")
    assert told["identity_image"].startswith("data:image/png;base64,")
    assert told["identity_scale"] == 0.5
    page.locator("[data-act=generate]").first.click()
    page.wait_for_selector("body[data-phase=done]", timeout=60_000)
    assert page.locator(".error:visible").count() == 0
    chosen.get_by_role("button", name="Leave it out").click()
    assert chosen.is_hidden()
    assert page.evaluate("window.synfer.controls")["identity_image"] == ""
    choose(page, "builtin")
    assert "not as a picture" in field.locator("> .why").inner_text()
    assert field.get_by_role("button", name="Choose a picture").is_disabled()
    choose(page, NAME)


def test_sliders_of_guidance_show_the_engines_own_until_they_are_moved(
    page: sync_api.Page,
) -> None:
    field = page.locator("[data-field='guidance.text']")
    assert field.locator("output").inner_text() == "7.5"
    assert page.evaluate("window.synfer.controls.guidance.text") is None
    choose(page, "builtin")
    assert field.locator("output").inner_text() == "1"
    field.locator("input").fill("3")
    choose(page, NAME)
    assert field.locator("output").inner_text() == "3"
    assert page.evaluate("window.synfer.controls.guidance.text") == 3


def test_all_comes_back_with_a_backbone_that_can(page: sync_api.Page) -> None:
    choose(page, "builtin")
    titles = page.locator("[data-place=studio] .engine .what").all_inner_texts()
    assert titles == ["Exact 3D FaceKit", "Diffusion", "Stable Diffusion fineface"]
    assert page.locator(".au.cannot").count() == 0
    assert page.locator(".units-why").is_hidden()
    assert page.locator("#identity_seed").is_enabled()
    assert "L R" in page.locator(".au[data-unit='12'] .split").inner_text()
    assert page.locator(".au[data-unit='12'] .split").is_enabled()
    choose(page, NAME)


def test_a_face_is_made_from_what_is_left(page: sync_api.Page) -> None:
    page.locator(".preset[data-expression=fear]").click()
    page.locator("[data-act=generate]").first.click()
    page.wait_for_selector("body[data-phase=done]", timeout=60_000)
    assert page.locator(".error:visible").count() == 0


def test_tabs_that_need_a_person_grey_it_out_with_the_reason(page: sync_api.Page) -> None:
    for tab, place, why in (
        ("Stimuli", "set", "keeps the person of a picture, not of a seed or a code"),
        ("Data", "data", "the two engines that ship"),
    ):
        open_tab(page, tab)
        card = page.locator(f"[data-place={place}] .engine", has_text="fineface")
        assert card.locator("input").is_disabled()
        assert why in card.locator(".why").inner_text()
        assert page.locator(f"[data-place={place}] input[value=facekit]").is_enabled()
    open_tab(page, "Studio")


def test_engines_are_chosen_with_arrow_keys_and_sizes_follow(page: sync_api.Page) -> None:
    choose(page, "builtin")
    sizes = page.locator("[data-place=studio] .sizes input")
    page.locator("input[name=studio-engine][value=builtin]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(f"input[name=studio-engine][value={NAME}]").is_checked()
    assert page.locator(".units-why").is_visible()
    off = [size.input_value() for size in sizes.all() if size.is_disabled()]
    assert off == ["128", "256", "512", "768", "1024"]
    assert sizes.first.input_value() == "64", "its own, which is not on offer otherwise"
    title = sizes.nth(1).locator("..").get_attribute("title")
    assert title is not None
    assert title.endswith(" makes 64 px.")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".units-why").is_hidden()
    assert not any(size.is_disabled() for size in sizes.all())
    choose(page, NAME)


def test_times_are_told_by_the_engine_that_took_them(page: sync_api.Page) -> None:
    choose(page, "builtin")
    told = page.locator("[data-place=studio] .engine .time")
    page.locator("[data-act=generate]").first.click()
    page.wait_for_selector("body[data-phase=running]", timeout=60_000)
    page.wait_for_selector("body[data-phase=done]", timeout=60_000)
    sync_api.expect(told.nth(1)).to_have_text(re.compile(r"^about [\d.]+ s a face$"))
    paces = page.evaluate("window.synfer.paces")
    one = paces["builtin"]["128"]
    other = paces[NAME].get("64")
    assert other is None or other["step"] != one["step"]
    choose(page, NAME)
