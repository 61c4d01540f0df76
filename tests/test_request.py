from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.errors import RequestError
from synfer_core.facs import EXPRESSIONS
from synfer_core.request import (
    MAX_REFERENCE_BYTES,
    MAX_SEED,
    MAX_TEXT,
    PNG_DATA,
    SAMPLE,
    Recipe,
    SceneOptions,
)

seeds = st.integers(0, MAX_SEED)
recipes = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=60),
        "negative_text": st.text(max_size=20),
        "enriched_text": st.text(max_size=20).map("a{}".format),
        "aus": st.dictionaries(st.sampled_from(["AU1", "AUL2", "AU12", "AU26"]), st.floats(0, 5)),
        "expression": st.sampled_from(EXPRESSIONS),
        "guidance": st.fixed_dictionaries({}, optional={"text": st.floats(1, 15)}),
        "semantic": st.fixed_dictionaries({}, optional={"acts_on": st.sampled_from(["both"])}),
        "steps": st.integers(1, 100),
        "seed": seeds,
        "identity_seed": seeds,
        "size": st.sampled_from([64, 128, 256]),
        "scene": st.fixed_dictionaries(
            {},
            optional={
                "yaw": st.floats(-40, 40),
                "gaze_yaw": st.just(0.0),
                "light": st.sampled_from(["studio", "overcast"]),
                "background": st.sampled_from(["plain", "transparent", "#0a0B0c"]),
                "hair": st.booleans(),
            },
        ),
    },
)


@given(recipes)
def test_json_round_trip(data: dict[str, Any]) -> None:
    recipe = Recipe.parse(data)
    assert Recipe.parse_json(recipe.to_json()) == recipe


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(RequestError):
        Recipe.parse(value)
    with pytest.raises(RequestError):
        Recipe.parse_json(json.dumps(value))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        recipe = Recipe.parse_json(data)
    except RequestError:
        return
    assert Recipe.parse_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"aus": {"AU99": 1}}, "aus.AU99"),
        ({"aus": {"AU12": 5.5}}, "aus.AU12"),
        ({"aus": {"AU12": math.nan}}, "aus.AU12"),
        ({"aus": {"AU12": 1, "AUL12": 1}}, "aus.AUL12"),
        ({"aus": [1]}, "aus"),
        ({"facs": "12Z"}, "facs"),
        ({"aus": {"AU12": 1}, "facs": "12C"}, "facs"),
        ({"txet": "a typo"}, "txet"),
        ({"guidance": {"txet": 2.0}}, "guidance.txet"),
        ({"text": "a" * (MAX_TEXT + 1)}, "text"),
        ({"text": 7}, "text"),
        ({"scene": {"yaw": 41}}, "scene.yaw"),
        ({"scene": {"roll": math.nan}}, "scene.roll"),
        ({"scene": {"gaze_yaw": -25, "yaw": 30}}, "scene.gaze_yaw"),
        ({"scene": {"light": "sun"}}, "scene.light"),
        ({"scene": {"background": "grey"}}, "scene.background"),
        ({"scene": {"background": "#12345"}}, "scene.background"),
        ({"scene": {"hair": 1}}, "scene.hair"),
        ({"scene": {"zoom": 2}}, "scene.zoom"),
        ({"enriched_text": ""}, "enriched_text"),
        ({"enriched_text": " \n"}, "enriched_text"),
        ({"enriched_text": "a" * (MAX_TEXT + 1)}, "enriched_text"),
        ({"steps": 0}, "steps"),
        ({"steps": "20"}, "steps"),
        ({"steps": 20.5}, "steps"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": True}, "seed"),
        ({"size": 10**9}, "size"),
        ({"guidance": {"text": math.inf}}, "guidance.text"),
        ({"expression": "joy"}, "expression"),
        ({"guidance": {"semantic": 1.0}}, "expression"),
        ({"guidance": {"semantic": -1.0}, "expression": "fear"}, "guidance.semantic"),
        ({"guidance": {"semantic": 11}, "expression": "fear"}, "guidance.semantic"),
        ({"semantic": {"classifier": "judge"}}, "semantic.classifier"),
        ({"semantic": {"classifier": "latent"}}, "semantic.classifier"),
        ({"semantic": {"acts_on": "noise"}}, "semantic.acts_on"),
        ({"semantic": {"first": 0.6, "last": 0.5}}, "semantic.last"),
        ({"semantic": {"every": 0}}, "semantic.every"),
        ({"semantic": {"steps": 3}}, "semantic.steps"),
        (
            {
                "semantic": {"acts_on": "aus"},
                "guidance": {"semantic": 1},
                "expression": "fear",
            },
            "semantic.acts_on",
        ),
        (
            {
                "semantic": {"acts_on": "aus"},
                "guidance": {"semantic": 1},
                "expression": "fear",
                "facs": "4B",
                "au_scale": 0,
            },
            "semantic.acts_on",
        ),
        ({"version": 2}, "version"),
        ({"backbone": "../x"}, "backbone"),
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"identity_seed": 1, "identity_code": [0.1]}, "identity_code"),
        ({"identity_seed": 1, "identity_image": "sample:ada"}, "identity_image"),
        ({"identity_code": [0.1], "identity_image": "sample:ada"}, "identity_image"),
        ({"identity_image": "sample:ada", "identity_scale": 2.1}, "identity_scale"),
        ({"identity_image": "sample:ada", "identity_scale": -0.1}, "identity_scale"),
        ({"identity_scale": 0.5}, "identity_scale"),
    ],
)
def test_bad_values_name_their_field(data: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe.parse(data)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("data", "allowed"),
    [
        ({"steps": 101}, "at most 100"),
        ({"text": "a" * 10_000}, "at most 2000"),
        ({"expression": "joy"}, "'happiness'"),
        ({"nope": 1}, "identity_seed"),
        ({"aus": {"AU16": 1.0}}, "12"),
    ],
)
def test_bad_values_name_what_is_allowed(data: dict[str, Any], allowed: str) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe.parse(data)
    assert allowed in (caught.value.allowed or "")


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def as_reference(data: bytes) -> str:
    return PNG_DATA + base64.b64encode(data).decode()


