from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from synfer_core.errors import RequestError
from synfer_core.lab import steps
from synfer_core.lab.steps import Budget


def test_all_rows_come_equally_often_and_none_twice_in_a_batch() -> None:
    batches = list(steps.rows(12, Budget(samples=48, batch=4)))
    assert len(batches) == 12
    assert all(len(set(batch)) == 4 for batch in batches)
    assert set(Counter(np.concatenate(batches).tolist()).values()) == {4}
    assert [len(batch) for batch in steps.rows(3, Budget(samples=20, batch=10))] == [3, 3]


def test_the_seed_decides_the_order() -> None:
    one, same, other = (
        np.concatenate(list(steps.rows(50, Budget(100, 10, seed=seed)))) for seed in (1, 1, 2)
    )
    assert (one == same).all()
    assert (one != other).any()


def test_weights_decide_how_often_rows_come() -> None:
    weights = np.array([0.0, 1.0, 3.0])
    drawn = np.concatenate(list(steps.rows(3, Budget(8000, 80), weights)))
    counts = np.bincount(drawn, minlength=3)
    assert counts[0] == 0
    assert 2.6 < counts[2] / counts[1] < 3.4


def test_training_goes_down_tells_and_ends_in_evaluation_mode() -> None:
    with steps.seeded(0):
        net, target = nn.Linear(3, 1), torch.randn(40, 3)
    told, shares = [], []
    losses = []

    def loss(batch: np.ndarray) -> torch.Tensor:
        value = (net(target[batch]) - target[batch].sum(1, keepdim=True)).square().mean()
        losses.append(float(value.detach()))
        return value

    budget = Budget(1500, 10, learning_rate=0.05)
    steps.train(net, budget, steps.rows(40, budget), loss, after=shares.append,
                tell=lambda done, total: told.append((done, total)))  # fmt: skip
    assert np.mean(losses[-10:]) < 0.05 * np.mean(losses[:10])
    assert told[-1] == (1500, 1500)
    assert shares[-1] == 1.0
    assert not net.training


def test_random_numbers_outside_stay_as_they_are() -> None:
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    with steps.seeded(1):
        torch.rand(5)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    "values", [{"samples": 1}, {"batch": 1}, {"learning_rate": 0.0}, {"learning_rate": 1.5}]
)
def test_budgets_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(RequestError, match=next(iter(values))):
        Budget(**values)  # type: ignore[arg-type]
