"""The exact renderer as a backbone: whom it renders."""

from __future__ import annotations

import numpy as np
import pytest

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facekit import Identity, draw_identity, identity_code
from synfer_core.facekit.camera import gaze_of, pose_points, rotation
from synfer_core.facekit.renderer import Renderer
from synfer_core.faces.landmarks import shared_landmarker
from synfer_core.models.backbone import Generation
from synfer_core.models.exact import ExactBackbone, person_of, scene_of
from synfer_core.report import Pixels
from synfer_core.request import Recipe
from tests.faces.photo import needs_landmarker

SIZE = 64


def code_of(seed: int) -> tuple[float, ...]:
    return tuple(map(float, identity_code(draw_identity(seed))))


def test_a_code_is_the_person_it_describes() -> None:
    person = person_of(Recipe(identity_code=code_of(5), seed=8))
    assert isinstance(person, Identity)
    np.testing.assert_allclose(identity_code(person), code_of(5), atol=0.05)
    assert person.eyes.colour == draw_identity(5).eyes.colour
    assert person.glasses == draw_identity(8).glasses, "what the code leaves out is the seed's"


def test_a_seed_is_the_person_it_draws() -> None:
    assert person_of(Recipe(identity_seed=3, seed=8)) == 3
    assert person_of(Recipe(seed=8)) == 8


@pytest.fixture(scope="module")
def backbone() -> ExactBackbone:
    return ExactBackbone(Renderer.load(), SIZE)


def rendered(backbone: ExactBackbone, **fields: object) -> Pixels:
    *_, made = backbone.stream(backbone.check(Recipe.parse(fields)))
    assert isinstance(made, Generation)
    return made.image


def test_a_code_of_the_wrong_length_is_refused_before_rendering(backbone: ExactBackbone) -> None:
    with pytest.raises(RequestError) as caught:
        backbone.check(Recipe(identity_code=(0.0, 1.0)))
    assert caught.value.field == "identity_code"
    assert "finite numbers" in (caught.value.allowed or "")
    with pytest.raises(UnsupportedError, match="weights"):
        backbone.check(Recipe(weights_sha256="0" * 64))


def test_code_and_seed_show_the_same_person(backbone: ExactBackbone) -> None:
    smile = {"aus": {"AU12": 4.0}, "seed": 5}
    by_seed = rendered(backbone, identity_seed=5, **smile).astype(float)
    by_code = rendered(backbone, identity_code=code_of(5), **smile).astype(float)
    other = rendered(backbone, identity_code=code_of(6), **smile).astype(float)
    assert np.abs(by_code - by_seed).mean() < 2.0
    assert np.abs(other - by_seed).mean() > 10.0


def test_an_edit_is_refused_by_name(backbone: ExactBackbone) -> None:
    assert not backbone.capabilities.editing
    with pytest.raises(UnsupportedError, match="reference: the exact renderer cannot edit"):
        backbone.check(Recipe(backbone="facekit", reference="sample:ada"))


# --- the scene of a recipe ----------------------------------------------------------------------


def made(backbone: ExactBackbone, **scene: object) -> Generation:
    """A face at 192 px with a scene."""
    fields = {"identity_seed": 7, "seed": 3, "size": 192, "scene": scene}
    *_, last = backbone.stream(backbone.check(Recipe.parse(fields)))
    assert isinstance(last, Generation)
    return last


def test_a_colour_behind_the_person_is_exact(backbone: ExactBackbone) -> None:
    face = made(backbone, background="#3c91e6")
    assert face.alpha is None
    assert face.image[20:, -3:].reshape(-1, 3).tolist().count([0x3C, 0x91, 0xE6]) > 50
    plain, other = face.image.astype(int), made(backbone, background="#d2691e").image.astype(int)
    behind = made(backbone, background="transparent").alpha == 0
    assert 0.03 < behind.mean() < 0.5
    assert (plain[behind] == [0x3C, 0x91, 0xE6]).all()
    assert (other[behind] == [0xD2, 0x69, 0x1E]).all()


def test_alpha_is_the_person_s_own_cover(backbone: ExactBackbone) -> None:
    see_through = made(backbone, background="transparent")
    assert see_through.alpha is not None
    assert see_through.alpha.shape == (192, 192)
    alpha = see_through.alpha[..., None] / 255.0
    assert (see_through.image[see_through.alpha == 0] == 255).all()
    assert len(np.unique(see_through.alpha)) > 20, "hair covers parts of pixels"
    # What lies on white, put on a colour by its alpha, is what is rendered on that colour.
    own = (see_through.image - 255 * (1 - alpha)) / np.maximum(alpha, 1e-3)
    put = own * alpha + np.array([0x20, 0x40, 0x60]) * (1 - alpha)
    on_colour = made(backbone, background="#204060").image
    assert np.abs(put - on_colour).max() <= 2
    drawn = made(backbone).image
    inside = see_through.alpha == 255
    change = np.abs(see_through.image[inside].astype(int) - drawn[inside])
    assert change.max() <= 2, "the person is as before"
    assert (change == 0).mean() > 0.99


