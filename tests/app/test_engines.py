"""The choice of engine and size: its markup, and in a real browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.ui import engines
from synfer_core.models.backbone import Capabilities
from tests.app.test_paces import DIFFUSION, EXACT
from tests.app.test_ui import check_markup

ADDED = replace(DIFFUSION, name="sd15", title="Stable Diffusion (sd15)", image_size=512)
ENGINES = {"builtin": DIFFUSION, "facekit": EXACT, "sd15": ADDED}


def test_the_exact_renderer_comes_first_and_each_engine_says_what_it_is_for() -> None:
    markup = engines.engines_html("set", ENGINES, engines.EXACT, {"sd15": "It keeps no person."})
    check_markup(markup)
    places = [markup.index(f'value="{name}"') for name in ("facekit", "builtin", "sd15")]
    assert places == sorted(places)
    assert "<b>Stable Diffusion</b> <small>sd15</small>" in markup
    assert markup.count("checked") == markup.count("disabled") == 1
    assert "It keeps no person." in markup


@pytest.mark.parametrize(
    ("first", "there", "chosen"),
    [
        (engines.EXACT, ENGINES, {"backbone": "facekit", "size": 512}),
        (engines.DIFFUSION, ENGINES, {"backbone": "builtin", "size": None}),
        (engines.EXACT, {"builtin": DIFFUSION}, {"backbone": "builtin", "size": None}),
    ],
)
def test_a_tab_starts_with_its_engine(
    first: str, there: dict[str, Capabilities], chosen: dict[str, object]
) -> None:
    assert engines.usual(there, first) == chosen


def test_an_engine_tells_its_sizes() -> None:
    assert engines.engine_facts(EXACT)["sizes"] == [64, 1024]
    assert engines.engine_facts(DIFFUSION)["sizes"] == [128, 128]
    assert engines.engine_facts(EXACT)["usual_size"] == 512
    assert "64 to 1024 px" in engines.declared(EXACT)
