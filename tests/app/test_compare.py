from __future__ import annotations

import numpy as np
import pytest

from app.compare import WITHOUT, Made, make
from synfer_core.errors import RequestError
from synfer_core.report import Progress
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

GUIDED = Recipe.parse(
    {"expression": "fear", "guidance": {"semantic": 5.0}, "steps": 4, "aus": {"AU12": 3.0}}
)


def last(synthesizer: Synthesizer, recipe: Recipe, *, compare: bool) -> Made:
    *_, made = make(synthesizer, recipe, compare=compare)
    assert isinstance(made, Made)
    return made


def test_two_runs_of_one_seed_count_their_steps_on(synthesizer: Synthesizer) -> None:
    *steps, made = make(synthesizer, GUIDED, compare=True)
    assert isinstance(made, Made)
    told = [step for step in steps if isinstance(step, Progress)]
    assert [(p.step, p.total) for p in told] == [(n, 8) for n in (*range(5), *range(4, 9))]
    assert [p.stage == WITHOUT for p in told] == [True] * 5 + [False] * 5
    assert made.plain is not None
    assert (made.image != made.plain.image).any()
    assert made.result.guidance_curve
    assert made.plain.recipe.model_dump(exclude={"guidance", "weights_sha256"}) == (
        made.result.recipe.model_dump(exclude={"guidance", "weights_sha256"})
    )
    alone = synthesizer.generate(GUIDED.unguided()).image
    np.testing.assert_array_equal(made.plain.image, alone)


def test_one_run_where_there_is_nothing_to_compare(synthesizer: Synthesizer) -> None:
    assert last(synthesizer, GUIDED, compare=False).plain is None
    assert last(synthesizer, GUIDED.unguided(), compare=True).plain is None


def test_a_recipe_that_is_refused_makes_nothing(synthesizer: Synthesizer) -> None:
    wrong = GUIDED.model_copy(update={"weights_sha256": "0" * 64})
    with pytest.raises(RequestError, match="weights_sha256"):
        next(make(synthesizer, wrong, compare=True))


def test_closing_stops_within_the_first_run(synthesizer: Synthesizer) -> None:
    steps = make(synthesizer, GUIDED, compare=True)
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)
