"""What a specification of a continuum may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synfer_core.errors import RequestError
from synfer_core.morphs.spec import Continuum
from synfer_core.request import Recipe
from tests.morphs.drawn import SMALL, continuum

YAML = """
apex: 6C+12D
recipe: {text: plain background, identity_seed: 7, steps: 5}
frames: 11
times: ms
curves: {AU12: {onset: 100, easing: smooth}}
"""


def test_a_specification_is_read_from_yaml_and_goes_round_as_json(tmp_path: Path) -> None:
    path = tmp_path / "smile.yaml"
    path.write_text(YAML)
    read = Continuum.load(path)
    assert read.apex == {"AU6": 3.0, "AU12": 4.0}
    assert (read.frames, read.seconds) == (11, 0.5)
    assert read.timing("AU12").onset == pytest.approx(0.2)
    assert read.timing("AU6").onset == 0
    path.write_text(read.model_dump_json())
    assert Continuum.load(path) == read


def test_frames_share_all_but_the_units() -> None:
    one = continuum(apex="6C+12D")
    first, middle, last = (one.frame(moment) for moment in (0.0, 0.5, 1.0))
    assert first == one.neutral == Recipe(identity_seed=4, facs="")
    assert middle == Recipe(identity_seed=4, aus={"AU6": 1.5, "AU12": 2.0})
    assert last == Recipe(identity_seed=4, aus={"AU6": 3.0, "AU12": 4.0})


def test_a_start_may_show_something_else() -> None:
    one = continuum(start="4D+12B", apex="12D")
    assert one.frame(0.0).action_units == {"AU4": 4.0, "AU12": 2.0}
    assert one.frame(0.5).action_units == {"AU4": 2.0, "AU12": 3.0}
    assert one.frame(1.0).action_units == {"AU12": 4.0}
    assert one.neutral.facs == ""


def test_sides_are_set_apart_where_start_and_apex_differ_in_them() -> None:
    one = continuum(start="L12D", apex="6C+12B", curves={"AUR12": {"onset": 0.5}})
    assert one.frame(1.0).action_units == {"AUL6": 3, "AUR6": 3, "AUL12": 2, "AUR12": 2}
    assert one.frame(0.5).action_units == {"AUL6": 1.5, "AUR6": 1.5, "AUL12": 3}


def test_a_curve_of_both_sides_counts_for_either_and_a_sides_own_comes_on_top() -> None:
    curves = {"AU12": {"onset": 0.2, "apex": 0.8}, "AUL12": {"onset": 0.6}}
    one = continuum(apex="L12D+R12D", curves=curves)
    assert (one.timing("AUR12").onset, one.timing("AUL12").onset) == (0.2, 0.6)
    assert one.timing("AUL12").apex == 0.8


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"apex": ""}, "apex"),
        ({"apex": 12}, "apex"),
        ({"apex": "12Z"}, "apex"),
        ({"apex": {"AU12": 7}}, "apex.AU12"),
        ({"apex": {"AU99": 1}}, "apex.AU99"),
        ({"start": "12E+25D"}, "apex"),
        ({"frames": 1}, "frames"),
        ({"fps": 80}, "fps"),
        ({"hat": 1}, "hat"),
        ({"course": "back"}, "course"),
        ({"course": "whole", "even": True}, "even"),
        ({"recipe": {"facs": "4C"}}, "recipe.facs"),
        ({"recipe": {"expression": "fear"}}, "recipe.expression"),
        ({"recipe": {"steps": 0}}, "recipe.steps"),
        ({"curves": {"AU4": {"onset": 0.1}}}, "curves.AU4"),
        ({"curves": {"AU12": {"onset": -1}}}, "curves.AU12.onset"),
        ({"curves": {"AU12": {"peak": 1}}}, "curves.AU12.peak"),
        ({"curves": {"AU12": {"onset": 1.0}}}, "curves.AU12.apex"),
        ({"curve": {"offset": 0.5}}, "curve.offset"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        Continuum.parse({**SMALL, **change})
    assert caught.value.field == field


def test_unknown_keys_of_a_curve_are_answered_with_its_fields() -> None:
    with pytest.raises(RequestError) as caught:
        continuum(curves={"AU12": {"peak": 1}})
    assert caught.value.allowed == "apex, easing, end, offset, onset"
