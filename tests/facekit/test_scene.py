from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from synfer_core.errors import RequestError
from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.lights import SET_UPS
from synfer_core.facekit.palette import GLASSES
from synfer_core.facekit.scene import (
    DISTRIBUTIONS,
    FREE,
    LABELLED,
    Distribution,
    Scene,
    sample_aus,
    sample_scene,
    scene_for,
)
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, to_slots
from synfer_core.request import Glasses, LightKind, SceneOptions


def slot(aus: tuple[float, ...], name: str) -> float:
    return aus[AU_SLOTS.index(name)]


def test_scene_is_a_function_of_its_seed() -> None:
    first, second = (sample_scene(np.random.default_rng(5), identity=9) for _ in range(2))
    assert first.aus == second.aus
    assert (first.pose, first.camera, first.styling) == (second.pose, second.camera, second.styling)
    np.testing.assert_array_equal(first.lighting.direction, second.lighting.direction)


@pytest.mark.parametrize("limits", DISTRIBUTIONS.values())
def test_distributions_keep_their_limits(limits: Distribution) -> None:
    scenes = [
        sample_scene(np.random.default_rng(i), identity=i, distribution=limits) for i in range(150)
    ]
    assert max(abs(s.pose.yaw) for s in scenes) <= limits.yaw[1]
    assert {s.lighting.kind for s in scenes} == set(limits.lighting)
    assert {s.background.kind for s in scenes} == set(limits.backgrounds)
    assert all(0 <= v <= 1 for s in scenes for v in s.aus)


def test_free_units_come_and_go_by_themselves() -> None:
    draws = [sample_aus(np.random.default_rng(i), None, FREE.modes) for i in range(1500)]
    assert {label for _, label in draws} == {"mixed"}
    aus = np.array([aus for aus, _ in draws])
    own = [AU_SLOTS.index(s) for s in AU_SLOTS if not s.startswith("AUR") and s != "AU25"]
    assert np.abs(np.corrcoef(aus[:, own].T) - np.eye(len(own))).max() < 0.12
    assert 0.2 < (aus[:, own] > 0).mean() < 0.3
    left, right = (aus[:, AU_SLOTS.index(s)] for s in ("AUL12", "AUR12"))
    shown = (left > 0) | (right > 0)
    assert 0.3 < (left != right)[shown].mean() < 0.5
    assert 0.07 < ((left == 0) | (right == 0))[shown].mean() < 0.2


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_prototypes_move_their_own_units(expression: str) -> None:
    aus, label = sample_aus(np.random.default_rng(1), expression)
    assert label == expression
    assert (max(aus) > 0) == (expression != "neutral")
    if expression == "happiness":
        assert slot(aus, "AUL12") > 0.15
        assert slot(aus, "AUL4") == 0


def test_contempt_is_one_sided() -> None:
    for seed in range(10):
        aus, _ = sample_aus(np.random.default_rng(seed), "contempt")
        assert (slot(aus, "AUL14") > 0) != (slot(aus, "AUR14") > 0)


def test_labelled_draws_all_carry_an_expression() -> None:
    labels = [sample_aus(np.random.default_rng(i), None, LABELLED.modes)[1] for i in range(400)]
    assert set(labels) == set(EXPRESSIONS)
    assert 20 < labels.count("neutral") < 90


def test_free_mixes_have_no_label_and_no_opposed_units() -> None:
    draws = [sample_aus(np.random.default_rng(seed)) for seed in range(600)]
    mixed = [aus for aus, label in draws if label == "mixed"]
    assert 0.35 < len(mixed) / len(draws) < 0.6
    for aus in mixed:
        assert not (slot(aus, "AU18") and slot(aus, "AUL12") and slot(aus, "AUR12"))
        assert not (slot(aus, "AUL5") and slot(aus, "AUL43"))


