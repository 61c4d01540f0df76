from __future__ import annotations

from dataclasses import replace

from synfer_core.facekit.identity import draw_identity, identity_code
from synfer_core.request import Recipe
from synfer_core.stimuli.people import columns_of
from tests.stimuli.drawn import ORIGIN

KEEPS = replace(ORIGIN, identity=True)
EXACT = replace(KEEPS, name="facekit")
FREE = replace(ORIGIN, identity=False)


def test_a_person_is_told_by_seed_by_code_and_by_words() -> None:
    drawn = draw_identity(12)
    told = {
        "apparent_sex": drawn.sex,
        "apparent_age": drawn.age_word,
        "skin_tone": drawn.skin.word,
    }
    assert columns_of(Recipe(identity_seed=12), KEEPS) == told
    code = tuple(map(float, identity_code(drawn)))
    assert columns_of(Recipe(identity_code=code), KEEPS) == told
    older = columns_of(Recipe(identity_seed=12, text="an older man"), EXACT)
    assert older == {**told, "apparent_sex": "man", "apparent_age": "older"}


def test_nobody_is_guessed_at() -> None:
    assert columns_of(Recipe(seed=12), KEEPS) == {}
    assert columns_of(Recipe(seed=12), EXACT)["apparent_sex"] == draw_identity(12).sex
    assert columns_of(Recipe(identity_seed=12, text="a woman"), FREE) == {"apparent_sex": "woman"}
