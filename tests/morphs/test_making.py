"""Frames of drawn faces, made, spaced and measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synfer_core.errors import CancelledError, ModelError, RequestError
from synfer_core.morphs.evenness import difference
from synfer_core.report import Result
from synfer_core.request import Recipe
from synfer_core.stimuli.making import Step
from tests.morphs.drawn import morph
from tests.stimuli.drawn import TOOLS, draw, tools


def test_frames_come_in_order_and_each_is_told() -> None:
    steps: list[Step] = []
    made = morph(watch=steps.append)
    assert [(s.stage, s.done, s.total, s.file) for s in steps][1] == ("making", 2, 5, "001.png")
    assert len(steps) == len(made.frames) == 5
    assert [frame.moment for frame in made.frames] == [0, 0.25, 0.5, 0.75, 1]
    apexes = [frame.made.recipe.action_units.get("AU12", 0) for frame in made.frames]
    assert apexes == [0, 1.25, 2.5, 3.75, 5]
    assert {(f.made.recipe.identity_seed, f.made.recipe.seed) for f in made.frames} == {(4, 0)}
    assert made.frames[0].difference is None
    images = [frame.made.image for frame in made.frames]
    assert made.frames[3].difference == difference(images[2], images[3])
    assert made.unspaced is None


def test_equal_specifications_give_equal_frames() -> None:
    first, second = morph(even=True), morph(even=True)
    for one, other in zip(first.frames, second.frames, strict=True):
        assert one.moment == other.moment
        assert (one.made.image == other.made.image).all()


def bent(recipe: Recipe) -> Result:
    """A face that changes mostly at the start, in equal steps of a grey level."""
    done = sum(recipe.action_units.values()) / 9
    level = round(20 + 200 * done**0.3)
    return replace(draw(recipe), image=np.full((64, 64, 3), level, np.uint8))


def test_even_frames_differ_more_evenly_and_the_ends_stay() -> None:
    steps: list[Step] = []
    made = morph(replace(TOOLS, generate=bent), steps.append, even=True, frames=9)
    assert [step.stage for step in steps] == ["making"] * 9 + ["spacing"] * 9
    assert made.unspaced is not None
    assert made.evenness.ratio < made.unspaced.ratio
    assert made.unspaced.place == 1
    moments = [frame.moment for frame in made.frames]
    assert (moments[0], moments[-1]) == (0, 1)
    assert moments == sorted(moments)
    assert moments[1] < 1 / 8


def test_who_drifts_is_flagged() -> None:
    made = morph(tools(threshold=0.9))
    assert (made.flagged, made.threshold) == ((), 0.9)
    assert made.frames[0].similarity == pytest.approx(1)
    strict = morph(tools(threshold=0.9), drift_threshold=0.9999)
    assert strict.threshold == 0.9999
    assert strict.flagged
    assert strict.lowest_similarity == min(f.similarity or 0 for f in strict.frames)
    plain = morph()
    assert {frame.drifts for frame in plain.frames} == {None}
    assert plain.lowest_similarity is None


def test_the_person_is_compared_with_the_neutral_face_wherever_the_start_is() -> None:
    made = morph(tools(threshold=0.9), start="4E+6E")
    similarity = made.frames[0].similarity
    assert similarity is not None
    assert similarity < 1


def test_a_frame_that_fails_is_named() -> None:
    with pytest.raises(ModelError, match="frame 4: is too hard"):
        morph(apex="9E")


def test_a_refused_recipe_ends_the_run_before_it_starts() -> None:
    def refuse(_: object) -> Any:
        raise RequestError("other weights", field="weights_sha256")

    steps: list[Step] = []
    with pytest.raises(RequestError):
        morph(replace(TOOLS, check=refuse), steps.append)
    assert steps == []


def test_cancelling_ends_the_run() -> None:
    def stop(_: Step) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        morph(watch=stop)