@pytest.mark.parametrize("reference", ["sample:ada", as_reference(PNG + bytes(100))])
def test_references_are_taken(reference: str) -> None:
    data = {"reference": reference, "inversion_depth": 1.0, "keep": 0.0, "reference_aus": {}}
    assert Recipe.parse(data).reference == reference


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("face.png", "no {}"),
        ("sample:../x", "no name"),
        ("sample:", "no name"),
        ("data:image/jpeg;base64,/9j/", "no {}"),
        (PNG_DATA + "what is this", "base64"),
        (PNG_DATA + "\u00e9\u00e9\u00e9\u00e9", "base64"),
        (as_reference(b"GIF89a"), "no PNG"),
        (as_reference(PNG + bytes(MAX_REFERENCE_BYTES - len(PNG) + 1)), "1,048,577 bytes"),
    ],
)
def test_other_references_are_refused(reference: str, message: str) -> None:
    for field in ("reference", "identity_image"):
        with pytest.raises(RequestError, match=message.format(field)) as caught:
            Recipe.parse({field: reference})
        assert caught.value.field == field


def test_the_largest_reference_is_taken() -> None:
    largest = as_reference(PNG + bytes(MAX_REFERENCE_BYTES - len(PNG)))
    assert Recipe.parse({"reference": largest}).reference == largest


@given(st.text(max_size=80))
def test_any_reference_is_taken_or_refused(reference: str) -> None:
    for text in (reference, SAMPLE + reference, PNG_DATA + reference):
        try:
            recipe = Recipe.parse({"reference": text})
        except RequestError:
            continue
        assert recipe.reference == text


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"inversion_depth": 0.5}, "inversion_depth"),
        ({"keep": 0.5}, "keep"),
        ({"reference_aus": {}}, "reference_aus"),
        ({"reference": "sample:ada", "reference_aus": {"AU12": 6}}, "reference_aus.AU12"),
        ({"reference": "sample:ada", "reference_aus": {"AU99": 1}}, "reference_aus.AU99"),
        ({"reference": "sample:ada", "inversion_depth": 0.0}, "inversion_depth"),
        ({"reference": "sample:ada", "inversion_depth": 1.1}, "inversion_depth"),
        ({"reference": "sample:ada", "keep": -0.1}, "keep"),
        ({"reference": "sample:ada", "steps": 1}, "steps"),
    ],
)
def test_what_does_not_fit_an_edit_is_named(data: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe.parse(data)
    assert caught.value.field == field
    assert caught.value.allowed


def test_a_recipe_without_a_picture_of_the_person_is_spelled_as_ever() -> None:
    spelled = Recipe.parse({"seed": 1, "identity_seed": 2}).to_json()
    assert "identity_image" not in spelled
    assert "identity_scale" not in spelled
    pictured = Recipe.parse({"identity_image": "sample:ada"})
    assert pictured.identity_scale is None
    assert Recipe.parse_json(pictured.to_json()) == pictured


def test_the_empty_recipe_is_fine() -> None:
    recipe = Recipe.parse({})
    assert recipe.text == ""
    assert recipe.action_units == {}


def test_facs_and_aus_say_the_same() -> None:
    facs = Recipe.parse({"facs": "6C+L12D"})
    assert facs.action_units == Recipe.parse({"aus": {"AU6": 3, "AUL12": 4}}).action_units


@pytest.mark.parametrize("text", ["", "{", "[]", "nul", '{"seed": 1, "seed": 2}', "[" * 100_000])
def test_text_that_is_no_recipe(text: str) -> None:
    with pytest.raises(RequestError):
        Recipe.parse_json(text)


def test_semantic_guidance_needs_a_target_and_something_to_act_on() -> None:
    recipe = Recipe.parse({"guidance": {"semantic": 2}, "expression": "fear"})
    assert recipe.guidance.semantic == 2
    acting = {"semantic": {"acts_on": "aus", "classifier": "image"}, "facs": ""}
    data = {"guidance": {"semantic": 2}, "expression": "fear", **acting}
    assert Recipe.parse(data).semantic.classifier == "image"


def test_recipes_do_not_change() -> None:
    recipe = Recipe.parse({"seed": 1})
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 2  # type: ignore[misc]


def test_a_recipe_without_a_scene_is_as_it_was() -> None:
    plain = Recipe(seed=5)
    assert "scene" not in plain.to_json()
    for nothing in ({}, {"yaw": None}, None):
        assert Recipe.parse({"seed": 5, "scene": nothing}) == plain


def test_a_scene_says_what_is_allowed() -> None:
    for value, allowed in (
        ({"pitch": -21}, "-20 to 20"),
        ({"yaw": 40, "gaze_yaw": -20}, "-5 to 25 with yaw 40"),
        ({"zoom": 2}, "background, beard, framing"),
    ):
        with pytest.raises(RequestError) as caught:
            Recipe.parse({"scene": value})
        assert (caught.value.allowed or "").startswith(allowed)
    assert Recipe.parse({"scene": {"background": "#0A0B0C"}}).scene == SceneOptions(
        background="#0a0b0c"
    )


@pytest.mark.parametrize("size", [63, 1025])
def test_a_size_out_of_range_names_the_range(size: int) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe.parse({"size": size})
    assert (caught.value.field, caught.value.allowed) == ("size", "64 to 1024")
