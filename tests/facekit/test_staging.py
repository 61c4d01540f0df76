from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, scene_for
from synfer_core.facekit.staging import key_of

SIZE = 64
EXPRESSIONS = ({}, {"AU12": 4.0, "AU6": 3.0}, {"AU27": 5.0, "AU5": 4.0}, {"AU43": 5.0})


def group(identity: int) -> list[Scene]:
    traits = {"hair": "bob_bangs", "glasses": "thick"}
    return [scene_for(aus, identity, 3, traits=traits) for aus in EXPRESSIONS]


def test_a_group_gives_the_bytes_of_its_single_pictures(renderer: Renderer, pack_path) -> None:  # type: ignore[no-untyped-def]
    together = [renderer.render(scene, SIZE) for scene in group(7)]
    alone = Renderer.load(pack_path)
    for scene, picture in zip(group(7)[::-1], together[::-1], strict=True):
        alone.forget()
        np.testing.assert_array_equal(alone.render(scene, SIZE), picture)


def test_four_threads_give_the_bytes_of_one(renderer: Renderer, pack_path) -> None:  # type: ignore[no-untyped-def]
    scenes = [scene for person in range(6) for scene in group(person)]
    in_turn = [renderer.render(scene, SIZE) for scene in scenes]
    shared = Renderer.load(pack_path)
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda scene: shared.render(scene, SIZE), scenes))
    np.testing.assert_array_equal(at_once, in_turn)


def test_a_scene_is_staged_once_for_all_its_expressions(renderer: Renderer) -> None:
    keys = {key_of(scene, SIZE) for scene in group(5)}
    assert len(keys) == 1
    (key,) = keys
    scene = group(5)[0]
    assert key_of(scene, SIZE * 2) != key
    assert key_of(group(6)[0], SIZE) != key
    assert key_of(scene_for({}, 5, 4), SIZE) != key


@pytest.mark.parametrize("field", ["pose", "camera", "look", "styling", "background", "lighting"])
def test_whatever_else_changes_is_staged_anew(field: str) -> None:
    scene, other = scene_for({}, 5, 3), scene_for({}, 5, 4)
    assert key_of(replace(scene, **{field: getattr(other, field)}), SIZE) != key_of(scene, SIZE)
