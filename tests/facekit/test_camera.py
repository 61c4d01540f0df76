from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synfer_core.errors import RequestError
from synfer_core.facekit.camera import View, gaze_of, pose_points, rotation, view_of
from synfer_core.facekit.head import FACE, MOUTH_LANDMARKS
from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import EYE_PLACES, FRAMINGS, Camera, Pose, sample_scene, scene_for
from synfer_core.faces.align import EYE_LEFT_X, EYE_RIGHT_X, EYES_Y

SIZE = 256
EYES = np.array([0.0, 2.5, 6.0], np.float32)
TIPPED_BACK = Pose(pitch=6.5)
"""The pose of the model's own neutral head."""


def view(renderer: Renderer, points: np.ndarray, pose: Pose, camera: Camera, size: int) -> View:
    head = renderer.head
    mouth = head.rest[head.landmarks[MOUTH_LANDMARKS]].mean(0)
    return view_of(pose, camera, head.eyeballs(points)[0].mean(0), mouth, size)


def underside(renderer: Renderer, pose: Pose) -> float:
    """How much of the nose's underside, which holds the nostrils, the mean face shows: square
    centimetres seen by the camera.
    """
    rest, head = renderer.head.rest, renderer.head
    corners = rest[head.triangles[head.part == FACE]]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    x, y, z = corners.mean(1).T
    nose = (np.abs(x) < 2) & (y > -1.6) & (y < 0.6) & (z > 10.5)
    below = nose & (area[:, 1] < -0.6 * np.linalg.norm(area, axis=1))
    seen = view(renderer, rest, pose, Camera(), SIZE)
    camera = np.array([0, seen.height, seen.distance])
    towards = camera - pose_points(corners[below].mean(1), seen.turn)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    return float(np.maximum((area[below] @ seen.turn.T * towards).sum(1), 0).sum())


def test_nostrils_hardly_show_in_a_head_held_straight(renderer: Renderer) -> None:
    straight, back = underside(renderer, Pose()), underside(renderer, TIPPED_BACK)
    assert straight < 0.77 * back


def test_eyes_lie_where_networks_know_them(renderer: Renderer) -> None:
    places = []
    for seed in range(60):
        scene = sample_scene(np.random.default_rng(seed), identity=seed)
        points = renderer.head.identity_points(scene.identity.shape)
        seen = view(renderer, points, scene.pose, scene.camera, 1)
        corners = points[renderer.head.landmarks[[36, 39, 42, 45]]]
        eyes = seen.project(seen.pose(corners))[:, :2].reshape(2, 2, 2).mean(1)
        places.append(eyes)
    right, left = np.mean(places, 0)
    assert (right[0], left[0]) == pytest.approx((EYE_LEFT_X, EYE_RIGHT_X), abs=0.015)
    assert (right[1], left[1]) == pytest.approx((0.376, 0.376), abs=0.006)


def test_the_camera_is_at_eye_height(renderer: Renderer) -> None:
    rest = renderer.head.rest
    seen = view(renderer, rest, Pose(), Camera(), SIZE)
    eyes = seen.pose(renderer.head.eyeballs(rest)[0])
    assert seen.height == pytest.approx(float(eyes[:, 1].mean()), abs=1e-4)
    np.testing.assert_allclose(rotation(Pose(pitch=6.5)), np.eye(3), atol=1e-6)


def test_eyes_meet_the_camera_whatever_the_pose() -> None:
    scene = scene_for({}, 1, 1)
    for pitch in (-8.0, 0.0, 8.0):
        turned = replace(scene, pose=Pose(pitch=pitch), gaze=(0.0, 0.0))
        gaze = gaze_of(turned, rotation(turned.pose), EYES)
        assert gaze.elevation == pytest.approx(-pitch, abs=0.1)
        assert np.abs(gaze.directions.mean(0)[:2]).max() < 0.01


@pytest.mark.parametrize("style", ["afro", "long_wavy", "quiff"])
def test_framing_the_head_cuts_nothing_off(renderer: Renderer, style: str) -> None:
    person = draw_identity(5, hair=style)
    scene = scene_for({}, replace(person, hair=replace(person.hair, volume=1.0)), 1,
                      traits={"background": "plain"}, framing="head")  # fmt: skip
    scene = replace(scene, background=replace(scene.background, vignette=0.0), pose=Pose())
    scene = replace(scene, look=replace(scene.look, noise=0.0))
    picture = renderer.render(scene, 128).astype(int)
    border = np.concatenate([picture[:2].reshape(-1, 3), picture[:75, :2].reshape(-1, 3)])
    assert np.ptp(border, axis=0).max() <= 5
    assert np.ptp(picture[-3:], axis=(0, 1)).max() > 10  # shoulders


def test_framings_show_the_same_scene() -> None:
    face, head, eyes = (scene_for({}, 3, 7, framing=f).camera for f in FRAMINGS)
    assert (eyes.on_eyes, face.on_eyes, head.on_eyes) == (True, False, False)
    assert head.half_width > 1.5 * face.half_width
    assert (head.shift, head.distance) == (face.shift, face.distance)
    with pytest.raises(RequestError) as caught:
        scene_for({}, 3, 7, framing="wing")
    assert caught.value.field == "framing"


def test_framing_by_the_eyes_puts_everybody_s_in_the_same_places(renderer: Renderer) -> None:
    assert EYE_PLACES == ((EYE_LEFT_X, EYES_Y), (EYE_RIGHT_X, EYES_Y))
    for person, turned in ((3, Pose()), (5, Pose()), (11, Pose(yaw=20, pitch=8))):
        scene = replace(scene_for({}, person, 7, framing="eyes"), pose=turned)
        points = renderer.landmarks(scene, SIZE)
        eyes = np.stack([points[[36, 39]].mean(0), points[[42, 45]].mean(0)]) / SIZE
        np.testing.assert_allclose(eyes.mean(0), np.mean(EYE_PLACES, 0), atol=0.006)
        apart = np.hypot(*(eyes[1] - eyes[0]))
        assert apart == pytest.approx(EYE_RIGHT_X - EYE_LEFT_X, rel=0.03)
