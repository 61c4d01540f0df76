"""Gauges get pictures of the readers' size, whatever a backbone makes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from synfer_core.annotation import Annotator
from synfer_core.data.making import Maker
from synfer_core.evaluation import pictures
from synfer_core.faces.align import READ_SIZE
from synfer_core.models.backbone import Capabilities, Generation, check_size, sized
from synfer_core.report import AttentionMaps
from synfer_core.request import Recipe
from synfer_core.stimuli.tools import Tools
from synfer_core.synthesizer import Synthesizer
from tests.data.drawn_set import plan
from tests.stimuli.drawn import TOOLS

ABLE = Capabilities(
    name="grey",
    title="Grey",
    note="Grey squares.",
    image_size=512,
    aus=(),
    text=True,
    identity=True,
    guidance=False,
    attention=False,
    steps=False,
    sizes=(64, 1024),
)


@dataclass(frozen=True)
class Grey:
    """Squares without a face, of the size asked for."""

    capabilities: Capabilities = ABLE

    def check(self, recipe: Recipe) -> Recipe:
        check_size(recipe, self.capabilities)
        return recipe

    def stream(self, recipe: Recipe) -> Iterator[Generation]:
        side = recipe.size or self.capabilities.image_size
        yield Generation(np.full((side, side, 3), 127, np.uint8), AttentionMaps())


FIXED = replace(ABLE, sizes=None)


@pytest.mark.parametrize(
    ("abilities", "named", "made"),
    [(ABLE, None, READ_SIZE), (ABLE, 256, 256), (FIXED, None, 512)],
)
def test_pictures_are_as_large_as_readers_take_them(
    abilities: Capabilities, named: int | None, made: int
) -> None:
    image = pictures.maker(Grey(abilities))(Recipe(size=named))
    assert image.shape == (made, made, 3)


def test_another_size_can_be_asked_for() -> None:
    assert len(pictures.maker(Grey(), 256)(Recipe())) == 256


def test_a_recipe_of_the_usual_size_stays_as_it_is() -> None:
    recipe = Recipe()
    assert sized(recipe, replace(ABLE, image_size=READ_SIZE), READ_SIZE) is recipe


def test_results_have_that_size_too() -> None:
    synthesizer = Synthesizer({"builtin": Grey()}, Annotator(None, None, None))
    made = pictures.result(synthesizer, Recipe())
    assert made.recipe.size == len(made.image) == READ_SIZE


def test_data_sets_are_made_at_that_size() -> None:
    tools = Tools(**vars(TOOLS) | {"origin": lambda recipe: ABLE})
    asked = plan()
    maker = Maker(asked, tools, None)
    assert maker.recipe(asked.row(0)) == asked.recipe(asked.row(0)).model_copy(
        update={"size": READ_SIZE}
    )
    named = plan(recipe={"size": 256})
    assert Maker(named, tools, None).recipe(named.row(0)).size == 256
