"""The help: cards of action units, a glossary, a tour, and sample recipes to load at a click."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from app.schemas import forms_of
from app.ui.help_text import GLOSSARY, MOVEMENTS, TERMS, TOUR
from app.ui.pictures import data_url
from synfer_core.facs import ACTION_UNITS
from synfer_core.models.backbone import Capabilities
from synfer_core.request import Recipe

_ASSETS = Path(__file__).resolve().parents[2] / "assets"
CARDS = _ASSETS / "help"
"""Pictures of the action units; ``synfer facekit cards`` draws them."""
RECIPES = _ASSETS / "recipes"
"""Sample recipes and their pictures; ``scripts/recipes`` draws them."""


@dataclass(frozen=True)
class Example:
    """A sample recipe.

    Attributes:
        name: Its picture's name, without the ending.
        title: For people.
        what: What to look at.
        recipe: The recipe.
        weights_sha256: The weights that drew the picture.
    """

    name: str
    title: str
    what: str
    recipe: Recipe
    weights_sha256: str


@cache
def examples() -> tuple[Example, ...]:
    """The sample recipes that ship, in the order to show them in.

    Raises:
        RequestError: A recipe is not valid.
    """
    entries = json.loads((RECIPES / "recipes.json").read_text(encoding="utf-8"))
    return tuple(Example(**{**e, "recipe": Recipe.parse(e["recipe"])}) for e in entries)


def server_functions(
    backbones: Mapping[str, Capabilities],
) -> list[Callable[[object], dict[str, Any]]]:
    """What the page calls as it needs it: an action unit's picture, and the sample recipes.

    Args:
        backbones: What there is; recipes that need another are not offered.
    """

    def read_card(number: object) -> dict[str, Any]:
        if not isinstance(number, int) or number not in ACTION_UNITS:
            return {"picture": ""}
        return {"picture": _picture(CARDS / f"au{number:02d}.webp")}

    def read_examples(_: object) -> dict[str, Any]:
        offered = [one for one in examples() if one.recipe.backbone in backbones]
        return {"examples": [_shown(one) for one in offered]}

    return [read_card, read_examples]


@cache
def _picture(path: Path) -> str:
    return data_url(path.read_bytes(), "webp")


def _shown(example: Example) -> dict[str, Any]:
    forms = forms_of(example.recipe)
    return {
        "title": example.title,
        "what": example.what,
        "picture": _picture(RECIPES / f"{example.name}.webp"),
        "panel": forms.panel,
        "controls": forms.controls,
    }


def help_html() -> str:
    """The markup of all of it; hidden until it is asked for."""
    return f"""
<div class="help" data-terms="{_json(dict(TERMS))}"
  data-stops="{_json([vars(stop) for stop in TOUR])}">
  <p class="offer" role="region" aria-label="Tour" hidden>
    <button type="button" data-act="tour">Two-minute tour</button>
    <button type="button" data-act="no-tour" aria-label="No tour, thanks">✕</button></p>
  <div class="au-card" id="au-card" role="tooltip" hidden><img alt=""><div>
    <b class="card-title"></b><p class="card-seen"></p><p class="card-muscles"></p></div></div>
  <div class="stop" role="dialog" aria-label="Tour" tabindex="-1" hidden>
    <b class="stop-title"></b><p></p>
    <div class="stop-buttons"><small></small><button type="button" data-act="end">End</button>
    <button type="button" data-act="back">Back</button>
    <button type="button" class="primary" data-act="next">Next</button></div></div>
  <dialog class="help-dialog" aria-labelledby="help-title"><header>
    <h2 id="help-title">Help</h2><button type="button" data-act="tour">Two-minute tour</button>
    <button type="button" class="icon" data-act="close" aria-label="Close">✕</button></header>
    <h3>Sample recipes</h3><p class="hint">Click one: it is loaded into the Studio.</p>
    <div class="examples"></div>
    <h3>Glossary</h3><label class="unseen" for="help-search">Search the glossary</label>
    <input type="text" id="help-search" placeholder="Search: a term or a word"
      autocomplete="off"><p class="hint found" role="status"></p>
    <dl class="glossary">{_glossary_html()}</dl></dialog>
  <template class="movements">{_json(_movements())}</template>
</div>"""


def _json(value: object) -> str:
    # Gradio reads templates as JavaScript: no letter is written with a backslash.
    return escape(json.dumps(value, ensure_ascii=False))


def _glossary_html() -> str:
    return "".join(
        f'<div class="entry" data-entry="{escape(name)}" tabindex="-1"><dt>{escape(name)}</dt>'
        f"<dd>{escape(text)}</dd></div>"
        for name, text in GLOSSARY.items()
    )


def _movements() -> dict[int, dict[str, str]]:
    """By FACS number: the words of its card."""
    return {
        number: {
            "title": f"AU {number} \u00b7 {ACTION_UNITS[number].name.capitalize()}",
            "muscles": movement.muscles,
            "seen": movement.seen,
        }
        for number, movement in MOVEMENTS.items()
    }
