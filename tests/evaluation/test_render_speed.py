from __future__ import annotations

from itertools import islice

import pytest

from synfer_core.evaluation import render_speed
from synfer_core.evaluation.render_speed import RenderSpeed
from synfer_core.facekit.staging import key_of
from synfer_core.models import exact


def test_scenes_come_eight_to_a_person_and_repeat_with_the_seed() -> None:
    people = [scene.identity.seed for scene in islice(render_speed.scenes(3), 20)]
    assert [len(set(people[i : i + 8])) for i in (0, 8)] == [1, 1]
    assert len(set(people)) == 3
    assert people == [scene.identity.seed for scene in islice(render_speed.scenes(3), 20)]
    assert next(render_speed.scenes(4)).identity.seed != people[0]


def test_a_group_is_four_expressions_of_one_scene() -> None:
    drawn = list(islice(render_speed.groups(3), 8))
    keys = [key_of(scene, 128) for scene in drawn]
    assert [len(set(keys[i : i + 4])) for i in (0, 4)] == [1, 1]
    assert keys[0] != keys[4]
    assert len({scene.aus for scene in drawn}) == 4


def test_rates_and_drags_are_held_against_their_targets() -> None:
    single = RenderSpeed("single", 128, (0.03, 0.05), (0.1, 0.1)).to_dict()
    assert (single["value"], single["target"], single["met"], single["n"]) == (25, 25, True, 2)
    drag = RenderSpeed("drag", 512, (0.2, 0.3, 0.4), (0.5, 0.6, 0.7)).to_dict()
    assert (drag["value"], drag["target"], drag["met"]) == (0.3, 0.25, False)
    assert drag["wall_seconds"] == {"median": 0.6, "p95": pytest.approx(0.69)}
    assert RenderSpeed("single", 64, (0.1,), (0.1,)).to_dict()["met"] is None


def test_a_pack_at_hand_is_timed() -> None:
    backbone = exact.find(64)
    renderer = backbone.renderer
    single = render_speed.measure(renderer, 64, seconds=0.1)
    group = render_speed.measure_groups(renderer, 64, seconds=0.1)
    drag = render_speed.measure_drags(backbone, 64, moves=2)
    assert len(single.processor) >= 1
    assert len(group.processor) % 4 == 0
    assert len(drag.processor) == 2
    assert min(*single.processor, *group.processor, *drag.processor) > 0
    assert all(speed.line().startswith(speed.work) for speed in (single, group, drag))
