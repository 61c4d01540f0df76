from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from synfer_core.errors import CancelledError, ImageError, ModelError, RequestError
from synfer_core.stimuli.luminance import TOLERANCE
from synfer_core.stimuli.making import Failure, Making, Step, Written, pixels_sha256
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.tools import Tools
from tests.stimuli.drawn import TOOLS, draw, find_eyes, tools


def making(tools: Tools = TOOLS, **fields: Any) -> Making:
    values = {"identities": [1, 8], "expressions": ["happiness"], "intensities": [50, 100]}
    values["treatment"] = {"align": "none"}
    return Making(Plan.of(StimulusSet.parse({**values, **fields})), tools, MemoryStore())


def run(making: Making, steps: list[Step] | None = None) -> Sequence[Written | Failure]:
    watch = [] if steps is None else steps
    return list(making.write(making.prepare(watch.append)))


def written(items: Sequence[Written | Failure]) -> list[Written]:
    assert all(isinstance(item, Written) for item in items)
    return [item for item in items if isinstance(item, Written)]


def test_neutral_images_come_first_and_every_step_is_told() -> None:
    steps: list[Step] = []
    made = written(run(making(), steps))
    assert [step.file[:11] for step in steps] == [
        *("001_neutral", "002_neutral"),
        *("001_happine", "001_happine", "002_happine", "002_happine"),
    ]
    assert [(step.done, step.total) for step in steps] == [(n, 6) for n in range(1, 7)]
    assert [one.stimulus.subject for one in made] == [1, 1, 1, 2, 2, 2]
    assert made[0].pixels_sha256 == pixels_sha256(draw(made[0].stimulus.recipe).image)
    assert len({one.pixels_sha256 for one in made}) == 6


def means(made: Sequence[Written], when: str) -> dict[int, float]:
    """By subject, the mean luminance over the person's images."""
    found: dict[int, list[float]] = {}
    for one in made:
        found.setdefault(one.stimulus.subject, []).append(getattr(one.treated, when).mean)
    return {subject: float(np.mean(values)) for subject, values in found.items()}


@pytest.mark.parametrize("greyscale", [False, True])
def test_matching_within_people_moves_nobodys_mean_towards_anothers(greyscale: bool) -> None:
    treatment = {"align": "none", "match": "mean_sd", "greyscale": greyscale}
    made = written(run(making(treatment=treatment)))
    before, after = means(made, "before"), means(made, "after")
    assert before[1] - before[2] > 3, "the people differ, or the test says nothing"
    for subject, mean in before.items():
        assert after[subject] == pytest.approx(mean, rel=TOLERANCE)
        own = [one.treated for one in made if one.stimulus.subject == subject]
        assert np.ptp([one.before.mean for one in own]) > 1
        assert np.ptp([one.after.mean for one in own]) < 2 * TOLERANCE * mean
    across = written(run(making(treatment={**treatment, "match_over": "set"})))
    assert means(across, "after")[1] == pytest.approx(before[1], rel=0.3)
    assert abs(means(across, "after")[1] - before[1]) > 1, "across people it does move"


@pytest.mark.parametrize("colour", [False, True])
def test_luminance_is_matched_to_the_average_of_the_set(colour: bool) -> None:
    treatment = {"align": "none", "match": "mean_sd", "greyscale": not colour}
    treatment["match_over"] = "set"
    made = written(run(making(treatment=treatment)))
    target = made[0].applied.target
    assert target is not None
    assert target.mean == pytest.approx(np.mean([one.treated.before.mean for one in made]))
    assert max(one.treated.before.mean for one in made) > target.mean + 1
    for one in made:
        assert one.treated.after.mean == pytest.approx(target.mean, rel=0.01)
        assert one.treated.after.sd == pytest.approx(target.sd, rel=0.01)


def test_histograms_are_made_equal() -> None:
    treatment = {"align": "none", "match": "histogram", "greyscale": True, "crop": "oval"}
    own = written(run(making(treatment=treatment)))
    assert len({one.applied.histogram for one in own}) == 2
    assert abs(means(own, "before")[2] - means(own, "after")[2]) < 0.5
    made = written(run(making(treatment={**treatment, "match_over": "set"})))
    assert np.ptp([one.treated.after.mean for one in made]) < 1e-9
    assert np.ptp([one.treated.after.sd for one in made]) < 1e-9
    assert np.ptp([one.treated.before.sd for one in made]) > 1


def test_a_target_can_be_given() -> None:
    wanted = {"mean": 111, "sd": 22}
    treatment = {"align": "none", "match": "mean_sd", "match_over": "set", "target": wanted}
    for one in written(run(making(treatment=treatment))):
        assert one.treated.after.mean == pytest.approx(111, rel=0.01)


def test_people_are_framed_by_their_neutral_image() -> None:
    made = written(run(making(tools(detect=find_eyes), treatment={"crop": "hair"})))
    frames = {one.stimulus.subject: one.frame for one in made}
    assert all(one.frame is frames[one.stimulus.subject] for one in made)
    assert frames[1].move is not None
    assert frames[1].applied.outline is not None


def test_a_person_without_eyes_is_named_before_the_rest_is_made() -> None:
    steps: list[Step] = []
    with pytest.raises(ImageError, match=r"subject 1 \(identity seed 1\): no eyes"):
        run(making(tools(detect=lambda _: ()), treatment={}), steps)
    assert steps == []


def test_a_bad_image_does_not_end_the_run() -> None:
    made = run(making(action_units=["AU9"]))
    failed = [item for item in made if isinstance(item, Failure)]
    assert failed == []
    ready = making(action_units=["AU9"]).prepare(lambda _: None)
    assert [failure.stimulus.file for failure in ready.failures] == [
        "001_AU9_100_front.png",
        "002_AU9_100_front.png",
    ]
    assert len(ready.stimuli) == 8


def test_a_set_of_bad_images_is_refused() -> None:
    with pytest.raises(ModelError, match="too hard"):
        making(expressions=[], action_units=["AU9"], intensities=[100]).prepare(lambda _: None)


def test_what_cannot_be_matched_is_a_failure() -> None:
    treatment = {"align": "none", "match": "mean_sd", "match_over": "set"}
    treatment["target"] = {"mean": 245, "sd": 120}
    assert all(isinstance(item, Failure) for item in run(making(treatment=treatment)))


def test_a_refused_recipe_ends_the_run_before_it_starts() -> None:
    def refuse(_: object) -> Any:
        raise RequestError("other weights", field="weights_sha256")

    steps: list[Step] = []
    bad = Tools(draw, "x", refuse, TOOLS.model_sha256, TOOLS.origin)
    with pytest.raises(RequestError):
        run(making(bad), steps)
    assert steps == []


def test_cancelling_ends_the_run() -> None:
    def stop(step: Step) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        making().prepare(stop)


def test_who_drifts_is_flagged() -> None:
    made = written(run(making(tools(threshold=0.9))))
    assert {one.drifts for one in made} == {False}
    assert made[0].similarity == pytest.approx(1.0, abs=1e-4)
    made = written(run(making(tools(threshold=0.9), drift_threshold=1.0)))
    assert {one.threshold for one in made} == {1.0}
    assert any(one.drifts for one in made)
    assert {one.drifts for one in written(run(making()))} == {None}


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (5.2, "about 5 s left"), (200.0, "about 3 min left")]
)
def test_the_time_left_in_words(seconds: float | None, words: str) -> None:
    assert Step("making", 1, 2, "a", None, seconds).left == words
    assert Step("making", 2, 2, "a", None, seconds).left == ""
