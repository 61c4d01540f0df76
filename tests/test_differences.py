from __future__ import annotations

from synfer_core.differences import ABSENT, compare
from synfer_core.request import Recipe


def differing(one: dict[str, object], other: dict[str, object]) -> dict[str, tuple[str, str]]:
    settings = compare(Recipe.parse(one), Recipe.parse(other))
    return {s.name: (s.one, s.other) for s in settings if s.differs}


def test_only_what_differs_differs() -> None:
    one = {"text": "a man", "aus": {"AU12": 4, "AU6": 2.5}, "seed": 2**62, "identity_seed": 7}
    other = {**one, "aus": {"AU12": 3, "AU4": 1}, "guidance": {"au": 6}}
    assert differing(one, other) == {
        "AU4 brow lowerer": (ABSENT, "1 (A)"),
        "AU6 cheek raiser": ("2.5 (C)", ABSENT),
        "AU12 lip corner puller": ("4 (D)", "3 (C)"),
        "AU guidance": ("own", "6"),
    }
    assert differing(one, one) == {}
    same = compare(Recipe.parse(one), Recipe.parse(one))
    assert ("Seed", str(2**62)) in [(s.name, s.one) for s in same]
    assert next(s.name for s in same) == "Prompt"


def test_sides_are_compared_where_one_recipe_sets_them_apart() -> None:
    found = differing({"aus": {"AU12": 4}}, {"aus": {"AUL12": 4, "AUR12": 1}})
    assert found == {"AUR12 lip corner puller": ("4 (D)", "1 (A)")}


def test_facs_strings_and_units_are_one_and_codes_are_told_apart() -> None:
    assert differing({"facs": "12D"}, {"aus": {"AU12": 4.0}}) == {}
    codes = differing({"identity_code": [0.5, 1.0]}, {"identity_code": [0.5, 1.5]})
    assert codes["Person, as a code"][0].startswith("2 numbers (")
    found = differing({}, {"reference": "sample:ada", "keep": 0.5, "reference_aus": {"AU4": 1}})
    assert found["Face it started from"] == (ABSENT, "sample:ada")
    assert found["What that face shows"] == (ABSENT, "AU4 1")


def test_scenes_are_compared_field_by_field() -> None:
    found = differing({"scene": {"yaw": 10, "hair": False}}, {"scene": {"background": "#808080"}})
    assert found == {
        "Head turned": ("10", ABSENT),
        "Background": (ABSENT, "#808080"),
        "Hair": ("no", ABSENT),
    }
