"""Differences of neighbouring frames, and moments that make them even."""

from __future__ import annotations

import numpy as np
import pytest

from synfer_core.morphs.evenness import Evenness, difference, spread
from synfer_core.report import Pixels


def grey(level: int) -> Pixels:
    return np.full((8, 8, 3), level, np.uint8)


def test_the_difference_is_that_of_cielab() -> None:
    assert difference(grey(90), grey(90)) == 0
    # L* of sRGB 128 and 119 is 53.585 and 50.034 (CIE 15, D65).
    assert difference(grey(128), grey(119)) == pytest.approx(3.551, abs=0.002)
    red, green = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = green[..., 1] = 255
    assert difference(red, green) == pytest.approx(170.57, abs=0.05)


def test_the_largest_jump_is_found_and_rest_does_not_count_as_even() -> None:
    images = [grey(level) for level in (100, 103, 103, 112, 115)]
    even = Evenness.of(images, ["a", "b", "b", "c", "d"])
    assert even.place == 3
    assert even.moving == (True, False, True, True)
    moved = [d for d, moves in zip(even.differences, even.moving, strict=True) if moves]
    assert even.mean == pytest.approx(np.mean(moved))
    assert even.ratio == pytest.approx(even.largest / np.mean(moved))
    assert even.to_dict()["largest_at_frame"] == 3
    assert Evenness.of([grey(1)] * 3, ["a", "a", "a"]).ratio == 1


def test_moments_are_spread_along_the_path() -> None:
    moments = np.linspace(0, 1, 101)
    path = moments**2
    found = spread(moments, np.diff(path).tolist())
    assert (found[0], found[-1]) == (0, 1)
    steps = np.diff(np.interp(found, moments, path))
    assert steps.max() / steps.mean() < 1.01 < np.diff(path).max() / np.diff(path).mean()
    assert (spread(moments, [0.0] * 100) == moments).all()


def test_moments_stay_in_order_where_nothing_moves() -> None:
    found = spread(np.linspace(0, 1, 5), [0.0, 1.0, 0.0, 0.0])
    assert (np.diff(found) >= 0).all()
    assert 0.25 < found[1] < 0.5
