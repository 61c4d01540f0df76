"""The whole chain on a tiny untrained model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import RequestError, UnsupportedError, WeightsError
from synfer_core.report import Progress, Result, read_recipe
from synfer_core.request import Recipe, SceneOptions
from synfer_core.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)


SMILE = Recipe(text="a smiling woman", aus={"AU12": 4.0, "AUL4": 1.0}, identity_seed=3, steps=4)


def test_a_result_holds_image_recipe_attention_and_times(synthesizer: Synthesizer) -> None:
    result = synthesizer.generate(SMILE)
    assert result.image.shape == (128, 128, 3)
    assert result.image.dtype == np.uint8
    assert result.image.std() > 1
    assert set(result.attention.maps) == {
        "AU12",
        "AUL4",
        "word:0:a",
        "word:1:smiling",
        "word:2:woman",
    }
    assert all(m.min() >= 0 and m.max() <= 1 for m in result.attention.maps.values())
    assert result.recipe.weights_sha256
    assert result.seconds["generation"] > 0
    assert result.to_dict()["asked"] == "L4A+12D"


def test_equal_recipes_give_equal_pixels(synthesizer: Synthesizer, tiny_model_folder: Path) -> None:
    first = synthesizer.generate(SMILE)
    synthesizer.generate(Recipe(seed=9, steps=2))
    again = Synthesizer.load(tiny_model_folder).generate(first.recipe)
    digests = [hashlib.sha256(r.image.tobytes()).hexdigest() for r in (first, again)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"identity_seed": 4},
        {"text": "an old man"},
        {"aus": {"AU12": 1.0}},
        {"au_scale": 0.5},
        {"expression": "anger"},
        {"guidance": {"text": 3.0, "au": 1.5}},
        {"guidance": {"text": 2.0, "au": 4.0}},
        {"enriched_text": "a smiling woman, lip corners pulled up strongly"},
        {"scheduler": "dpm++"},
    ],
)
def test_every_field_reaches_the_pixels(synthesizer: Synthesizer, change: dict) -> None:
    base = synthesizer.generate(SMILE).image
    changed = Recipe.parse(SMILE.model_dump(exclude_none=True) | change)
    assert (synthesizer.generate(changed).image != base).any()


def test_words_to_keep_away_from_count_where_words_are_guided(synthesizer: Synthesizer) -> None:
    guided = Recipe.parse(SMILE.model_dump(exclude_none=True) | {"guidance": {"text": 3.0}})
    away = guided.model_copy(update={"negative_text": "glasses"})
    first, second = (synthesizer.generate(recipe).image for recipe in (guided, away))
    assert (first != second).any()


def test_sides_differ(synthesizer: Synthesizer) -> None:
    left, right = (
        synthesizer.generate(Recipe(aus={key: 4.0}, steps=3)) for key in ("AUL12", "AUR12")
    )
    assert (left.image != right.image).any()


def test_no_aus_and_aus_at_zero_are_not_the_same(synthesizer: Synthesizer) -> None:
    free = synthesizer.generate(Recipe(steps=3)).image
    neutral = synthesizer.generate(Recipe(aus={"AU12": 0.0}, steps=3)).image
    same = synthesizer.generate(Recipe(facs="", steps=3)).image
    assert (free != neutral).any()
    assert (neutral == same).all()


def test_progress_comes_first_and_a_closed_stream_stops(synthesizer: Synthesizer) -> None:
    items = list(synthesizer.stream(Recipe(steps=5)))
    assert [i.step for i in items if isinstance(i, Progress)] == [0, 1, 2, 3, 4, 5]
    assert isinstance(items[-1], Result)
    assert any(i.preview is not None for i in items if isinstance(i, Progress))
    stream = synthesizer.stream(Recipe(steps=100))
    next(stream)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


def test_other_weights_are_refused(synthesizer: Synthesizer) -> None:
    with pytest.raises(RequestError, match="weights_sha256"):
        synthesizer.generate(Recipe(weights_sha256="0" * 64))


def test_guidance_that_a_recipe_leaves_out_is_told(synthesizer: Synthesizer) -> None:
    guidance = synthesizer.check(SMILE).guidance
    assert (guidance.text, guidance.au) == (1.0, 1.0)


def test_an_unknown_backbone_is_refused(synthesizer: Synthesizer) -> None:
    with pytest.raises(UnsupportedError, match="backbone: 'sdxl' is not available here"):
        synthesizer.generate(Recipe(backbone="sdxl"))


def test_another_size_is_refused(synthesizer: Synthesizer) -> None:
    with pytest.raises(UnsupportedError, match=r"size: Diffusion makes no 96 px") as caught:
        synthesizer.generate(Recipe(size=96))
    assert caught.value.allowed == "128 to 1024"
    exact = synthesizer.check(Recipe(backbone="facekit", size=1024))
    assert exact.size == 1024
    assert synthesizer.capabilities["facekit"].size_range == (64, 1024)


def test_a_scene_is_around_the_person(synthesizer: Synthesizer) -> None:
    bald, turned = (
        synthesizer.generate(SMILE.model_copy(update={"scene": SceneOptions(**scene)})).image
        for scene in ({"hair": False}, {"hair": False, "yaw": 10.0})
    )
    assert (bald != turned).any()


def test_an_identity_code_must_have_the_right_length(synthesizer: Synthesizer) -> None:
    with pytest.raises(RequestError, match="identity_code: is not an identity code"):
        synthesizer.generate(Recipe(identity_code=(0.0, 0.0, 1.0)))


def test_a_text_of_too_many_tokens_is_refused(synthesizer: Synthesizer) -> None:
    with pytest.raises(RequestError, match="text: is 102 tokens long"):
        synthesizer.generate(Recipe(text="face " * 100))


def test_an_enriched_text_stands_in_place_of_text_and_class_phrase(
    synthesizer: Synthesizer,
) -> None:
    words = "an old man, with an expression of fear, brows lowered"
    enriched = SMILE.model_copy(update={"enriched_text": words, "expression": "fear"})
    typed = SMILE.model_copy(update={"text": words})
    result = synthesizer.generate(enriched)
    np.testing.assert_array_equal(result.image, synthesizer.generate(typed).image)
    assert result.recipe.text == SMILE.text
    long = Recipe(text="a man", enriched_text="face " * 100)
    with pytest.raises(RequestError, match="enriched_text: is 102 tokens long"):
        synthesizer.generate(long)


def test_a_missing_weight_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"reference-prior\.safetensors"):
        Synthesizer.load(tmp_path)


def test_the_recipe_survives_in_the_png(synthesizer: Synthesizer, tmp_path: Path) -> None:
    result = synthesizer.generate(SMILE)
    result.save_png(tmp_path / "face.png")
    assert read_recipe((tmp_path / "face.png").read_bytes()) == result.recipe
    assert [p.name for p in tmp_path.iterdir()] == ["face.png"]


def test_missing_readers_are_said(synthesizer: Synthesizer) -> None:
    result = synthesizer.generate(Recipe(steps=1))
    assert result.label is None
    assert len(result.notes) == 2
