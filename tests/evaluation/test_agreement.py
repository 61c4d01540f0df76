from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from synfer_core.evaluation import agreement as agree

RNG = np.random.default_rng(0)
ASKED = (RNG.random((120, 3)) < 0.4) * RNG.uniform(0, 5, (120, 3))
PEOPLE = np.arange(120) // 4


def test_spearman_is_scipys_with_ties() -> None:
    measured = ASKED + RNG.normal(0, 1, ASKED.shape)
    expected = [spearmanr(ASKED[:, i], measured[:, i]).statistic for i in range(3)]
    np.testing.assert_allclose(agree.spearman(ASKED, measured), expected)


def test_a_unit_that_never_moves_correlates_with_nothing() -> None:
    assert agree.spearman(ASKED, np.zeros_like(ASKED)).tolist() == [0, 0, 0]


def test_errors_are_in_points() -> None:
    assert agree.errors(ASKED, ASKED + 0.5).tolist() == pytest.approx([0.5] * 3)


def test_effects_are_those_of_each_unit_with_the_others_held_fixed() -> None:
    mixing = np.array([[0.8, 0.2, 0.0], [0.0, 0.5, 0.0], [-0.1, 0.0, 1.0]])
    np.testing.assert_allclose(agree.effects(ASKED, ASKED @ mixing + 0.3), mixing, atol=1e-12)
    shares = agree.crosstalk(ASKED, ASKED @ mixing + 0.3)
    np.testing.assert_allclose(shares, [[0, 0.4, 0], [0, 0, 0], [0.125, 0, 0]], atol=1e-9)
    assert agree.mean_crosstalk(ASKED, ASKED @ mixing) == pytest.approx(0.525 / 6)


def test_what_moves_a_unit_that_does_not_follow_itself_is_all_crosstalk() -> None:
    swapped = ASKED[:, [1, 0, 2]]
    shares = agree.crosstalk(ASKED, swapped)
    assert shares[0, 1] == 1
    assert shares[1, 0] == 1
    assert shares[:2, 2].max() < 1e-9


def test_intervals_hold_their_values() -> None:
    measured = np.clip(ASKED + RNG.normal(0, 0.8, ASKED.shape), 0, 5)
    seen = agree.agreement(PEOPLE, ASKED, measured, np.array([0, 2]), draws=200)
    for estimate in (*seen.spearman, *seen.pearson, *seen.error, seen.median, seen.least):
        assert estimate.low <= estimate.value <= estimate.high
    assert seen.least.value == min(seen.spearman[i].value for i in (0, 2))
    mixed = agree.crosstalk_estimate(PEOPLE, ASKED, measured, draws=200)
    assert 0 <= mixed.low < mixed.value < mixed.high < 0.3
