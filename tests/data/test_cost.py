from __future__ import annotations

from typing import Any

import pytest

from synfer_core.data.cost import Estimate
from synfer_core.data.spec import DataSet


@pytest.mark.parametrize(
    ("fields", "made", "hours"),
    [
        ({}, 1000 / (0.85 * 0.99), 0.59417),
        ({"semantic": 1}, 1000 / (0.85 * 0.99), 1.18835),
        ({"verdicts": {"by": "none"}}, 1000 / 0.99, 0.50505),
        ({"aus": {"source": "uniform"}, "distance": None}, 1000.0, 0.5),
    ],
)
def test_a_recipe_says_what_has_to_be_made(
    fields: dict[str, Any], made: float, hours: float
) -> None:
    estimate = Estimate.of(DataSet.parse({"counts": 1000, **fields}), 1000, 1.8)
    assert estimate.made == pytest.approx(made)
    assert estimate.hours(1) == pytest.approx(hours, rel=1e-4)
