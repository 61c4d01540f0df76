"""What a page keeps of a finished face: recipe, and words it is found by. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from synfer_core.asked import COLUMNS, rows_of, to_csv
from synfer_core.differences import compare
from synfer_core.errors import SynferError
from synfer_core.facs import ACTION_UNITS, format_facs
from synfer_core.report import Result
from synfer_core.request import Recipe

_ROWS = 20_000
"""Rows of that table: of 200 faces, 100 each."""


def kept_value(result: Result) -> dict[str, Any]:
    """Recipe, title and search words of a face."""
    recipe = result.recipe
    return {
        "recipe": recipe.to_json(),
        "title": title(recipe),
        "read": result.label.expression if result.label else "",
        "words": " ".join(_words(result)),
        "asked": rows_of(title(recipe), recipe, result.readings, result.label),
    }


def title(recipe: Recipe) -> str:
    """A face in one line: what it is meant to show, its action units, person and seed."""
    person = f"person {recipe.identity_seed}" if recipe.identity_seed is not None else ""
    facs = format_facs(recipe.action_units) or "no action unit"
    parts = ((recipe.expression or "").capitalize(), facs, person, f"seed {recipe.seed}")
    return ", ".join(part for part in parts if part)


def _words(result: Result) -> Iterator[str]:
    """Lower-case words; ``au12``, ``seed:7`` and ``person:3`` stand for themselves alone."""
    recipe = result.recipe
    yield f"seed:{recipe.seed}"
    if recipe.identity_seed is not None:
        yield f"person:{recipe.identity_seed}"
    for key, value in recipe.action_units.items():
        if value > 0:
            unit = ACTION_UNITS[int(key.lstrip("AULR"))]
            yield from (key.lower(), unit.key.lower(), str(unit.number), *unit.name.split())
    yield from format_facs(recipe.action_units).lower().split("+")
    read = result.label.expression if result.label else ""
    texts = f"{recipe.text} {recipe.enriched_text or ''} {recipe.expression or ''} {read}"
    yield from dict.fromkeys(re.findall(r"\w+", texts.lower()))


def compare_recipes(texts: object) -> dict[str, Any]:
    """What the page calls with two recipes as JSON; answers their settings, or an error."""
    try:
        one, other = (Recipe.parse_json(str(text)) for text in _pair(texts))
    except SynferError as error:
        return {"error": error.to_dict()}
    settings = compare(one, other)
    return {
        "differing": [[s.name, s.one, s.other] for s in settings if s.differs],
        "equal": [[s.name, s.one] for s in settings if not s.differs],
    }


def _pair(texts: object) -> list[object]:
    """Two items, whatever was sent; what is missing is no recipe."""
    items = texts if isinstance(texts, list) else []
    return [*items[:2], "", ""][:2]


def asked_csv(rows: object) -> dict[str, str]:
    """What the page calls with rows of the table of asked and measured; answers the CSV file."""
    items = rows[:_ROWS] if isinstance(rows, list) else []
    known = [{c: row.get(c, "") for c in COLUMNS} for row in items if isinstance(row, dict)]
    return {"text": to_csv(known).decode()}


_SHOWN = ("what", "asked", "measured", "difference")
"""Columns of the table on the page; face, engine and reader stand above the rows they go for."""


def asked_html() -> str:
    """The dialog that shows what was asked and measured; its script fills it, face by face."""
    heads = "".join(f'<th scope="col">{escape(name.capitalize())}</th>' for name in _SHOWN)
    return f"""
<dialog class="controls compare asked" aria-labelledby="asked-title"
  data-columns="{",".join(_SHOWN)}">
  <div class="compare-head"><h2 id="asked-title">Asked and measured</h2>
    <button type="button" data-act="csv">Download CSV</button>
    <button type="button" data-act="close">Close</button></div>
  <div class="rows" tabindex="0"><table class="readback"><thead><tr>{heads}</tr></thead>
    </table></div>
  <p class="hint">Intensities are 0 to 5. Units that nobody asked for are listed from 1 (A) on.</p>
</dialog>"""