def test_the_head_turns_the_way_it_is_asked_to(backbone: ExactBackbone) -> None:
    def nose(**scene: object) -> tuple[float, float]:
        """Where the nose's tip lies between the outer corners of the eyes, right and down."""
        fields = {"identity_seed": 7, "seed": 3, "scene": scene}
        points = backbone.renderer.landmarks(scene_of(Recipe.parse(fields)), 256)
        right, left = points[36], points[45]
        across = (points[30] - right) @ (left - right) / ((left - right) @ (left - right))
        return float(across), float(points[30, 1] - (right[1] + left[1]) / 2)

    level = {"pitch": 0, "roll": 0}
    places = [nose(yaw=yaw, **level)[0] for yaw in (-30, -10, 0, 10, 30)]
    assert places == sorted(places), "to the subject's left is to the right of the picture"
    assert places[-1] - places[0] > 0.3
    depths = [nose(yaw=0, pitch=pitch, roll=0)[1] for pitch in (-15, 0, 15)]
    assert depths == sorted(depths, reverse=True), "upwards brings the nose up to the eyes"


def test_eyes_look_where_they_are_asked_to(backbone: ExactBackbone) -> None:
    def iris(**scene: object) -> float:
        """How far the dark of the left eye lies towards the subject's left, in pixels."""
        fields = {"identity_seed": 7, "seed": 3, "size": 256, "scene": scene}
        recipe = Recipe.parse(fields)
        image = rendered(backbone, **fields).mean(-1)
        eye = backbone.renderer.landmarks(scene_of(recipe), 256)[42:48]
        (x0, y0), (x1, y1) = eye.min(0).astype(int), eye.max(0).astype(int) + 1
        dark = np.clip(90 - image[y0:y1, x0:x1], 0, None)
        return float((dark * np.arange(x1 - x0)).sum() / dark.sum())

    frontal = {"yaw": 0, "pitch": 0, "roll": 0, "gaze_pitch": 0}
    looks = [iris(gaze_yaw=angle, **frontal) for angle in (-20, 0, 20)]
    assert looks[0] + 1 < looks[1] < looks[2] - 1


@pytest.mark.parametrize("yaw", [-25, 0, 25])
def test_eyes_that_look_into_the_camera_do_so_with_the_head_turned(yaw: float) -> None:
    recipe = Recipe.parse({"seed": 3, "scene": {"yaw": yaw, "gaze_yaw": 0, "gaze_pitch": 0}})
    scene, eyes = scene_of(recipe), np.array([0.0, 2.5, 6.0], np.float32)
    turn = rotation(scene.pose)
    gaze = gaze_of(scene, turn, eyes).directions.mean(0)
    posed = pose_points(eyes, turn)
    line = [0, posed[1], scene.camera.distance] - posed
    cosine = gaze @ line / np.linalg.norm(gaze) / np.linalg.norm(line)
    assert np.rad2deg(np.arccos(min(1.0, cosine))) < 0.5


def test_light_falls_on_the_side_that_it_comes_from(backbone: ExactBackbone) -> None:
    frontal = {"yaw": 0, "roll": 0, "light": "side light", "hair": False}
    left = made(backbone, light_side="left", **frontal).image.mean(-1)
    right = made(backbone, light_side="right", **frontal).image.mean(-1)
    middle = (slice(60, 150), slice(40, 152))
    halves = [np.hsplit(image[middle], 2) for image in (left, right)]
    assert halves[0][1].mean() > halves[0][0].mean() + 10, "the subject's left is at our right"
    assert halves[1][0].mean() > halves[1][1].mean() + 10


def test_the_whole_head_is_in_the_picture(backbone: ExactBackbone) -> None:
    def border(**scene: object) -> float:
        alpha = made(backbone, background="transparent", **scene).alpha
        assert alpha is not None
        return float((alpha[0] > 0).mean())

    assert border(framing="face") > 0.3, "hair is cut off at the top"
    assert border(framing="head") == 0


@needs_landmarker
def test_its_eyes_are_where_mediapipe_sees_them(backbone: ExactBackbone) -> None:
    for seed in range(4):
        recipe = Recipe.parse(
            {"identity_seed": seed, "seed": 1, "size": 256, "backbone": "facekit"}
        )
        *_, made = backbone.stream(recipe)
        assert isinstance(made, Generation)
        seen = shared_landmarker().detect(made.image)[0].eyes
        known = backbone.eyes(recipe)
        assert known[0, 0] < known[1, 0], "left in the image first"
        np.testing.assert_allclose(known, seen, atol=4)
