"""In a real browser: all that the page makes, without a network and without settings."""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api

from app.settings import Settings
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import CHROMIUM, IN_A_BROWSER, Visit, choose, crowding, open_tab
from tests.serving import served

pytestmark = IN_A_BROWSER
SIZE = sync_api.ViewportSize(width=1280, height=800)
PATIENCE = 60_000
"""Milliseconds that any one piece of work may take on an idle machine."""

REFUSING = "http://127.0.0.1:9"
"""A proxy that is not there; addresses of this machine are not asked of it."""

LOCAL = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(scope="module")
def cut_off() -> Iterator[None]:
    """No variable of ours is set, and nothing but this machine can be reached."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOCAL:
            raise OSError(f"the network is blocked: {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SYNFER_")]:
            patch.delenv(name)
        patch.setattr(socket.socket, "connect", local_only)
        yield


@pytest.fixture(scope="module")
def page(cut_off: None) -> Iterator[sync_api.Page]:
    """The studio as it ships, in a browser that reaches nothing but this machine."""
    flags = ["--no-sandbox", "--headless=new", f"--proxy-server={REFUSING}"]
    with (
        served(Synthesizer.load(), Settings()) as server,
        sync_api.sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        visit = Visit(browser, server.url, SIZE, "light")
        visit.page.set_default_timeout(PATIENCE * crowding())
        yield visit.page
        visit.close()
        assert visit.troubles == []
        browser.close()


def shown(page: sync_api.Page, selector: str, phase: str) -> None:
    """Wait until a stage is in that phase."""
    page.wait_for_selector(f"{selector}[data-phase={phase}]")


def small(page: sync_api.Page, place: str) -> None:
    """Choose the exact renderer at 128 pixels."""
    choose(page, "facekit", place)
    page.locator(f"input[name={place}-size][value='128']").check()


def natural_size(page: sync_api.Page, selector: str) -> list[float]:
    """Pixels of a picture's file, and of its place on the page."""
    size = "[img.naturalWidth, img.getBoundingClientRect().width]"
    look = f"async (img) => {{ await img.decode(); return {size}; }}"
    return list(page.locator(selector).first.evaluate(look))


def test_both_engines_make_a_face(page: sync_api.Page) -> None:
    shown(page, "body", "done")
    assert page.locator("input[name=studio-engine]:checked").input_value() == "builtin"
    assert natural_size(page, "#studio-stage .face")[0] == 512
    choose(page, "facekit")
    assert page.locator("input[name=studio-size]:checked").input_value() == "512"
    page.keyboard.press("Control+Enter")
    shown(page, "body", "running")
    shown(page, "body", "done")
    assert natural_size(page, "#studio-stage .face") == [512, 512], "pixel by pixel"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PNG").click()
    assert Path(download.value.path()).stat().st_size > 100_000
    sync_api.expect(page.locator("#guidance-au")).to_be_disabled()
    choose(page, "builtin")
    sync_api.expect(page.locator("#guidance-au")).to_be_enabled()


def test_a_stimulus_set_is_built_with_its_defaults(page: sync_api.Page) -> None:
    open_tab(page, "Stimuli")
    assert page.locator("input[name=set-engine]:checked").input_value() == "facekit"
    assert page.locator("input[name=set-size]:checked").input_value() == "512"
    times = page.locator("[data-place=set] .engine .time")
    sync_api.expect(times.first).to_contain_text(" images")
    page.get_by_role("button", name="Build the set").click()
    shown(page, ".set-stage", "done")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download ZIP").click()
    with zipfile.ZipFile(download.value.path()) as file:
        images = [name for name in file.namelist() if name.startswith("images/")]
        assert len(images) > 2
        assert file.getinfo(images[0]).file_size > 100_000, "512 pixels on a side"


def test_a_morph_is_made(page: sync_api.Page) -> None:
    open_tab(page, "Morphs")
    assert page.locator("input[name=morph-size]:checked").input_value() == "512"
    small(page, "morph")
    page.locator("#morph-frames").fill("3")
    page.get_by_label("Shift the frames").uncheck()
    page.get_by_role("button", name="Make the continuum").click()
    shown(page, ".film", "done")
    sync_api.expect(page.locator(".film .cell")).to_have_count(3)
    page.wait_for_function("document.querySelector('.film .screen img').naturalWidth === 128")


def test_a_grid_is_made(page: sync_api.Page) -> None:
    open_tab(page, "Grids")
    assert page.locator("input[name=grid-size]:checked").input_value() == "512"
    small(page, "grid")
    assert page.get_by_role("button", name="Guidance by AU").is_disabled()
    page.get_by_role("button", name="AU by AU").click()
    for axis in ("rows", "columns"):
        page.locator(f"[data-axis={axis}]").get_by_label("Values").fill("0, 5")
    page.get_by_role("button", name="Make the grid").click()
    shown(page, ".grid-stage", "done")
    sync_api.expect(page.locator(".cells .face img")).to_have_count(4)
    assert natural_size(page, ".cells .face img")[0] == 128


def test_a_data_set_is_built(page: sync_api.Page) -> None:
    open_tab(page, "Data")
    assert page.locator("input[name=data-engine]:checked").input_value() == "builtin"
    assert page.locator("input[name=data-size]:checked").input_value() == "128"
    choose(page, "facekit", "data")
    recipe = page.locator("#build-recipe")
    page.wait_for_function("document.querySelector('#build-recipe').value.includes('facekit')")
    assert "size: 512" in recipe.input_value()
    choose(page, "builtin", "data")
    page.wait_for_function("document.querySelector('#build-recipe').value.includes('builtin')")
    assert "size: 128" in recipe.input_value()
    page.locator("#build-name").fill("pilot")
    page.locator("#build-total").fill("2")
    page.get_by_role("button", name="Build the data set").click()
    shown(page, ".dataset", "done")
    sync_api.expect(page.locator(".dataset .status")).to_contain_text("2 images")
