from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from synfer_core.errors import RequestError
from synfer_core.facekit.identity import (
    CODE_SIZE,
    DETAILS,
    IDENTITY_GROUPS,
    draw_identity,
    identity_code,
    identity_from_code,
    sample_code,
    split_of,
)
from synfer_core.facekit.masculinity import MASCULINITY
from synfer_core.facekit.palette import BEARDS, HAIR_STYLES


def test_a_seed_is_one_person_for_good() -> None:
    person = draw_identity(1234)
    assert (person.sex, person.hair.style, person.hair.colour) == (
        *("woman", "long_bangs", "brown"),
    )
    assert (person.beard, person.eyes.colour, person.skin.step) == ("none", "blue", 2)
    assert float(person.shape[0]) == pytest.approx(0.319817, abs=1e-5)
    assert person.hair.seed == 395831499
    np.testing.assert_array_equal(sample_code(1234), sample_code(1234))
    assert not np.array_equal(sample_code(1234), sample_code(1235))


def test_men_and_women_lie_apart_along_the_masculinity_direction() -> None:
    assert float(np.linalg.norm(MASCULINITY)) == pytest.approx(1, abs=1e-5)
    people = [draw_identity(seed) for seed in range(80)]
    men = [p.shape @ MASCULINITY for p in people if p.sex == "man"]
    women = [p.shape @ MASCULINITY for p in people if p.sex == "woman"]
    assert np.mean(men) - np.mean(women) > 2.0


def test_groups_tile_the_code() -> None:
    stops = [where.stop for where in IDENTITY_GROUPS.values()]
    starts = [where.start for where in IDENTITY_GROUPS.values()]
    assert starts == [0, *stops[:-1]]
    code = sample_code(7)
    assert code.shape == (CODE_SIZE,)
    assert code.dtype == np.float32
    assert code[IDENTITY_GROUPS["hair"]][:16].sum() == 1
    assert code[IDENTITY_GROUPS["beard"]].sum() == 1
    assert len(code[IDENTITY_GROUPS["detail"]]) == len(DETAILS)
    assert np.abs(code[50:]).max() < 4


def test_fixed_traits_are_kept_and_the_rest_stays() -> None:
    traits = {"sex": "woman", "age": "older", "hair": "afro", "hair_colour": "red"}
    person = draw_identity(
        5, **traits, skin_word="tan", beard="none", freckles=True, glasses="round"
    )
    assert (person.sex, person.age_word, person.hair.style) == ("woman", "older", "afro")
    assert (person.hair.colour, person.skin.word, person.glasses) == ("red", "tan", "round")
    assert person.skin.freckles > 0
    again = draw_identity(5, **{**traits, "hair": "bob"})
    np.testing.assert_array_equal(person.shape, again.shape)


@pytest.mark.parametrize("word", ["young", "middle-aged", "older"])
def test_age_words_fix_the_age(word: str) -> None:
    assert {draw_identity(seed, age=word).age_word for seed in range(30)} == {word}


@pytest.mark.parametrize("step", range(1, 11))
def test_skin_steps_fix_the_tone(step: int) -> None:
    assert {draw_identity(seed, skin_tone=step).skin.step for seed in range(20)} == {step}


@pytest.mark.parametrize(
    ("traits", "field"),
    [
        ({"hair": "mohawk"}, "hair"),
        ({"age": 7}, "age"),
        ({"age": "ancient"}, "age"),
        ({"age": float("nan")}, "age"),
        ({"skin_tone": 11}, "skin_tone"),
        ({"freckles": "many"}, "freckles"),
        ({"height": 3}, "height"),
    ],
)
def test_unknown_traits_are_refused(traits: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        draw_identity(1, **traits)
    assert caught.value.field == field
    assert caught.value.allowed


def test_negative_seed_is_refused() -> None:
    with pytest.raises(RequestError, match="identity seed"):
        draw_identity(-1)


def test_code_describes_the_person() -> None:
    person = draw_identity(11, hair="quiff", beard="goatee", sex="man")
    back = identity_from_code(identity_code(person), draw_identity(99))
    assert (back.sex, back.hair.style, back.beard) == ("man", "quiff", "goatee")
    assert back.age == pytest.approx(person.age, abs=1e-3)
    assert back.hair.rgb == pytest.approx(person.hair.rgb, abs=1e-4)
    np.testing.assert_array_equal(back.shape[:50], person.shape[:50])
    np.testing.assert_allclose(identity_code(back)[51:], identity_code(person)[51:], atol=1e-5)


@pytest.mark.parametrize("code", [np.zeros(3), np.full(CODE_SIZE, np.nan)])
def test_broken_codes_are_refused(code: np.ndarray) -> None:
    with pytest.raises(RequestError, match="identity code"):
        identity_from_code(code, draw_identity(1))


def test_split_is_fixed_and_has_the_right_shares() -> None:
    splits = [split_of(seed) for seed in range(4000)]
    assert splits[:3] == [split_of(0), split_of(1), split_of(2)]
    shares = {name: splits.count(name) / len(splits) for name in ("train", "val", "test")}
    assert shares["train"] == pytest.approx(0.9, abs=0.02)
    assert shares["val"] == pytest.approx(0.05, abs=0.015)
    assert sum(shares.values()) == pytest.approx(1)


def test_every_style_and_beard_is_drawn() -> None:
    people = [draw_identity(seed) for seed in range(600)]
    assert {p.hair.style for p in people} == set(HAIR_STYLES)
    assert {p.beard for p in people} == set(BEARDS)


def test_identity_needs_no_renderer() -> None:
    code = (
        "import sys, synfer_core.facekit.identity as i; i.sample_code(1);"
        "assert not {'numba', 'cv2', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
