"""Paces are learned from finished images, each engine and size by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.compare import Made
from app.jobs import JobQueue
from app.paces import Paces, timing
from app.ui.data_recipe import seconds_of, spec_of
from synfer_core.models.backbone import Capabilities
from synfer_core.report import AttentionMaps, Progress, Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

DIFFUSION = Capabilities(
    *("builtin", "Diffusion", "", 128, ("AU12",), True, True, True, True, True), drafts=True
)
EXACT = replace(DIFFUSION, name="facekit", title="Exact 3D", steps=False, sizes=(64, 1024))
ENGINES = {"builtin": DIFFUSION, "facekit": EXACT}


def finished(name: str, size: int, generation: float, **fields: Any) -> Result:
    recipe = Recipe.parse({"backbone": name, "steps": 10, "size": size, **fields})
    image = np.zeros((size, size, 3), np.uint8)
    seconds = {"generation": generation, "annotation": 0.5}
    return Result(recipe, image, None, (), AttentionMaps(), seconds)


def learned(*results: Result) -> Paces:
    paces = Paces(ENGINES)
    for result in results:
        paces.learn(result)
    return paces


def seconds(paces: Paces, name: str, size: int, steps: int = 10, kind: str = "face") -> float:
    pace = paces.of(name, size)
    assert pace is not None
    return pace.seconds(steps, kind)


@pytest.mark.parametrize("name", list(ENGINES))
def test_one_engines_time_never_feeds_anothers_estimate(name: str) -> None:
    (other,) = set(ENGINES) - {name}
    paces = learned(finished(name, 128, 2.0))
    assert seconds(paces, name, 128) == pytest.approx(2.5)
    assert paces.of(other, 128) is None
    assert paces.told()[other] == {}
    before = seconds(paces, name, 128)
    paces.learn(finished(other, 128, 90.0))
    paces.learn_rest(Recipe(backbone=other, size=128), "stimuli", 60.0)
    assert seconds(paces, name, 128) == seconds(paces, name, 128, kind="stimuli") == before


def test_the_data_tab_asks_for_its_own_engine_and_size() -> None:
    paces = learned(finished("builtin", 128, 2.0))
    assert seconds_of(spec_of("counts: 3", 10), ENGINES, paces) == pytest.approx(0.5 + 0.2 * 20)
    exact = spec_of("counts: 3\nbackbone: facekit\nrecipe: {size: 512}", 10)
    assert seconds_of(exact, ENGINES, paces) is None
    paces.learn(finished("facekit", 512, 0.8))
    assert seconds_of(exact, ENGINES, paces) == pytest.approx(1.3)


def test_steps_count_only_where_there_are_any() -> None:
    paces = learned(finished("builtin", 128, 2.0), finished("facekit", 128, 2.0))
    assert seconds(paces, "builtin", 128, steps=20) == pytest.approx(4.5)
    assert seconds(paces, "facekit", 128, steps=20) == pytest.approx(2.5)


def test_the_first_image_counts_only_until_the_second() -> None:
    paces = learned(finished("facekit", 512, 60.0), finished("facekit", 512, 1.0))
    assert seconds(paces, "facekit", 512) == pytest.approx(1.5)
    paces.learn(finished("facekit", 512, 2.0))
    assert seconds(paces, "facekit", 512) == pytest.approx(1.8)


def test_a_size_that_was_not_timed_follows_from_the_engines_others() -> None:
    paces = learned(finished("facekit", 128, 0.1))
    alone = paces.of("facekit", 256)
    assert alone is not None
    assert not alone.measured
    assert alone.step == pytest.approx(0.4)
    paces.learn(finished("facekit", 512, 1.6))
    between = paces.of("facekit", 256)
    assert between is not None
    assert 0.1 < between.step < 1.6
    assert between.step == pytest.approx(0.1 + 1.5 * (256**2 - 128**2) / (512**2 - 128**2))
    timed = paces.of("facekit", 512)
    assert timed is not None
    assert (timed.measured, timed.step) == (True, pytest.approx(1.6))
    assert paces.of("builtin", 512) is None, "it makes no such size"
    assert paces.of("facekit", 2048) is None


def test_guided_and_edited_faces_say_nothing_of_others() -> None:
    guided = finished("builtin", 128, 9.0, guidance={"semantic": 2.0}, expression="fear")
    edited = finished("builtin", 128, 9.0, reference="sample:ada")
    assert learned(guided, edited).of("builtin", 128) is None
    paces = Paces(ENGINES)
    paces.learn(Made(finished("builtin", 128, 1.0), guided))
    assert seconds(paces, "builtin", 128) == pytest.approx(1.5)
    paces.learn("no image")
    paces.learn(finished("unknown", 128, 1.0))
    assert set(paces.told()) == set(ENGINES)


def test_what_comes_beside_the_image_is_told_by_kind_of_work() -> None:
    paces = learned(finished("facekit", 512, 1.0))
    recipe = Recipe(backbone="facekit", size=512)
    paces.learn_rest(recipe, "face", 0.25)
    assert seconds(paces, "facekit", 512, kind="stimuli") == pytest.approx(1.75)
    paces.learn_rest(recipe, "stimuli", 2.0)
    assert seconds(paces, "facekit", 512, kind="stimuli") == pytest.approx(3.5)
    assert seconds(paces, "facekit", 512) == pytest.approx(1.75)


def test_images_made_together_may_take_less_than_alone() -> None:
    paces = learned(finished("facekit", 512, 1.0))
    paces.learn_whole(Recipe(backbone="facekit", size=512), "stimuli", 0.9)
    assert seconds(paces, "facekit", 512, kind="stimuli") == pytest.approx(0.9)
    assert seconds(paces, "facekit", 512) == pytest.approx(1.5)
    paces.learn_whole(Recipe(backbone="builtin"), "stimuli", 0.9)
    assert paces.of("builtin", 128) is None, "a share of it is not known"


def test_a_set_is_estimated_by_the_pace_of_sets_at_its_size() -> None:
    paces = learned(finished("facekit", 128, 0.1), finished("facekit", 512, 2.0))
    paces.learn_whole(Recipe(backbone="facekit", size=128), "stimuli", 0.2)
    paces.learn_whole(Recipe(backbone="facekit", size=512), "stimuli", 0.8)
    for _ in range(3):
        paces.learn(finished("facekit", 512, 9.0))
    assert seconds(paces, "facekit", 512, kind="stimuli") == pytest.approx(0.8)
    assert seconds(paces, "facekit", 512, kind="morph") > 2.5, "another kind of work"
    between = paces.of("facekit", 256)
    assert between is not None
    assert between.whole["stimuli"] == pytest.approx(0.32)
    assert between.sure == ()
    paces.learn_whole(Recipe(backbone="facekit", size=256), "stimuli", 0.5)
    made = paces.of("facekit", 256)
    assert made is not None
    assert (made.measured, made.sure) == (False, ("stimuli",))
    assert paces.told()["facekit"]["256"]["whole"] == {"stimuli": 0.5}


def test_groups_are_timed_before_the_first_set(
    synthesizer: Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = replace(synthesizer, backbones={"facekit": synthesizer.backbones["facekit"]})
    monkeypatch.setattr("app.paces.TIMED", (64,))
    paces = Paces(exact.capabilities)
    assert len(list(timing(exact, paces))) == 3
    pace = paces.of("facekit", 64)
    assert pace is not None
    assert pace.sure == ("stimuli",)
    assert pace.whole["stimuli"] > 0


def test_a_queue_learns_from_its_jobs(synthesizer: Synthesizer) -> None:
    paces = Paces(synthesizer.capabilities)
    queue = JobQueue(paces=paces)
    job = queue.submit(lambda: synthesizer.stream(Recipe(steps=2)), owner="me")
    while not job.state.final:
        assert queue.snapshot(job).error is None
    queue.close()
    pace = paces.of("builtin", 128)
    assert pace is not None
    assert (pace.measured, pace.stepped) == (True, True)
    assert pace.step > 0


def test_engines_are_timed_before_anybody_used_them(synthesizer: Synthesizer) -> None:
    alone = replace(synthesizer, backbones={"builtin": synthesizer.backbones["builtin"]})
    paces = Paces(alone.capabilities)
    steps = list(timing(alone, paces))
    assert [step.total for step in steps if isinstance(step, Progress)] == [3, 3, 3]
    pace = paces.of("builtin", 128)
    assert pace is not None
    assert pace.rest["face"] > 0
    assert len(list(timing(alone, paces))) == len(steps) - 1, "the first image is behind it"
