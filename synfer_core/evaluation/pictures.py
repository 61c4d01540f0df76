"""The pictures that gauges read: made at the readers' size, whatever a backbone makes by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from synfer_core.faces.align import READ_SIZE
from synfer_core.models.backbone import Backbone, Generation, sized
from synfer_core.report import Pixels, Result
from synfer_core.request import Recipe

if TYPE_CHECKING:
    from synfer_core.synthesizer import Synthesizer

Make = Callable[[Recipe], Pixels]


def completed(backbone: Backbone, recipe: Recipe, size: int = READ_SIZE) -> Recipe:
    """The recipe at a size, and completed by the backbone.

    A recipe that names a size keeps it. Where the backbone cannot make the size, its own is made,
    and readers shrink that.

    Raises:
        RequestError: The backbone refuses it.
    """
    return backbone.check(sized(recipe, backbone.capabilities, size))


def made(backbone: Backbone, recipe: Recipe, size: int = READ_SIZE) -> Generation:
    """What a backbone makes of a recipe at a size; nothing is read off on the way.

    Raises:
        RequestError: The backbone refuses it.
    """
    *_, last = backbone.stream(completed(backbone, recipe, size))
    assert isinstance(last, Generation)
    return last


def maker(backbone: Backbone, size: int = READ_SIZE) -> Make:
    """A backbone as a function from recipe to picture; see `made`."""
    return lambda recipe: made(backbone, recipe, size).image


def result(synthesizer: Synthesizer, recipe: Recipe) -> Result:
    """What a synthesizer makes of a recipe at the readers' size, with its readings.

    Raises:
        RequestError: The backbone is unknown or refuses the recipe.
    """
    abilities = synthesizer.capabilities.get(recipe.backbone)
    if abilities is not None:
        recipe = sized(recipe, abilities, READ_SIZE)
    return synthesizer.generate(recipe)
