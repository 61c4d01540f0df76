from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from synfer_core.evaluation import control_plan, generator_commands
from synfer_core.evaluation.control_plan import (
    DISFA,
    GROUPS,
    INEVITABLE,
    UNITS,
    Plan,
    asked_classes,
    asked_units,
    groups_of,
    neutral_of,
    person_of,
)
from synfer_core.models.attributes import UNKNOWN


def test_the_command_line_knows_the_parts() -> None:
    assert generator_commands.CONTROL_PARTS == control_plan.PARTS
    assert generator_commands.USUAL_PARTS == control_plan.USUAL


def test_units_are_drawn_independently_without_words() -> None:
    recipes = control_plan.mixes(Plan(images=3000), "builtin")
    asked = np.array([asked_units(recipe) for recipe in recipes])
    disfa = np.array([key in DISFA for key in UNITS])
    assert (asked[:, disfa] > 0).mean() == pytest.approx(0.5, abs=0.01)
    assert (asked[:, ~disfa] > 0).mean() == pytest.approx(0.1, abs=0.01)
    assert asked.max() == 5
    assert set(np.unique(asked * 4 % 1)) == {0.0}
    apart = np.corrcoef(asked.T)[~np.eye(len(UNITS), dtype=bool)]
    assert np.abs(apart).max() < 0.08
    assert all(r.text == "" and r.expression is None for r in recipes)


def test_people_are_unseen_and_each_part_has_its_own() -> None:
    plan = Plan()
    parts = (
        *(control_plan.mixes, control_plan.presets, control_plan.one_sided),
        *(control_plan.words, control_plan.ramps),
    )
    people = [{r.identity_seed for r in part(plan, "builtin")} for part in parts]
    assert [len(seeds) for seeds in people] == [60, 28, 56, 64, 6]
    assert len(set.union(*people)) == sum(map(len, people))
    assert min(seed or 0 for seed in set.union(*people)) > 2**31


def test_a_neutral_image_is_of_the_same_person_in_the_same_noise() -> None:
    recipe = control_plan.mixes(Plan(), "builtin")[7]
    neutral = neutral_of(recipe)
    assert (neutral.seed, neutral.identity_seed) == (recipe.seed, recipe.identity_seed)
    assert not asked_units(neutral).any()
    assert set(neutral.aus) == set(UNITS)


def test_presets_meet_in_pairs_equally_often() -> None:
    recipes = control_plan.presets(Plan(), "builtin")
    assert set(Counter(r.expression for r in recipes).values()) == {12}
    by_person = [{r.expression for r in recipes[i : i + 3]} for i in range(0, len(recipes), 3)]
    pairs = Counter(frozenset((a, b)) for three in by_person for a in three for b in three - {a})
    assert len(pairs) == 21
    assert set(pairs.values()) == {8}
    assert len({r.seed for r in recipes}) == len(recipes)


def test_each_sided_unit_stands_alone_on_each_side() -> None:
    recipes = control_plan.one_sided(Plan(), "builtin")
    asked = Counter(next(iter(r.action_units.items())) for r in recipes)
    assert len(asked) == 28
    assert set(asked.values()) == {2}
    assert {value for _, value in asked} == {4.0}


def test_words_are_balanced_and_understood_by_the_exact_renderer() -> None:
    recipes = control_plan.words(Plan(), "builtin")
    asked = [asked_classes(recipe) for recipe in recipes]
    assert Counter(a["glasses"] for a in asked) == {0: 32, 1: 32}
    assert Counter(a["beard"] for a in asked) == {UNKNOWN: 32, 0: 16, 1: 16}
    assert min(Counter(a["hair_colour"] for a in asked).values()) >= 12
    assert min(Counter(a["skin_tone"] for a in asked).values()) >= 21
    for recipe, classes in zip(recipes, asked, strict=True):
        assert ("glasses" in recipe.text) == bool(classes["glasses"])
        assert person_of(recipe).glasses == "none"


def test_people_fall_into_one_group_each() -> None:
    recipes = control_plan.mixes(Plan(), "builtin")
    for by, names in GROUPS.items():
        assert {groups_of(recipe)[by] for recipe in recipes} == set(names)
    deep = next(r for r in control_plan.words(Plan(), "builtin") if "deep brown" in r.text)
    assert groups_of(deep)["skin_tone"] == "dark"


def test_pairs_and_units_are_known() -> None:
    assert set(DISFA) <= set(UNITS)
    assert {unit for pair in INEVITABLE for unit in pair} <= set(UNITS)
