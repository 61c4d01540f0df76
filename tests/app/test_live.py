"""Live in a real browser: drafts under the hand, the whole face when it lets go, the face's map."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api

from app.settings import Settings
from synfer_core.reference.denoiser import ReferenceDenoiser
from synfer_core.request import Recipe, SceneOptions
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, NARROW, WIDE, Visit, choose, crowding
from tests.serving import Server, served

pytestmark = IN_A_BROWSER

MOVES = 40


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[Server]:
    with served(synthesizer, Settings(live=True)) as one:
        yield one


@pytest.fixture
def drafts(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The drafts that are begun, each step of which takes a tenth of a second."""
    begun: list[Recipe] = []
    forward, draft = ReferenceDenoiser.forward, Synthesizer.draft

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.1)
        return forward(*args, **kwargs)

    def noted(self: Synthesizer, recipe: Recipe) -> Any:
        begun.append(recipe)
        return draft(self, recipe)

    monkeypatch.setattr(ReferenceDenoiser, "forward", slowly)
    monkeypatch.setattr(Synthesizer, "draft", noted)
    return begun


def face(visit: Visit) -> str:
    return visit.page.locator("#studio-stage .face").first.get_attribute("src") or ""


def wait_for(fact: Any, what: str) -> None:
    end = time.monotonic() + 30 * crowding()
    while not fact():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def mark(visit: Visit) -> sync_api.Locator:
    return visit.page.locator("#studio-stage .draft-mark")


def drag(visit: Visit, key: str) -> float:
    """Press a slider and move it from 0 to 5 in many small moves, without letting go; seconds."""
    track = visit.page.locator(f'[data-key="{key}"] input')
    track.hover(position={"x": 8, "y": 8})  # it waits until nothing on the page shifts any more
    box = track.bounding_box()
    assert box is not None
    left, y, begun = box["x"] + 8, box["y"] + 8, time.monotonic()
    visit.page.mouse.down()
    for step in range(1, MOVES + 1):
        visit.page.mouse.move(left + step * (box["width"] - 16) / MOVES, y)
    return time.monotonic() - begun


def test_a_drag_shows_the_newest_value_and_letting_go_refines_it(
    light: Visit, server: Server, drafts: list[Recipe]
) -> None:
    first, made = face(light), light.recipe()
    dragged = drag(light, "AU4")
    wait_for(lambda: drafts and drafts[-1].aus["AU4"] == 5.0, "the last value is drafted")
    wait_for(lambda: face(light) != first and not server.queue.waiting, "the face changes")
    sync_api.expect(mark(light)).to_be_visible()
    # Where the hand is slow there is time for more: 0.3 s each, every second one given up.
    most = max(MOVES / 2, 2 * dragged / 0.3)
    assert len(drafts) <= most, "most values were replaced by newer ones and never made"
    assert light.page.locator("body").get_attribute("data-phase") == "draft"
    sync_api.expect(light.page.get_by_role("link", name="Download PNG")).to_be_hidden()
    assert light.recipe() == made, "nothing is refined before the hand lets go"

    made_by_hand = len(drafts)
    light.page.mouse.up()
    light.wait("running")
    sync_api.expect(mark(light)).to_be_visible()
    shown = face(light)
    assert shown.startswith("data:image/webp"), "the draft stays until the whole face is there"
    light.wait("done")
    sync_api.expect(mark(light)).to_be_hidden()
    refined = light.recipe()
    assert (refined.aus["AU4"], refined.steps, refined.scheduler) == (5.0, 20, "ddim")
    assert (refined.seed, refined.identity_seed) == (made.seed, made.identity_seed)
    assert (drafts[-1].seed, drafts[-1].identity_seed) == (made.seed, made.identity_seed)
    assert face(light) != shown
    assert len(drafts) == made_by_hand, "letting go drafts nothing that has been drafted"


def test_cancelling_the_refinement_keeps_the_draft(light: Visit, drafts: list[Recipe]) -> None:
    light.page.get_by_role("button", name="Surprise").click()
    light.wait("running")
    shown = face(light)
    assert [draft.expression for draft in drafts] == ["surprise"]
    light.page.keyboard.press("Escape")
    light.wait("cancelled")
    assert face(light) == shown
    sync_api.expect(mark(light)).to_be_visible()
    light.generate()
    assert light.recipe().expression == "surprise"
    sync_api.expect(mark(light)).to_be_hidden()


def test_steps_by_keyboard_are_refined_once_the_keys_rest(
    light: Visit, drafts: list[Recipe]
) -> None:
    page = light.page
    page.get_by_role("button", name="Seed: keep from one face to the next").click()
    seed = light.recipe().seed
    slider = page.locator('[data-key="AU12"] input')
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    wait_for(lambda: drafts and round(drafts[-1].aus["AU12"], 1) == 4.3, "drafted")
    page.wait_for_function(
        "document.querySelector('#recipe-json').textContent.includes('4.3')",
        timeout=30_000 * crowding(),
    )
    assert light.recipe().seed == seed, "an open lock draws anew for Generate alone"
    assert slider.evaluate("e => document.activeElement === e"), "the keys stay on the slider"


