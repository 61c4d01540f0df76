from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from synfer_core.data.aus import Table
from synfer_core.data.plan import Plan
from synfer_core.data.spec import DataSet
from synfer_core.errors import RequestError
from synfer_core.facekit import demographics
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.demographics import FACTORS
from synfer_core.facs import PROTOTYPES


def plan(**fields: Any) -> Plan:
    return Plan.of(DataSet.parse({"counts": 80, "enrich": False, **fields}))


def test_counts_are_what_was_asked_for_in_mixed_order() -> None:
    made = plan(counts={"fear": 30, "neutral": 10})
    labels = [made.row(i).label for i in range(made.total)]
    assert Counter(labels) == {"fear": 30, "neutral": 10}
    assert 2 <= labels[:20].count("neutral") <= 8
    assert list(plan(counts=10).counts.values()) == [2, 2, 1, 1, 1, 1, 1, 1]


def test_each_factor_comes_equally_often_in_the_set_and_in_each_class() -> None:
    made = plan(counts={"fear": 60, "anger": 36}, people={"balance": ["sex", "age", "glasses"]})
    rows = [made.row(i) for i in range(made.total)]
    assert set(Counter(tuple(r.cell.values()) for r in rows).values()) == {8}
    for label in ("fear", "anger"):
        for factor in ("sex", "age", "glasses"):
            counts = Counter(row.cell[factor] for row in rows if row.label == label)
            assert max(counts.values()) - min(counts.values()) <= 2
    assert len({row.person for row in rows}) == 96


def test_few_people_share_the_expressions_evenly() -> None:
    made = plan(counts={"fear": 20, "anger": 20}, people={"count": 5, "first_seed": 7})
    pairs = Counter((made.row(i).person, made.row(i).label) for i in range(40))
    assert {person for person, _ in pairs} == {7, 8, 9, 10, 11}
    assert set(pairs.values()) == {4}


def test_women_have_no_beard() -> None:
    found = demographics.cells({"sex": ("woman", "man"), "beard": ("none", "goatee")}, 0)
    assert sorted(tuple(cell.values()) for cell in found) == [
        ("man", "goatee"),
        ("man", "none"),
        ("woman", "none"),
    ]
    with pytest.raises(RequestError, match="too many values together"):
        demographics.cells(FACTORS, 0)


@pytest.mark.parametrize(
    "factors",
    [("sex", "age", "skin_tone"), ("hair", "hair_colour"), ("hair", "eye_colour"),
     ("sex", "beard", "glasses"), ("sex", "hair", "beard"), ("hair_colour",)],
)  # fmt: skip
def test_words_carry_what_is_asked_for(factors: tuple[Any, ...]) -> None:
    for values in itertools.product(*(FACTORS[factor] for factor in factors)):
        cell = dict(zip(factors, values, strict=True))
        wanted = {("skin_word" if k == "skin_tone" else k): v for k, v in cell.items()}
        if cell.get("sex") == "woman":
            wanted.pop("beard", None)
        if cell.get("hair") == "bald":
            wanted.pop("hair_colour", None)
        assert attributes_in(demographics.describe(cell)) == wanted, demographics.describe(cell)


def test_what_a_person_suggests_is_told() -> None:
    found = demographics.apparent(3, "an older man with no beard", exact=False)
    assert (found["sex"], found["age"], found["beard"]) == ("man", "older", "none")
    assert "glasses" not in found
    assert "glasses" in demographics.apparent(3, "a man", exact=True)


def test_a_row_and_an_attempt_are_one_recipe() -> None:
    one, other = plan(), plan()
    assert [one.recipe(one.row(i)) for i in (5, 2)] == [other.recipe(other.row(i)) for i in (5, 2)]
    first, second = (one.recipe(one.row(2), attempt) for attempt in (0, 1))
    assert first.identity_seed == second.identity_seed
    assert first.seed != second.seed
    assert plan(seed=1).recipe(plan(seed=1).row(2)) != first
    assert len({one.recipe(one.row(i)).seed for i in range(80)}) == 80