def test_a_dropped_jaw_parts_the_lips() -> None:
    aus = [sample_aus(np.random.default_rng(seed))[0] for seed in range(400)]
    dropped = [a for a in aus if slot(a, "AU26") > 0.05 and not slot(a, "AU23")]
    pressed = [max(slot(a, "AUL24"), slot(a, "AUR24"), slot(a, "AU28")) for a in dropped]
    assert dropped
    parted = [slot(a, "AU25") for a, held in zip(dropped, pressed, strict=True) if held < 0.05]
    assert min(parted) >= 0.35


def test_every_unit_is_drawn() -> None:
    aus = np.array([sample_aus(np.random.default_rng(seed))[0] for seed in range(800)])
    assert (aus.max(0) > 0.3).all()


def test_scene_for_changes_the_expression_alone() -> None:
    smile = scene_for({"AU12": 4.0}, 3, 11, expression="happiness")
    frown = scene_for({"AU4": 4.0}, 3, 11)
    assert smile.aus == to_slots({"AU12": 4.0})
    same = {"aus": (), "expression": "", "identity": frown.identity, "lighting": frown.lighting}
    assert replace(smile, **same) == replace(frown, **same)
    np.testing.assert_array_equal(smile.lighting.colour, frown.lighting.colour)


def test_traits_decide_what_words_say() -> None:
    traits = {"sex": "woman", "glasses": "round", "lighting": "backlit", "background": "bokeh",
              "makeup": "red lipstick"}  # fmt: skip
    one = scene_for({}, 3, 1, traits=traits)
    assert (one.identity.sex, one.styling.glasses) == ("woman", "round")
    assert (one.lighting.kind, one.background.kind) == ("backlit", "bokeh")
    assert one.styling.lipstick is not None
    assert scene_for({}, 3, 1, traits={"makeup": "none"}).styling.lipstick is None


def test_a_person_can_be_given() -> None:
    person = draw_identity(8, hair="afro")
    one = scene_for({}, person, 1, traits={"glasses": "thick", "hair": "bald"})
    assert one.identity.hair.style == "afro"
    assert one.styling.glasses == "thick"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"aus": {"AU99": 1.0}}, "aus.AU99"),
        ({"aus": {"AU12": 7.0}}, "aus.AU12"),
        ({"traits": {"lighting": "disco"}}, "lighting"),
        ({"traits": {"background": "beach"}}, "background"),
        ({"traits": {"makeup": "clown"}}, "makeup"),
        ({"traits": {"hair": "mohawk"}}, "hair"),
        ({"expression": "boredom"}, "expression"),
    ],
)
def test_unknown_values_are_refused(arguments: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        scene_for(**{"aus": {}, "identity": 1, "seed": 1, **arguments})  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize("kind", SET_UPS)
def test_lights_are_unit_vectors_with_a_highlight(kind: str) -> None:
    lighting = scene_for({}, 1, 2, traits={"lighting": kind}).lighting
    np.testing.assert_allclose(np.linalg.norm(lighting.direction, axis=1), 1, atol=1e-5)
    assert len(lighting.key_direction) == lighting.group.max() + 1
    assert (lighting.colour >= 0).all()


# --- what is not left to the seed --------------------------------------------------------------


def drawn(**options: Any) -> Scene:
    return scene_for({"AU12": 3.0}, 7, 3, options=SceneOptions(**options) if options else None)


def parts_of(scene: Scene) -> dict[str, Any]:
    """The scene's numbers, by part, in a form that can be compared."""
    person = scene.identity
    return {
        "aus": scene.aus,
        "yaw": scene.pose.yaw,
        "pitch": scene.pose.pitch,
        "roll": scene.pose.roll,
        "gaze": scene.gaze,
        "gaze_yaw": scene.held_gaze[0],
        "gaze_pitch": scene.held_gaze[1],
        "camera": scene.camera,
        "lighting": (scene.lighting.kind, scene.lighting.direction.tobytes()),
        "background": scene.background,
        "glasses": (scene.styling.glasses, person.glasses),
        "styling": replace(scene.styling, glasses=""),
        "look": scene.look,
        "hair": person.hair.style,
        "beard": person.beard,
        "person": repr(replace(person, hair=replace(person.hair, style=""), beard="", glasses="")),
    }


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"yaw": 31.0}, "yaw"),
        ({"pitch": -12.0}, "pitch"),
        ({"roll": 9.0}, "roll"),
        ({"gaze_yaw": 0.0}, "gaze_yaw"),
        ({"gaze_pitch": 7.0}, "gaze_pitch"),
        ({"light": "golden hour"}, "lighting"),
        ({"background": "wall"}, "background"),
        ({"background": "#12ab9f"}, "background"),
        ({"background": "transparent"}, "background"),
        ({"framing": "head"}, "camera"),
        ({"glasses": "thick"}, "glasses"),
        ({"hair": False}, "hair"),
        ({"beard": True}, "beard"),
    ],
)
def test_setting_one_field_draws_no_other_anew(options: dict[str, Any], part: str) -> None:
    before, after = parts_of(drawn()), parts_of(drawn(**options))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {part}


