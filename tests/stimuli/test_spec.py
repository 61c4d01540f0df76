from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facekit.demographics import traits_of
from synfer_core.stimuli.spec import USUAL, StimulusSet, Treatment

LEAST: dict[str, Any] = {"identities": [1], "expressions": ["happiness"]}


def test_a_specification_is_read_from_yaml_and_json(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "identities: [3, {seed: 4, text: an old man}]\n"
        "expressions: [anger]\n"
        "action_units: [AU45, AUL12]\n"
        "mixes: {smirk: R12C+R14B}\n"
        "step: 25\n"
        "treatment: {crop: oval, greyscale: true, match: histogram}\n"
    )
    spec = StimulusSet.load(path)
    assert [(p.seed, p.text) for p in spec.identities] == [(3, ""), (4, "an old man")]
    assert spec.percents == (25, 50, 75, 100)
    assert spec.apexes["AU43"] == {"AU43": 5.0}
    assert spec.apexes["smirk"] == {"AUR12": 3.0, "AUR14": 2.0}
    assert list(spec.apexes) == ["anger", "AU43", "AUL12", "smirk"]
    path.write_text(spec.model_dump_json())
    assert StimulusSet.load(path) == spec


def test_a_number_of_people_is_that_many_seeds() -> None:
    spec = StimulusSet.parse({**LEAST, "identities": 3})
    assert [person.seed for person in spec.identities] == [1, 2, 3]
    assert spec.percents == tuple(range(10, 101, 10))


def test_people_can_be_balanced() -> None:
    people = {"count": 4, "balance": ["sex", "skin_tone"], "first_seed": 40}
    spec = StimulusSet.parse({**LEAST, "identities": people, "recipe": {"text": "a window"}})
    traits = [traits_of(person.seed) for person in spec.identities]
    assert sorted(one["sex"] for one in traits) == ["man", "man", "woman", "woman"]
    assert sorted(one["skin_tone"] for one in traits) == sorted(USUAL["skin_tone"])
    assert StimulusSet.parse(spec.model_dump(mode="json", exclude_defaults=True)) == spec


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"people": 3}, "people"),
        ({"identities": 0}, "identities"),
        ({"identities": []}, "identities"),
        ({"identities": [1, 1]}, "identities"),
        ({"identities": [{"seed": 1, "age": 3}]}, "identities.0.age"),
        ({"identities": [-1]}, "identities.0.seed"),
        ({"expressions": ["neutral"]}, "expressions"),
        ({"expressions": ["joy"]}, "expressions.0"),
        ({"expressions": []}, "expressions"),
        ({"action_units": ["AU12", "AU12"]}, "action_units"),
        ({"action_units": ["AU45", "AU43"]}, "action_units"),
        ({"action_units": ["AU99"]}, "action_units"),
        ({"mixes": {"x": ""}}, "mixes.x"),
        ({"mixes": {"x": "12Z"}}, "mixes.x"),
        ({"mixes": {"NA": "12C"}}, "mixes"),
        ({"mixes": {"Happiness": "12C"}}, "mixes"),
        ({"mixes": {"a b": "12C"}}, "mixes.a b"),
        ({"step": 30}, "step"),
        ({"step": 10, "intensities": [50]}, "intensities"),
        ({"intensities": []}, "intensities"),
        ({"intensities": [0]}, "intensities.0"),
        ({"intensities": [50, 50]}, "intensities"),
        ({"recipe": {"aus": {"AU12": 1}}}, "recipe.aus"),
        ({"recipe": {"steps": 0}}, "recipe.steps"),
        ({"recipe": {"hat": 1}}, "recipe.hat"),
        ({"treatment": {"size": 10}}, "treatment.size"),
        ({"treatment": {"crop": "round"}}, "treatment.crop"),
        ({"treatment": {"match": "histogram"}}, "treatment.match"),
        ({"treatment": {"target": {"mean": 100, "sd": 20}}}, "treatment.target"),
        (
            {"treatment": {"match": "mean_sd", "target": {"mean": 100, "sd": 20}}},
            "treatment.target",
        ),
        ({"treatment": {"match_over": "skin"}}, "treatment.match_over"),
        ({"treatment": {"hat": 1}}, "treatment.hat"),
        ({"identities": 1000, "step": 1}, "identities"),
        ({"identities": {"count": 3}}, "identities.balance"),
        ({"identities": {"count": 0, "balance": ["sex"]}}, "identities.count"),
        ({"identities": {"count": 3, "balance": ["hair"]}}, "identities.balance.hair"),
        ({"identities": {"count": 3, "balance": {"sex": ["robot"]}}}, "identities.balance.sex"),
        ({"identities": {"count": 3, "balance": ["sex", "sex"]}}, "identities.balance"),
        ({"identities": {"number": 3}}, "identities.count"),
        (
            {"identities": {"count": 2, "balance": ["age"]}, "recipe": {"text": "an old man"}},
            "recipe.text",
        ),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        StimulusSet.parse({**LEAST, **change})
    assert caught.value.field == field


def test_units_that_the_model_does_not_have_are_refused() -> None:
    with pytest.raises(UnsupportedError):
        StimulusSet.parse({**LEAST, "action_units": ["AU11"]})


@pytest.mark.parametrize(
    "text", ["identities: [1", "identities: [1]\nidentities: [2]", "- 1", "", "\x00", "? [1]\n: 2"]
)
def test_files_that_hold_no_specification(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(RequestError) as caught:
        StimulusSet.load(path)
    assert caught.value.field == "SPEC"


@pytest.mark.parametrize(
    ("crop", "background", "fill"),
    [
        ("none", None, None),
        ("none", 200, (200, 200, 200)),
        ("oval", None, (128, 128, 128)),
        ("hair", (1, 2, 3), (1, 2, 3)),
    ],
)
def test_what_lies_behind_the_person(crop: Any, background: Any, fill: Any) -> None:
    assert Treatment(crop=crop, background=background).fill == fill
