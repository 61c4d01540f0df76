from __future__ import annotations

import numpy as np
import pytest

from synfer_core.facekit.captions import HAIR_PHRASES, attributes_in, caption
from synfer_core.facekit.identity import sample_code
from synfer_core.facekit.palette import HAIR_STYLES
from synfer_core.facekit.scene import CALM, WIDE, Scene, sample_scene, scene_for
from synfer_core.facs import ACTION_UNITS, AU_PHRASES


def scene(seed: int) -> Scene:
    return sample_scene(
        np.random.default_rng(seed), identity=seed, distribution=(WIDE, CALM)[seed % 2 == 0]
    )


def test_vocabulary_is_complete() -> None:
    assert set(AU_PHRASES) == set(ACTION_UNITS)
    assert set(HAIR_PHRASES) == set(HAIR_STYLES)


def test_captions_vary_and_are_reproducible() -> None:
    one = scene(3)
    texts = {caption(one, np.random.default_rng(k)) for k in range(30)}
    assert len(texts) > 20
    assert caption(one, np.random.default_rng(1)) == caption(one, np.random.default_rng(1))


def test_captions_read_as_sentences() -> None:
    for seed in range(200):
        text = caption(scene(seed), np.random.default_rng(seed))
        assert text[0].isupper()
        assert "  " not in text
        assert " a a" not in text
        assert " a older" not in text
        assert len(text) < 320


def test_side_is_told_where_sides_differ() -> None:
    one_sided = scene_for({"AUL12": 4.0}, 1, 1)
    texts = [caption(one_sided, np.random.default_rng(k)) for k in range(60)]
    told = [text for text in texts if "on the left side" in text]
    assert not any("lip corners" in text or "smile" in text for text in set(texts) - set(told))
    assert 0.5 < len(told) / len(texts) < 0.85, "a third says nothing of the expression"


def test_own_captions_are_understood() -> None:
    for seed in range(300):
        one = scene(seed)
        person = one.identity
        found = attributes_in(caption(one, np.random.default_rng(seed)))
        truth = {
            "sex": person.sex,
            "age": person.age_word,
            "skin_word": person.skin.word,
            "hair": person.hair.style,
            "hair_colour": person.hair.colour,
            "eye_colour": person.eyes.colour,
            "beard": person.beard,
            "freckles": True,
            "makeup": one.styling.makeup,
            "lighting": one.lighting.kind,
            "background": one.background.kind,
        }
        assert {"sex", "hair"} <= set(found)
        assert ("glasses" in found) == (one.styling.glasses != "none")
        named = {k: v for k, v in found.items() if k != "glasses"}
        assert named == {k: truth[k] for k in named}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a smiling face", {}),
        (
            "an elderly lady with silver hair and spectacles",
            {"sex": "woman", "age": "older", "hair_colour": "grey", "glasses": "thin"},
        ),
        (
            "bearded man, dark-skinned, buzz cut",
            {"sex": "man", "skin_word": "deep brown", "hair": "buzz", "beard": "short beard"},
        ),
        (
            "25-year-old redhead with freckles and a ponytail",
            {"age": 25.0, "hair": "tied", "hair_colour": "red", "freckles": True},
        ),
        (
            "young woman with long blonde hair and brown eyes",
            {
                "sex": "woman",
                "age": "young",
                "hair": "long",
                "hair_colour": "blonde",
                "eye_colour": "brown",
            },
        ),
        ("a bald, clean-shaven guy", {"sex": "man", "hair": "bald", "beard": "none"}),
        ("WOMAN WITHOUT GLASSES", {"sex": "woman", "glasses": "none"}),
        ("a woman and a man", {"sex": "woman"}),
        ("woman with an afro", {"sex": "woman", "hair": "afro"}),
        ("mustached man with round glasses", {"sex": "man", "glasses": "round"}),
        ("pale man with a long beard", {"sex": "man", "skin_word": "fair", "beard": "full beard"}),
    ],
)
def test_synonyms(text: str, expected: dict[str, object]) -> None:
    assert attributes_in(text) == expected


def test_attributes_are_traits_of_a_code() -> None:
    found = attributes_in("older man, short grey hair, full beard, glasses, golden hour")
    found.pop("lighting")
    assert not np.array_equal(sample_code(1, **found), sample_code(1))


def test_long_nonsense_is_harmless() -> None:
    assert attributes_in("long " * 4000 + "?") == {}