def test_light_comes_from_the_side_that_is_asked_for() -> None:
    for kind in SET_UPS:
        for side, sign in (("left", 1), ("right", -1)):
            lighting = drawn(light=kind, light_side=side).lighting
            assert lighting.kind == kind
            assert lighting.azimuth * sign >= 0
            assert lighting.key_direction[0, 0] * sign >= 0
    left, right = (drawn(light="studio", light_side=s).lighting for s in ("left", "right"))
    np.testing.assert_array_equal(left.direction * [-1, 1, 1], right.direction)
    np.testing.assert_array_equal(left.colour, right.colour)


def test_the_light_that_was_drawn_stays_where_it_is_asked_for() -> None:
    plain = drawn()
    same = drawn(light=plain.lighting.kind)
    np.testing.assert_array_equal(same.lighting.direction, plain.lighting.direction)


def test_hair_and_beard_come_on_as_the_person_s_seed_draws_them() -> None:
    for seed in range(30):
        person = draw_identity(seed, hair="bald", beard="none")
        scene = scene_for({}, person, 1, options=SceneOptions(hair=True, beard=True))
        again = scene_for({}, person, 2, options=SceneOptions(hair=True, beard=True))
        assert scene.identity.hair.style not in ("bald", "receding")
        assert scene.identity.beard != "none"
        assert scene.identity.hair == again.identity.hair
        assert scene.identity.beard == again.identity.beard
    haired = draw_identity(3, hair="bob", beard="goatee")
    kept = scene_for({}, haired, 1, options=SceneOptions(hair=True, beard=True)).identity
    assert (kept.hair.style, kept.beard) == ("bob", "goatee")
    off = scene_for({}, haired, 1, options=SceneOptions(hair=False, beard=False)).identity
    assert (off.hair.style, off.beard) == ("bald", "none")


def test_a_field_wins_over_words() -> None:
    words = {"lighting": "studio", "background": "bokeh", "glasses": "thin", "hair": "bald"}
    options = SceneOptions(light="overcast", background="plain", glasses="none", hair=True)
    scene = scene_for({}, 5, 1, traits=words, options=options)
    assert scene.lighting.kind == "overcast"
    assert scene.background.kind == "plain"
    assert scene.styling.glasses == "none"
    assert scene.identity.hair.style != "bald"


def test_all_but_the_person_is_the_same_for_everybody() -> None:
    scenes = [scene_for({}, person, 11) for person in range(12)]
    assert {s.identity.sex for s in scenes} == {"man", "woman"}
    first = scenes[0]
    for scene in scenes[1:]:
        for part in ("pose", "gaze", "camera", "background", "look"):
            assert getattr(scene, part) == getattr(first, part)
        np.testing.assert_array_equal(scene.lighting.direction, first.lighting.direction)
        for part in ("cloth", "neckline", "pattern"):
            assert getattr(scene.styling, part) == getattr(first.styling, part)


def test_the_recipe_knows_the_renderer_s_own_words() -> None:
    assert get_args(LightKind) == tuple(SET_UPS)
    assert get_args(Glasses) == GLASSES
