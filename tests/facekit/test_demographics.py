from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from synfer_core.errors import RequestError
from synfer_core.facekit import demographics
from synfer_core.facekit.demographics import Factor, balanced, matching, traits_of
from synfer_core.facekit.identity import draw_identity

TONES = ("fair", "light-medium", "brown", "deep brown")


def counted(seeds: Sequence[int], factor: Factor) -> Counter[str]:
    return Counter(traits_of(seed)[factor] for seed in seeds)


def test_a_balanced_set_has_each_value_equally_often_in_people_drawn_without_words() -> None:
    seeds = balanced({"sex": ("woman", "man"), "skin_tone": TONES}, 8, 1, "x")
    assert len(set(seeds)) == 8
    pairs = {(draw_identity(s).sex, draw_identity(s).skin.word) for s in seeds}
    assert len(pairs) == 8
    assert counted(seeds, "sex") == {"woman": 4, "man": 4}
    assert counted(seeds, "skin_tone") == dict.fromkeys(TONES, 2)


def test_fewer_people_than_combinations_are_balanced_in_each_factor() -> None:
    seeds = balanced({"sex": ("woman", "man"), "age": ("young", "older")}, 2, 100, "x")
    assert counted(seeds, "sex") == {"woman": 1, "man": 1}
    assert counted(seeds, "age") == {"young": 1, "older": 1}
    assert min(seeds) >= 100


def test_people_who_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demographics, "MAX_SEARCHED", 30)
    with pytest.raises(RequestError) as caught:
        balanced({"beard": ("goatee",), "glasses": ("thick",)}, 9, 5, "identities.balance")
    assert "among the seeds 5 to 34" in str(caught.value)
    assert caught.value.field == "identities.balance"


def test_people_are_found_by_what_they_suggest() -> None:
    found = list(matching({"sex": ("woman",), "age": ("young", "older")}, range(60)))
    assert 10 <= len(found) <= 40
    assert all(draw_identity(s).sex == "woman" for s in found)
    assert all(draw_identity(s).age_word != "middle-aged" for s in found)
    assert found == sorted(found)