def test_prototypes_vary_within_what_is_allowed() -> None:
    made = plan(counts={"happiness": 40}, aus={"strength": [0.5, 1.0], "jitter": 0.1})
    for i in range(40):
        aus = made.recipe(made.row(i)).action_units
        ratios = [aus[key] / value for key, value in PROTOTYPES["happiness"].items()]
        assert min(ratios) >= 0.45 - 1e-3
        assert max(ratios) <= 1.1 + 1e-3
        assert max(ratios) - min(ratios) <= 0.2 + 1e-3
    neutral = plan(counts={"neutral": 1})
    assert neutral.recipe(neutral.row(0)).facs == ""


def test_aus_at_random_have_no_label() -> None:
    fields = {"source": "uniform", "units": ["AU1", "AU2", "AU12"], "active": [2, 3]}
    made = plan(counts=20, aus={**fields, "intensity": [2, 3]})
    for i in range(20):
        recipe = made.recipe(made.row(i))
        assert recipe.expression is None
        assert 2 <= len(recipe.aus) <= 3
        assert all(2 <= value <= 3 for value in recipe.aus.values())


def test_a_table_gives_measured_faces_each_equally_often(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text(
        "frame, AU06_r, AU12_r, expression\n1, 2.5, 3.1, happiness\n2, 0, 1.5, happiness\n"
        "3, 0, 0, neutral\n"
    )
    made = plan(counts={"happiness": 4, "neutral": 2}, aus={"source": "csv", "file": path})
    used = Counter(made.row(i).line for i in range(6))
    assert used == {0: 2, 1: 2, 2: 2}
    smile = next(i for i in range(6) if made.row(i).line == 0)
    assert made.recipe(made.row(smile)).aus == {"AU6": 2.5, "AU12": 3.1}
    assert made.recipe(made.row(smile), 1).aus == {"AU6": 2.5, "AU12": 3.1}
    assert plan(counts=7, aus={"source": "csv", "file": path}).counts == {
        "neutral": 4,
        "happiness": 3,
    }
    with pytest.raises(RequestError, match="no row of fear"):
        plan(counts={"fear": 2}, aus={"source": "csv", "file": path})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("frame\n1\n", "no column of an AU"),
        ("AU12\n", "holds no face"),
        ("AU12\n7\n", "line 2, aus.AU12"),
        ("AU12\nmuch\n", "line 2, aus.AU12"),
        ("AU12\n0.9\n", "aus.scale: is not said"),
        ("AU12;AU6\n0,9;1,0\n", "aus.scale: is not said"),
        ("FaceRectX,FaceScore,AU12\n0,0,3\n", "line 2, aus.AU12: intensity 3 is out of range"),
        ("AU12,AU6\n0,5,1\n", "decimal commas"),
        ("AU11_r\n1\n", "no column of an AU"),
        ("AU12_r,success\n1,0\n", "holds no face"),
        ("AU12,AUL12\n1,1\n", "moves the same muscle"),
        ("AU12,expression\n1,joy\n", "line 2, expression"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "faces.csv"
    path.write_text(text)
    with pytest.raises(RequestError) as caught:
        Table.read(path)
    assert what in str(caught.value)


def test_a_table_without_labels_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("AUL12,AUR12\n1,2\n")
    assert plan(counts=3, aus={"source": "csv", "file": path}).counts == {None: 3}
    with pytest.raises(RequestError, match="no column expression"):
        plan(counts={"fear": 3}, aus={"source": "csv", "file": path})


def test_prompts_are_enriched_and_guided_where_asked() -> None:
    made = plan(enrich=True, semantic=True, text="plain background", people={"balance": ["sex"]})
    recipe = made.recipe(made.row(0))
    assert recipe.enriched_text is not None
    assert recipe.enriched_text.startswith(recipe.text)
    assert "plain background" in recipe.text
    assert recipe.guidance.semantic == 2.0
