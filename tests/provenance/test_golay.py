from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.provenance import golay

numbers = st.integers(0, 4095)
places = st.sets(st.integers(0, 23), max_size=3)


@given(numbers, places)
def test_three_wrong_bits_are_put_right(number: int, wrong: set[int]) -> None:
    word = golay.encode(number).astype(float)
    word[list(wrong)] *= -1
    assert golay.decode(word) == number


@given(numbers, numbers)
def test_any_two_words_differ_in_eight_bits_or_more(one: int, other: int) -> None:
    differing = int((golay.encode(one) != golay.encode(other)).sum())
    assert differing == 0 if one == other else differing >= 8


def test_bits_that_are_hardly_sure_count_little() -> None:
    word = golay.encode(1234).astype(float)
    word[:6] *= -0.1
    assert golay.decode(word) == 1234


@pytest.mark.parametrize("number", [0, 1, 2048, 4095])
def test_the_first_bits_are_the_number(number: int) -> None:
    bits = golay.encode(number)[:12] > 0
    assert int((bits * 2 ** np.arange(12)).sum()) == number
