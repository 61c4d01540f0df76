"""Skin, lips and eyes against what has been measured on people."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from synfer_core.facekit.camera import gaze_of, rotation
from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.lights import Lighting
from synfer_core.facekit.palette import (
    SKIN_LAB,
    SKIN_TONES_SRGB8,
    lab_to_linear,
    linear_to_lab,
    srgb_to_linear,
    typology_angle,
)
from synfer_core.facekit.person import People
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Pose, Scene, scene_for

SIZE = 192
STEPS = range(1, 11)
Floats = np.ndarray


def greyed(lighting: Lighting) -> Lighting:
    colours = (
        np.repeat(c.mean(1, keepdims=True), 3, 1) for c in (lighting.colour, lighting.key_colour)
    )
    colour, key = (c.astype(np.float32) for c in colours)
    return replace(lighting, colour=colour, key_colour=key)


def portrait(seed: int, **traits: object) -> Scene:
    """A bald, shaved, bare face under an overcast sky of neutral colour, straight ahead."""
    person = draw_identity(seed, **traits)
    hair, skin = replace(person.hair, style="bald"), replace(person.skin, freckles=0.0)
    person = replace(person, hair=hair, skin=skin, beard="none", stubble=0.0)
    plain = {"lighting": "overcast", "background": "plain", "makeup": "none", "glasses": "none"}
    scene = scene_for({}, person, seed, traits=plain)
    look = replace(scene.look, exposure=1.0, contrast=1.08, saturation=1.02, noise=0.0)
    ahead = replace(scene, pose=Pose(), gaze=(0.0, 0.0), look=look)
    return replace(ahead, lighting=greyed(scene.lighting))


def patch(picture: Floats, at: Floats, half: int) -> Floats:
    x, y = np.round(at).astype(int)
    return picture[y - half : y + half + 1, x - half : x + half + 1].reshape(-1, 3)


def measured(renderer: Renderer, scene: Scene) -> tuple[Floats, Floats]:
    """Mean CIELAB of cheeks and forehead, and of the lower lip."""
    lab = linear_to_lab(srgb_to_linear(renderer.render(scene, SIZE) / 255.0))
    points = renderer.landmarks(scene, SIZE)
    eyes, mouth = points[[36, 45]].mean(0), points[[48, 54]].mean(0)
    places = (points[[36, 48, 2, 31]].mean(0), points[[45, 54, 14, 35]].mean(0))
    cheeks = np.concatenate([patch(lab, place, 3) for place in places]).mean(0)
    forehead = patch(lab, eyes + (eyes - mouth) * 0.62, 3).mean(0)
    return (cheeks + forehead) / 2, patch(lab, points[[57, 66]].mean(0), 1).mean(0)


def mean_of_step(renderer: Renderer, step: int) -> tuple[Floats, Floats]:
    traits = {"skin_tone": step, "undertone": "neutral"}
    scenes = [
        portrait(300 + i, sex=("man", "woman")[i % 2], age=25 + 9 * i, **traits) for i in range(4)
    ]
    skin, lips = zip(*(measured(renderer, scene) for scene in scenes), strict=True)
    return np.mean(skin, axis=0), np.mean(lips, axis=0)


@pytest.fixture(scope="module")
def steps(renderer: Renderer) -> list[tuple[Floats, Floats]]:
    return [mean_of_step(renderer, step) for step in STEPS]


def test_lab_there_and_back() -> None:
    colours = srgb_to_linear(np.array(SKIN_TONES_SRGB8) / 255)
    np.testing.assert_allclose(lab_to_linear(linear_to_lab(colours)), colours, atol=1e-9)
    np.testing.assert_allclose(linear_to_lab([1.0, 1.0, 1.0]), [100, 0, 0], atol=1e-6)
    srgb = np.array([SKIN_TONES_SRGB8], np.float32) / 255
    theirs = cv2.cvtColor(srgb, cv2.COLOR_RGB2Lab)[0]
    np.testing.assert_allclose(linear_to_lab(colours), theirs, atol=0.4)


@pytest.mark.parametrize("step", STEPS)
def test_rendered_skin_is_as_measured(steps: list[tuple[Floats, Floats]], step: int) -> None:
    skin, wanted = steps[step - 1][0], np.array(SKIN_LAB[step - 1])
    assert np.abs(skin - wanted).max() < 2.5
    assert abs(typology_angle(skin) - typology_angle(wanted)) < 6
    # Hue of facial skin, people of every measured group: 40 to 59 degrees.
    assert 40 < np.degrees(np.arctan2(skin[2], skin[1])) < 60


def test_skin_tones_span_every_class_of_typology(steps: list[tuple[Floats, Floats]]) -> None:
    angles = [float(typology_angle(skin)) for skin, _ in steps]
    assert angles == sorted(angles, reverse=True)
    classes = np.digitize(angles, [-30, 10, 28, 41, 55])
    assert set(classes) == set(range(6))


@pytest.mark.parametrize("step", STEPS)
def test_lips_are_redder_and_darker_skin(steps: list[tuple[Floats, Floats]], step: int) -> None:
    skin, lips = steps[step - 1]
    hue = np.degrees(np.arctan2([skin[2], lips[2]], [skin[1], lips[1]]))
    assert 10 < hue[0] - hue[1] < 35
    assert 20 < hue[1] < 45  # salmon begins about 50
    darker = skin[0] - lips[0]
    assert 1 < darker < 22
    assert darker > 8 or step > 6


def test_undertones_turn_from_red_to_yellow(renderer: Renderer) -> None:
    tones = [portrait(31, skin_tone=4, undertone=name) for name in ("cool", "neutral", "warm")]
    yellow = [measured(renderer, scene)[0][2] for scene in tones]
    assert yellow == sorted(yellow)
    assert 2 < yellow[2] - yellow[0] < 12


def test_lids_rest_on_the_iris(renderer: Renderer) -> None:
    people = People(renderer.head, renderer._derived)
    for seed in range(40):
        person = people.get(draw_identity(seed), 0.0)
        for lids in person.lids:
            upper, lower = lids.iris_cover(person.points, person.iris_sine)
            assert 0.08 < upper < 0.2  # cm
            assert -0.03 < lower < 0.08


def test_settling_is_what_rests_them(renderer: Renderer) -> None:
    people = People(renderer.head, renderer._derived)
    untouched = []
    for seed in range(40):
        identity = draw_identity(seed)
        person = people.get(identity, 0.0)
        points = renderer.head.identity_points(identity.shape)
        untouched += [lids.iris_cover(points, person.iris_sine)[1] for lids in person.lids]
    assert np.mean(untouched) < -0.1  # white below the iris: the eyes stared


@pytest.mark.parametrize("pose", [Pose(), Pose(yaw=10), Pose(pitch=6), Pose(yaw=-8, pitch=-5)])
def test_gaze_at_rest_meets_the_camera(pose: Pose) -> None:
    scene = replace(portrait(1), pose=pose)
    both = gaze_of(scene, rotation(pose), np.array([0.0, 3.3, 10.0])).directions
    mean = both.mean(0) / np.linalg.norm(both.mean(0))
    assert np.degrees(np.arccos(mean[2])) < 0.5
    # Each pupil points outwards of the line of sight by angle kappa, less what the eyes converge.
    outward = np.degrees(np.arcsin(both[:, 0] * (1, -1)))
    assert ((outward > 1) & (outward < 4)).all()
    assert np.abs(both[:, 1]).max() < 0.01


def test_lids_follow_eyes_that_look_up(renderer: Renderer) -> None:
    level = portrait(2)
    up = replace(level, gaze=(0.0, 8.0))
    openings = []
    for scene in (level, up):
        points = renderer.landmarks(scene, 512)
        openings.append(points[[40, 41, 46, 47], 1].mean() - points[[37, 38, 43, 44], 1].mean())
    assert openings[1] > openings[0] + 2
