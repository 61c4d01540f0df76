"""People by expressions, each exact and as a model makes them, to be looked at side by side."""

from __future__ import annotations

from collections.abc import Callable

from synfer_core.evaluation.pictures import maker
from synfer_core.evaluation.reference import recipe_of
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import EXPRESSIONS
from synfer_core.models.backbone import Backbone
from synfer_core.report import Pixels
from synfer_core.request import Recipe

PEOPLE = 12
CELLS = (128, 256, 512)
"""Sizes of a picture, pixels."""


def draw(
    exact: Backbone,
    backbone: Backbone,
    *,
    size: int,
    steps: int,
    tell: Callable[[int, int], None],
    people: int = PEOPLE,
) -> bytes:
    """A JPEG with two rows a person, exact renders above what a backbone makes; neutral first.

    Args:
        exact: The exact renderer.
        backbone: The model.
        size: Pixels on a side of a picture.
        steps: Denoising steps.
        tell: Called with pictures made and in all.
        people: The first so many of those of `eval reference`.
    """
    total, done, rows, names = 2 * people * len(EXPRESSIONS), 0, [], []
    for person in range(people):
        asked = [recipe_of(person, expression, steps) for expression in EXPRESSIONS]
        for one in (exact, backbone):
            rows.append(_row(one, asked, size))
            done += len(asked)
            tell(done, total)
        names += [f"{person}, exact", "diffused"]
    return contact_sheet(rows, row_names=names, column_names=EXPRESSIONS)


def _row(backbone: Backbone, asked: list[Recipe], size: int) -> list[Pixels]:
    make, name = maker(backbone, size), backbone.capabilities.name
    return [make(recipe.model_copy(update={"backbone": name})) for recipe in asked]
