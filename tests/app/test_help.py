"""The help: its words and recipes, then cards, dialog and tour in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright import sync_api

from app.schemas import page_recipe
from app.settings import Settings
from app.ui.help import CARDS, RECIPES, examples, help_html, server_functions
from app.ui.help_text import GLOSSARY, MOVEMENTS, TERMS, TOUR
from synfer_core.facs import ACTION_UNITS
from synfer_core.models.backbone import Capabilities
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, NARROW, WIDE, Visit
from tests.app.test_ui import BACKBONES, check_markup
from tests.serving import served


def test_every_unit_has_its_words_and_its_picture() -> None:
    assert set(MOVEMENTS) == set(ACTION_UNITS)
    read_card, _ = server_functions(BACKBONES)
    for number in ACTION_UNITS:
        with Image.open(CARDS / f"au{number:02d}.webp") as picture:
            assert picture.size == (192, 192)
        assert read_card(number)["picture"].startswith("data:image/webp;base64,")
    assert read_card(3) == read_card("12") == {"picture": ""}
    assert sum(path.stat().st_size for path in CARDS.iterdir()) < 200_000


def test_terms_and_tour_lead_somewhere() -> None:
    assert set(TERMS.values()) <= set(GLOSSARY)
    assert 6 <= len(TOUR) <= 8
    assert list(GLOSSARY) == sorted(GLOSSARY, key=str.lower)
    check_markup(help_html())


def test_examples_are_recipes_that_the_page_takes() -> None:
    found = examples()
    assert 6 <= len(found) <= 8
    _, read_examples = server_functions(BACKBONES)
    offered = read_examples(None)["examples"]
    for example, shown in zip(found, offered, strict=True):
        made = page_recipe(shown["panel"], shown["controls"], BACKBONES)
        assert made.action_units == example.recipe.action_units
        assert (made.seed, made.text) == (example.recipe.seed, example.recipe.text)
        with Image.open(RECIPES / f"{example.name}.webp") as picture:
            assert picture.width >= 128
    without: dict[str, Capabilities] = {}
    assert server_functions(without)[1](None) == {"examples": []}


def test_example_pictures_are_of_the_weights_that_ship() -> None:
    synthesizer = Synthesizer.load()
    for example in examples():
        now = synthesizer.check(example.recipe).weights_sha256
        assert example.weights_sha256 == now, "run scripts/recipes"


@pytest.fixture(scope="module")
def address(synthesizer: Synthesizer) -> Iterator[str]:
    with served(synthesizer, Settings(first_face=False)) as one:
        yield one.url


class TestInABrowser:
    pytestmark = IN_A_BROWSER

    def test_cards_come_and_go(self, browser: sync_api.Browser, address: str) -> None:
        visit = Visit(browser, address, WIDE, "light")
        page, card = visit.page, visit.page.locator(".au-card")
        slider = page.locator('[data-key="AU12"] input')
        page.locator('[data-unit="12"] .au-name').hover()
        sync_api.expect(card).to_contain_text("AU 12")
        sync_api.expect(card).to_contain_text("zygomaticus major")
        sync_api.expect(card.locator("img")).to_have_js_property("naturalWidth", 192)
        card.hover()
        page.wait_for_timeout(500)
        sync_api.expect(card).to_be_visible()
        page.keyboard.press("Escape")
        sync_api.expect(card).to_be_hidden()
        page.mouse.move(900, 500)

        page.locator("#facs").focus()
        for _ in range(40):
            page.keyboard.press("Tab")
            if slider.evaluate("e => e === document.activeElement"):
                break
        sync_api.expect(card).to_be_visible()
        sync_api.expect(card).to_contain_text("AU 12")
        page.wait_for_timeout(300)
        assert slider.get_attribute("aria-describedby") == "au-card", "though the pane scrolled"
        page.keyboard.press("Escape")
        sync_api.expect(card).to_be_hidden()
        assert slider.evaluate("e => e === document.activeElement"), "focus stays"
        assert slider.get_attribute("aria-describedby") is None
        visit.close()
        assert visit.troubles == []

    def test_the_dialog_searches_and_loads_an_example(
        self, browser: sync_api.Browser, address: str
    ) -> None:
        visit = Visit(browser, address, NARROW, "dark")
        page = visit.page
        page.get_by_role("button", name="Help").click()
        dialog = page.get_by_role("dialog", name="Help")
        sync_api.expect(dialog.locator(".example")).to_have_count(len(examples()))
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        found = Axe().run(page).response["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        page.locator("#help-search").fill("noise backward")
        sync_api.expect(dialog.locator(".entry:visible dt")).to_have_text(["DDIM inversion"])
        dialog.get_by_role("button", name="A smirk").click()
        sync_api.expect(dialog).to_be_hidden()
        sync_api.expect(page.locator("#facs")).to_have_value("R12D+R14D")
        sync_api.expect(page.locator("#text")).to_have_value("a young man, plain background")
        page.get_by_role("button", name="What is: FACS").click()
        sync_api.expect(dialog.locator(".entry.asked dt")).to_have_text("FACS")
        page.keyboard.press("Escape")
        sync_api.expect(dialog).to_be_hidden()
        visit.close()
        assert visit.troubles == []

    def test_the_tour_is_offered_once_and_walked_by_keyboard(
        self, browser: sync_api.Browser, address: str
    ) -> None:
        visit = Visit(browser, address, WIDE, "light")
        page = visit.page
        page.locator(".offer").get_by_role("button", name="Two-minute tour").click()
        stop = page.get_by_role("dialog", name="Tour")
        for number, step in enumerate(TOUR, 1):
            sync_api.expect(stop.locator(".stop-title")).to_have_text(step.title)
            sync_api.expect(stop.locator("small")).to_have_text(f"{number} of {len(TOUR)}")
            assert page.locator(".toured").evaluate("(e, at) => e.matches(at)", step.at), (
                f"it points at {step.at}"
            )
            if number < len(TOUR):
                page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        sync_api.expect(stop).to_be_hidden()
        sync_api.expect(page.locator(".toured")).to_have_count(0)
        page.reload()
        page.get_by_role("button", name="Help").wait_for()
        page.wait_for_timeout(300)
        sync_api.expect(page.locator(".offer")).to_be_hidden()
        visit.close()
        assert visit.troubles == []
