from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core.errors import ImageError
from synfer_core.faces import landmarks
from synfer_core.faces.align import (
    EYE_LEFT_X,
    EYE_RIGHT_X,
    EYES_Y,
    MOUTH_Y,
    NOT_ALIGNED,
    OUTSIDE_NOTE,
    align,
    prepare,
)
from synfer_core.faces.landmarks import VARIABLE, Face, shared_landmarker
from tests.faces.photo import needs_landmarker, portrait

TARGETS = np.array([(EYE_LEFT_X, EYES_Y), (EYE_RIGHT_X, EYES_Y), (0.5, MOUTH_Y)])


def face_at(
    left: tuple[float, float], right: tuple[float, float], mouth: tuple[float, float]
) -> Face:
    """A face of which only the corners of eyes and mouth are known."""
    points = np.zeros((478, 2), np.float32)
    for corners, centre in (((33, 133), left), ((362, 263), right), ((61, 291), mouth)):
        points[list(corners)] = centre
    return Face(points, {})


def moved(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> Face:
    angle = math.radians(degrees)
    turn = scale * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    left, right, mouth = (tuple(p) for p in points @ turn.T + shift)
    return face_at(left, right, mouth)


@pytest.mark.parametrize("degrees", [0, 25, -40, 90, 180])
@pytest.mark.parametrize("scale", [40.0, 700.0])
def test_eyes_and_mouth_land_where_renders_have_them(degrees: float, scale: float) -> None:
    face = moved(TARGETS, degrees, scale, (900.0, 700.0))
    matrix = align(np.zeros((1400, 1800, 3), np.uint8), face, 128).matrix
    # Landmarks count from the edge of the first pixel, the matrix from its centre.
    landed = (np.vstack([face.eyes, face.mouth]) - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    np.testing.assert_allclose(landed / 128, TARGETS, atol=2e-3)


def test_an_aligned_picture_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    left, right, mouth = (tuple(p) for p in TARGETS * 96)
    aligned = align(image, face_at(left, right, mouth), 96)
    np.testing.assert_allclose(aligned.matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-4)
    assert np.abs(aligned.image.astype(int) - image).max() <= 2
    assert aligned.outside < 0.03


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    left, right, mouth = (tuple(p) for p in TARGETS * 800)
    image = align(stripes, face_at(left, right, mouth), 100).image
    assert np.ptp(image[5:-5, 5:-5]) < 12


def test_the_part_beyond_the_photo_is_told() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    left, right, mouth = (tuple(p) for p in TARGETS * 100 - (50, 0))
    aligned = align(image, face_at(left, right, mouth), 64)
    assert aligned.outside == pytest.approx(0.5, abs=0.02)
    assert (aligned.image == 200).all()


def test_a_face_of_no_size() -> None:
    with pytest.raises(ImageError, match="too small"):
        align(np.zeros((50, 50, 3), np.uint8), face_at((20, 20), (20, 20), (20, 30)), 64)


def test_an_image_of_the_models_size_is_taken_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    prepared, notes = prepare(image, 64)
    assert prepared is image
    assert notes == ()


def test_without_mediapipe_the_middle_is_read_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.task"))
    monkeypatch.setattr(landmarks, "_loading", cache(landmarks._loading.__wrapped__))
    image = np.zeros((60, 100, 3), np.uint8)
    image[:, 20:80] = 200
    prepared, notes = prepare(image, 32)
    assert prepared.shape == (32, 32, 3)
    assert (prepared == 200).all()
    assert notes[0] == OUTSIDE_NOTE
    assert notes[1].startswith(NOT_ALIGNED)
    assert f"{VARIABLE}=" in notes[1]
    assert str(tmp_path) not in notes[1], "a page does not name the server's folders"


@needs_landmarker
def test_a_tilted_photo_comes_back_upright() -> None:
    canvas = Image.new("RGB", (900, 700), (90, 120, 100))
    canvas.paste(Image.fromarray(portrait(384)), (260, 150))
    photo = np.array(canvas.rotate(20, Image.Resampling.BICUBIC))
    image, notes = prepare(photo, 128)
    (face,) = shared_landmarker().detect(image)
    landed = np.vstack([face.eyes, face.mouth]) / 128
    np.testing.assert_allclose(landed, TARGETS, atol=0.03)
    assert abs(landed[0, 1] - landed[1, 1]) < 0.012
    assert notes == (OUTSIDE_NOTE,)


@needs_landmarker
def test_a_render_hardly_moves() -> None:
    render = portrait(200)
    (face,) = shared_landmarker().detect(render)
    frame = np.array([(0, 0), (200, 0), (0, 200), (200, 200)])
    matrix = align(render, face, 200).matrix
    moved_by = frame @ matrix[:, :2].T + matrix[:, 2] - frame
    assert np.abs(moved_by).max() < 24


@needs_landmarker
def test_what_to_know_is_said() -> None:
    canvas = np.full((500, 900, 3), 128, np.uint8)
    canvas[100:300, 50:250] = portrait(200)
    canvas[100:484, 516:] = portrait(384)
    _, notes = prepare(canvas[:, :800], 128)
    assert any("2 faces" in note for note in notes)
    assert any("edge" in note for note in notes)


@needs_landmarker
def test_no_face() -> None:
    with pytest.raises(ImageError, match="shows no face"):
        prepare(np.full((200, 300, 3), 90, np.uint8), 128)
