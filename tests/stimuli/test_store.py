from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from synfer_core.errors import CancelledError, RequestError
from synfer_core.report import Result
from synfer_core.request import Recipe
from synfer_core.stimuli.store import FolderStore, MemoryStore, SpoolStore
from tests.stimuli.drawn import SIZE, WEIGHTS, draw

RECIPE = Recipe.parse({"aus": {"AU12": 2.5}, "identity_seed": 4})


class Counting:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self, recipe: Recipe) -> Result:
        self.made += 1
        return draw(recipe)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore.beside(tmp_path / "set.zip", "me")


def test_an_image_is_made_once_and_comes_back_whole(store: FolderStore) -> None:
    generate = Counting()
    first, second = store.make(RECIPE, generate), store.make(RECIPE, generate)
    assert generate.made == store.count() == 1
    assert (first.image == second.image).all()
    assert second.recipe.weights_sha256 == WEIGHTS
    assert second.aus["AUL12"] == 2.5
    assert second.probabilities["neutral"] == 1.0
    assert (first.aus, first.au_reader) == (second.aus, second.au_reader)


def test_images_of_other_makers_and_damaged_ones_are_made_anew(store: FolderStore) -> None:
    generate = Counting()
    store.make(RECIPE, generate)
    FolderStore(store.folder, "you").make(RECIPE, generate)
    assert generate.made == 2
    for path in store.folder.iterdir():
        path.write_bytes(path.read_bytes()[:300])
    store.make(RECIPE, generate)
    assert generate.made == 3


def test_a_spool_keeps_pixels_and_readings_until_it_is_closed() -> None:
    generate, store = Counting(), SpoolStore(2 * SIZE * SIZE * 3)
    made = store.make(RECIPE, generate)
    again = store.make(RECIPE, generate)
    assert generate.made == 1
    assert (again.image == draw(RECIPE).image).all()
    assert replace(again, image=made.image) == made
    other = RECIPE.model_copy(update={"identity_seed": 5})
    assert not (store.make(other, generate).image == made.image).all()
    assert (store.make(RECIPE, generate).image == made.image).all()
    assert len(store) == 2
    with pytest.raises(RequestError, match="too large"):
        store.make(RECIPE.model_copy(update={"identity_seed": 6}), generate)
    store.close()
    with pytest.raises(CancelledError):
        store.keep(RECIPE, made)


def test_nothing_is_left(store: FolderStore) -> None:
    store.clear()
    store.make(RECIPE, draw)
    store.clear()
    assert not store.folder.exists()


def test_memory_keeps_too() -> None:
    generate, store = Counting(), MemoryStore()
    assert store.make(RECIPE, generate) is store.make(RECIPE, generate)
    assert generate.made == 1
