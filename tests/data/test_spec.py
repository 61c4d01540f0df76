from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synfer_core.data.plan import Plan
from synfer_core.data.spec import USUAL, DataSet
from synfer_core.errors import RequestError

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"count": 3}, "count: unknown key"),
    ({"counts": 0}, "counts"),
    ({"counts": {"joy": 3}}, "counts"),
    ({"counts": {}}, "counts"),
    ({"counts": {"fear": 3}, "aus": {"source": "uniform"}}, "counts: AUs at random have no label"),
    ({"aus": {"source": "csv"}}, "aus.file"),
    ({"aus": {"file": "a.csv"}}, "aus.file"),
    ({"aus": {"strength": [1.2, 1.0]}}, "aus.strength: 1.2 is above 1.0"),
    ({"aus": {"source": "uniform", "units": ["AU12"], "active": [1, 2]}}, "aus.active"),
    ({"aus": {"source": "uniform", "units": ["AU99"]}}, "AU99"),
    ({"people": {"balance": ["height"]}}, "people.balance.height: is no factor"),
    ({"people": {"balance": {"sex": ["robot"]}}}, "people.balance.sex"),
    ({"people": {"balance": ["sex", "sex"]}}, "people.balance"),
    ({"people": {"balance": [["sex"]]}}, "people.balance"),
    ({"people": {"balance": {"sex": [["woman"]]}}}, "people.balance.sex"),
    ({"recipe": {"seed": 3}}, "recipe.seed: is no field for all"),
    ({"recipe": {"steps": 0}}, "recipe.steps"),
    ({"recipe": {"guidance": {"semantic": 2}}}, "recipe.guidance.semantic"),
    ({"verdicts": {"attempts": 0}}, "verdicts.attempts"),
    ({"distance": 100}, "distance"),
]


@pytest.mark.parametrize(("fields", "what"), WRONG)
def test_what_is_wrong_is_named(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(RequestError) as caught:
        DataSet.parse({"counts": 8, **fields})
    assert what in str(caught.value)


def test_factors_take_their_usual_values_or_those_given() -> None:
    spec = DataSet.parse(
        {"counts": 8, "people": {"balance": {"hair": None, "sex": "all", "age": "young"}}}
    )
    assert spec.people.balance == {
        "hair": USUAL["hair"],
        "sex": ("woman", "man"),
        "age": ("young",),
    }


@pytest.mark.parametrize(("given", "strength"), [(True, 2.0), (False, 0.0), (1.5, 1.5)])
def test_semantic_guidance_is_off_usual_or_a_number(given: bool | float, strength: float) -> None:
    assert DataSet.parse({"counts": 8, "semantic": given}).strength == strength


def test_a_recipe_is_read_from_a_file_and_written_back(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("AU12\n3\n")
    path = tmp_path / "set.yaml"
    path.write_text("counts: 3\naus: {source: csv, file: faces.csv}\n")
    plan = Plan.of(DataSet.load(path))
    assert plan.total == 3
    kept = tmp_path / "recipe.json"
    kept.write_bytes(plan.to_json())
    again = Plan.of(DataSet.load(kept))
    assert (again.to_json(), again.sha256) == (plan.to_json(), plan.sha256)
    for text in ("counts: 3\ncounts: 4\n", "counts: 3\ntitle: [2024]\n"):
        path.write_text(text)
        with pytest.raises(RequestError):
            DataSet.load(path)
