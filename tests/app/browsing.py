"""What the tests in a real browser share: the open page, its sizes, and when they are skipped."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import Literal

import pytest
from playwright import sync_api

from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
IN_A_BROWSER = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    # Gradio's queue keeps statistics in ways that pandas is about to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
"""The marks of a module of such tests."""

Scheme = Literal["light", "dark"]
WIDE = sync_api.ViewportSize(width=1440, height=900)
NARROW = sync_api.ViewportSize(width=390, height=844)


def write_figures(folder: Path, synthesizer: Synthesizer) -> Path:
    """A small ``figures.json`` for these weights: a good, a fair and a poor unit."""
    weights = synthesizer.check(Recipe.parse({"aus": {"AU12": 1.0}})).weights_sha256
    control = {
        "weights_sha256": weights,
        "images": 300,
        "aus": {
            "AU6": {"spearman": {"value": 0.55, "low": 0.4, "high": 0.6}, "reader_r": 0.9},
            "AU12": {"spearman": {"value": 0.86, "low": 0.8, "high": 0.9}, "reader_r": 0.95},
            "AU25": {"spearman": {"value": 0.21, "low": 0.1, "high": 0.3}, "reader_r": 0.88},
        },
    }
    feranno = {"weights_sha256": weights, "accuracy": 0.9, "ece": 0.04}
    (folder / "figures.json").write_text(json.dumps({"control": control, "feranno": feranno}))
    return folder


def crowding() -> float:
    """How many times slower other work makes this machine, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


STORED = "cookies,local_storage,indexeddb,service_workers,cache_storage"
"""What a browser keeps of a page, but for the scripts that it has read and compiled."""


class Visit:
    """One open page, with what it said and asked for on the way.

    All visits of a browser share what it has cached of scripts, which halves the time that a page
    takes to open, and nothing else.
    """

    def __init__(
        self, browser: sync_api.Browser, url: str, size: sync_api.ViewportSize, scheme: Scheme
    ):
        context = browser.contexts[0] if browser.contexts else browser.new_context()
        self.page, self._url = context.new_page(), url
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=scheme)
        self.troubles: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", self._failed)
        self.page.on("request", lambda request: self._asked(request.url, url))
        self.opened, self.first_face = time.monotonic(), math.inf
        self.page.goto(url)

    def close(self) -> None:
        """Leave the page and have the browser forget it, but for its scripts.

        What the page says of connections that its end breaks is no trouble.
        """
        self.page.remove_listener("console", self._heard)
        self.page.remove_listener("pageerror", self._failed)
        self.page.goto("about:blank")
        session = self.page.context.new_cdp_session(self.page)
        forget = {"origin": self._url.rstrip("/"), "storageTypes": STORED}
        session.send("Storage.clearDataForOrigin", forget)
        self.page.close()

    def _failed(self, error: sync_api.Error) -> None:
        self.troubles.append(str(error))

    def _heard(self, message: sync_api.ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def _asked(self, address: str, url: str) -> None:
        if not address.startswith((url, "data:", "blob:")):
            self.troubles.append(f"outside request: {address}")

    def wait(self, phase: str) -> None:
        self.page.wait_for_selector(f"body[data-phase={phase}]", timeout=30_000 * crowding())

    def generate(self) -> None:
        self.page.keyboard.press("Control+Enter")
        self.wait("done")

    def recipe(self) -> Recipe:
        return Recipe.parse_json(self.page.locator("#recipe-json").text_content() or "")

    def slide(self, key: str, value: float) -> None:
        self.page.locator(f'[data-key="{key}"] input').fill(str(value))

    def facs(self, text: str) -> None:
        sync_api.expect(self.page.locator("#facs")).to_have_value(text)


def open_tab(page: sync_api.Page, name: str) -> None:
    """Go to a tab; on a narrow page the row of tabs scrolls to it."""
    page.get_by_role("tab", name=name, exact=True).click()


def choose(page: sync_api.Page, engine: str, place: str = "studio") -> None:
    """Choose an engine at the top of the tab in sight."""
    page.locator(f"input[name={place}-engine][value={engine}]").check()
