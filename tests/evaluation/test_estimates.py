from __future__ import annotations

import numpy as np
import pytest

from synfer_core.evaluation.estimates import bootstrap, jackknife, share


def test_a_share_lies_within_its_interval_and_is_repeatable() -> None:
    hits = np.random.default_rng(0).random(200) < 0.7
    estimate = share(np.arange(200), hits)
    assert estimate.value == pytest.approx(hits.mean())
    assert estimate.low < estimate.value < estimate.high
    # A binomial's 95 % interval at n = 200 is about 0.13 wide.
    assert estimate.high - estimate.low == pytest.approx(0.127, abs=0.02)
    assert share(np.arange(200), hits) == estimate
    assert bootstrap(np.arange(200), lambda rows: float(hits[rows].mean())) == estimate


def test_people_who_succeed_together_make_the_interval_wider() -> None:
    hits = np.repeat(np.random.default_rng(1).random(40) < 0.5, 10)
    apart, together = share(np.arange(400), hits), share(np.repeat(np.arange(40), 10), hits)
    assert apart.value == together.value
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_all_hits_have_no_spread() -> None:
    estimate = share([0, 0, 1], np.ones(3, bool))
    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)
    assert str(estimate) == "1.000 (1.000 to 1.000)"


def test_other_statistics_see_whole_groups() -> None:
    groups = np.array([0, 0, 1, 1])
    seen: list[int] = []

    def count(rows: np.ndarray) -> float:
        seen.append(len(rows))
        return float(len(set(rows.tolist())))

    bootstrap(groups, count, draws=20)
    assert set(seen) == {4}


def test_the_jackknife_of_a_mean_has_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(3, 2, 50)
    left_out = (values.sum() - values) / 49
    found = jackknife(float(values.mean()), left_out)
    assert found.value == pytest.approx(values.mean())
    reach = 1.96 * values.std(ddof=1) / np.sqrt(50)
    assert found.high - found.value == pytest.approx(reach)
    assert found.value - found.low == pytest.approx(reach)
