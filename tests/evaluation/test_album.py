from __future__ import annotations

from pathlib import Path

import pytest

from synfer_core.errors import DataError, RequestError
from synfer_core.evaluation.album import Album, Shot, png_of, read
from synfer_core.report import read_recipe
from synfer_core.request import Recipe
from tests.evaluation.painted import Painter

RECIPE = Recipe(expression="fear", seed=1, identity_seed=2)


def album(folder: Path | None, told: list[int]) -> Album:
    return Album(Painter(), folder, lambda: told.append(1))


def test_equal_recipes_share_one_image() -> None:
    told: list[int] = []
    shots = album(None, told)
    assert shots(RECIPE) is shots(RECIPE.model_copy())
    assert shots(RECIPE) is not shots(RECIPE.model_copy(update={"seed": 2}))
    assert len(told) == 2


def test_images_are_kept_with_recipe_and_seconds(tmp_path: Path) -> None:
    made = album(tmp_path, [])(RECIPE)
    (path,) = tmp_path.iterdir()
    kept = album(tmp_path, [])(RECIPE)
    assert (kept.image == made.image).all()
    assert kept.seconds == made.seconds > 0
    assert read_recipe(path.read_bytes()) == Painter().check(RECIPE)
    path.write_bytes(png_of(RECIPE, Shot(made.image, 7.5)))
    assert album(tmp_path, [])(RECIPE).seconds == 7.5


def test_images_of_other_weights_are_not_taken(tmp_path: Path) -> None:
    class Retrained(Painter):
        def check(self, recipe: Recipe) -> Recipe:
            return recipe.model_copy(update={"weights_sha256": "b" * 64})

    album(tmp_path, [])(RECIPE)
    Album(Retrained(), tmp_path, lambda: None)(RECIPE)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_such_image_are_named(tmp_path: Path, damage: bytes) -> None:
    album(tmp_path, [])(RECIPE)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    with pytest.raises(DataError, match="no image of an earlier run") as caught:
        album(tmp_path, [])(RECIPE)
    assert caught.value.field == str(path)


def test_images_without_seconds_are_named(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    with pytest.raises(DataError, match="earlier run"):
        read(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        album(tmp_path / "none", [])(RECIPE)