def test_the_scene_of_an_exact_face_is_drafted_as_its_units_are(
    light: Visit, drafts: list[Recipe]
) -> None:
    page = light.page
    choose(page, "facekit")
    page.locator("input[name=studio-size][value='128']").check(force=True)
    page.locator(".scene[data-place=studio] summary").click()
    turned = page.locator("#studio-scene-yaw")
    turned.focus()
    for _ in range(3):
        turned.press("ArrowRight")
    wait_for(lambda: drafts and drafts[-1].scene == SceneOptions(yaw=3.0), "drafted")
    page.wait_for_function(
        "document.querySelector('#recipe-json').textContent.includes('yaw')",
        timeout=30_000 * crowding(),
    )
    assert light.recipe().scene == SceneOptions(yaw=3.0)
    assert turned.evaluate("e => document.activeElement === e"), "the keys stay on the slider"
    page.locator("#studio-scene-light").select_option("studio")
    wait_for(lambda: drafts[-1].scene == SceneOptions(yaw=3.0, light="studio"), "drafted")
    light.wait("done")


def test_live_is_switched_off_and_stays_off(light: Visit, drafts: list[Recipe]) -> None:
    page = light.page
    switch = page.get_by_role("switch", name="Live")
    sync_api.expect(switch).to_be_checked()
    switch.click()
    page.reload()
    light.wait("done")
    sync_api.expect(switch).not_to_be_checked()
    first = face(light)
    light.slide("AU4", 3.0)
    light.facs("4C+6C+12D+25B")
    page.wait_for_timeout(800)
    assert face(light) == first
    assert drafts == []


def test_a_region_of_the_face_brings_up_its_sliders_by_mouse_and_by_keyboard(light: Visit) -> None:
    page = light.page
    name = page.locator(".region-name")
    page.locator('[data-region="jaw"] summary').click()
    jaw = page.get_by_role("button", name="Jaw and chin: show its sliders")
    jaw.hover()
    sync_api.expect(name).to_have_text("Jaw and chin")
    jaw.click()
    reached(light, "AU26")
    page.get_by_role("button", name="Nose: show its sliders").focus()
    sync_api.expect(name).to_have_text("Nose")
    page.keyboard.press("Enter")
    reached(light, "AU9")
    sync_api.expect(name).to_be_hidden()

    page.get_by_role("button", name="Inner brow raiser: set the sides apart").click()
    places = {}
    for side, key in (("Left", "AUL1"), ("Right", "AUR1")):
        region = page.get_by_role("button", name=f"{side} brow: show its sliders")
        region.click()
        reached(light, key)
        places[side] = region.bounding_box()
    assert places["Left"]
    assert places["Right"]
    assert places["Left"]["x"] > places["Right"]["x"], "left is the subject's own"


def reached(visit: Visit, key: str) -> None:
    slider = visit.page.locator(f'[data-key="{key}"] input')
    sync_api.expect(slider).to_be_focused()
    sync_api.expect(slider).to_be_in_viewport()


def test_a_narrow_dark_page_takes_the_face_along(
    browser: sync_api.Browser, url: str, drafts: list[Recipe]
) -> None:
    visit = Visit(browser, url, NARROW, "dark")
    visit.wait("done")
    page = visit.page
    box = page.get_by_role("switch", name="Live").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= NARROW["height"], "in reach"
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.get_by_role("button", name="Mouth: show its sliders").click()
    sync_api.expect(page.locator('[data-key="AU10"] input')).to_be_focused()
    small = page.locator("#studio-stage .mini")
    sync_api.expect(small).to_be_hidden()
    page.keyboard.press("ArrowRight")
    wait_for(lambda: drafts, "a draft is begun")
    sync_api.expect(small).to_be_visible()
    visit.wait("done")
    assert small.get_attribute("src") == face(visit)
    found = Axe().run(page).response["violations"]
    visit.close()
    assert visit.troubles == []
    assert not [v["id"] for v in found if v["impact"] in ("serious", "critical")]


def test_a_server_without_live_has_no_switch(
    browser: sync_api.Browser, synthesizer: Synthesizer
) -> None:
    with served(synthesizer, Settings(live=False)) as one:
        visit = Visit(browser, one.url, WIDE, "light")
        visit.wait("done")
        assert visit.page.get_by_role("switch").count() == 0
        assert visit.page.locator(".regions [role=button]").count() == 9
        visit.close()
    assert visit.troubles == []
