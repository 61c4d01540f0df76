from __future__ import annotations

from itertools import islice

from synfer_core.evaluation import render_speed
from synfer_core.evaluation.render_speed import RenderSpeed


def test_scenes_come_eight_to_a_person_and_repeat_with_the_seed() -> None:
    people = [scene.identity.seed for scene in islice(render_speed.scenes(3), 20)]
    assert [len(set(people[i : i + 8])) for i in (0, 8)] == [1, 1]
    assert len(set(people)) == 3
    assert people == [scene.identity.seed for scene in islice(render_speed.scenes(3), 20)]
    assert next(render_speed.scenes(4)).identity.seed != people[0]


def test_the_rate_is_images_by_seconds() -> None:
    speed = RenderSpeed(size=128, images=50, seconds=2.0)
    assert speed.rate == 25
    assert speed.to_dict()["images_per_second_and_core"] == 25


def test_a_pack_at_hand_is_timed() -> None:
    from synfer_core.facekit.renderer import Renderer

    speed = render_speed.measure(Renderer.load(), 64, seconds=0.2)
    assert speed.images >= 1
    assert speed.rate > 0
