"""Live mode in a real browser: drafts under the hand, the whole face when it lets go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.settings import Settings
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, Visit
from tests.serving import Server, served

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[Server]:
    with served(synthesizer, Settings(live=True)) as one:
        yield one


def face(visit: Visit) -> str:
    return visit.page.locator("#studio-stage .face").first.get_attribute("src") or ""


def grab(visit: Visit, key: str) -> tuple[float, float, float]:
    """Press the pointer on a slider; where it lies: left, width and height above ground."""
    track = visit.page.locator(f'[data-key="{key}"] input')
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    assert box is not None
    return box["x"], box["width"], box["y"] + box["height"] / 2


def test_a_drag_shows_drafts_and_letting_go_refines(light: Visit, server: Server) -> None:
    page = light.page
    first = face(light)

    left, width, y = grab(light, "AU4")
    page.mouse.move(left + 8, y)
    page.mouse.down()
    for step in range(1, 41):
        page.mouse.move(left + 8 + step * (width - 16) / 40, y)
    page.wait_for_function(
        "old => document.querySelector('#studio-stage .face').src !== old", arg=first
    )
    print(face(light)[:40], page.evaluate("document.body.dataset.phase"))
    page.mouse.up()
    light.wait("done")
    print(light.recipe())
