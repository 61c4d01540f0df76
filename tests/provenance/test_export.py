from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from synfer_core.provenance import watermark
from synfer_core.provenance.export import WORDS, Export, pixels_sha256, tag_of
from synfer_core.provenance.marking import PLAIN, Marking
from synfer_core.report import AttentionMaps, Result, carried_recipe, read_recipe
from synfer_core.request import Recipe
from tests.provenance.pictures import faces
from tests.provenance.recipes import FIELDS, recipes

TINY = np.zeros((4, 4, 3), np.uint8)


def result(recipe: Recipe) -> Result:
    return Result(recipe, faces()[0], None, (), AttentionMaps(), {})


@settings(max_examples=1000, deadline=None)
@given(recipes)
def test_a_recipe_comes_back_from_its_png_as_it_was(recipe: Recipe) -> None:
    png = Export.of(TINY, recipe, Marking()).to_png()
    assert read_recipe(png) == recipe
    back, notes = carried_recipe(png)
    assert notes == ()
    assert back is not None
    assert back.to_json() == recipe.to_json()


def test_random_recipes_use_every_field() -> None:
    seen: set[str] = set()

    @settings(max_examples=200, deadline=None, database=None)
    @given(FIELDS)
    def collect(fields: dict[str, object]) -> None:
        seen.update(fields)

    collect()
    assert seen == set(Recipe.model_fields)


def test_the_image_stays_and_the_export_is_marked() -> None:
    made = result(Recipe(seed=3))
    export = made.export()
    assert np.array_equal(made.image, faces()[0])
    assert not np.array_equal(export.pixels, made.image)
    assert export.origin.image_sha256 == made.image_sha256 == pixels_sha256(faces()[0])
    assert export.origin.pixels_sha256 == pixels_sha256(export.pixels) != made.image_sha256
    found = watermark.find(export.pixels)
    assert found.tag == tag_of(export.origin.recipe_sha256 or "")
    assert export.origin.watermark == "stdm-1"


def test_equal_recipes_give_equal_files() -> None:
    for marking in (Marking(), PLAIN, Marking(label=True)):
        one, other = (result(Recipe(seed=3)).to_png(marking) for _ in range(2))
        assert one == other
    exports = [result(Recipe(seed=seed)).export() for seed in (3, 4)]
    assert not np.array_equal(exports[0].pixels, exports[1].pixels), "the tag is the recipe's"


def test_without_a_watermark_the_pixels_are_those_that_were_made() -> None:
    png = result(Recipe()).to_png(PLAIN)
    with Image.open(io.BytesIO(png)) as image:
        np.testing.assert_array_equal(np.asarray(image), faces()[0])
    origin = result(Recipe()).export(PLAIN).origin
    assert origin.pixels_sha256 == origin.image_sha256
    assert (origin.watermark, origin.label) == ("none", "none")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "AI-generated"),
        ({"reference": "sample:ada"}, "AI-edited"),
        ({"backbone": "facekit"}, "Computer-made"),
    ],
)
def test_the_label_says_what_it_is_and_lies_under_the_watermark(
    fields: dict[str, str], words: str
) -> None:
    export = result(Recipe.parse(fields)).export(Marking(label=True))
    assert export.origin.label == words
    assert words in WORDS.values()
    assert watermark.find(export.pixels).agreeing == 48
    assert export.pixels[-3:, -3:].max() < 120, "the plate's corner"


def test_a_picture_too_small_for_the_watermark_says_so() -> None:
    origin = Export.of(TINY, Recipe(), Marking()).origin
    assert origin.watermark == "none"
    assert origin.pixels_sha256 == origin.image_sha256
