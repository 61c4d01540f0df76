from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from synfer_core.errors import RejectedError, RequestError
from synfer_core.faces.landmarks import Face, HeadPose, Landmarker
from synfer_core.fetext.gate import REASONS, Gate, Seen, check_picture, describe, inspect, sharpness
from synfer_core.report import Pixels
from tests.faces.photo import needs_landmarker, portrait


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return Landmarker.load()


def look(landmarker: Landmarker, image: Pixels, gate: Gate | None = None) -> Seen:
    return inspect(image, landmarker.detect(image), gate or Gate())


def reason(landmarker: Landmarker, image: Pixels, gate: Gate | None = None) -> str:
    with pytest.raises(RejectedError) as caught:
        look(landmarker, image, gate)
    assert caught.value.reason in REASONS
    return caught.value.reason


@needs_landmarker
def test_a_good_face_passes_and_is_measured(landmarker: Landmarker) -> None:
    small, large = (look(landmarker, portrait(size)) for size in (96, 384))
    assert large.side / small.side == pytest.approx(4, rel=0.05)
    assert small.crop.shape == (128, 128, 3)
    assert (small.faces, small.outside) == (1, pytest.approx(0, abs=0.05))


@needs_landmarker
def test_each_fault_has_its_reason(landmarker: Landmarker) -> None:
    face = portrait(256)
    both = np.concatenate([face, portrait(256, "neutral")], axis=1)
    assert reason(landmarker, np.full((200, 200, 3), 90, np.uint8)) == "no_face"
    assert reason(landmarker, both) == "several_faces"
    assert reason(landmarker, portrait(40)) == "small_face"
    assert reason(landmarker, face[75:]) == "cut_face"
    assert reason(landmarker, cv2.GaussianBlur(face, (0, 0), 12)) == "blurred"
    assert reason(landmarker, face, Gate(max_yaw=1)) == "pose"


@needs_landmarker
def test_a_small_face_behind_is_overlooked_up_to_the_threshold(landmarker: Landmarker) -> None:
    canvas = np.full((400, 620, 3), 128, np.uint8)
    canvas[:400, :400] = portrait(400)
    canvas[100:250, 440:590] = portrait(150, "neutral")
    assert look(landmarker, canvas).faces == 2
    assert reason(landmarker, canvas, Gate(max_bystander=0.05)) == "several_faces"


@needs_landmarker
def test_a_turned_picture_shows_as_roll(landmarker: Landmarker) -> None:
    face = portrait(256)
    turn = cv2.getRotationMatrix2D((128, 128), 20, 1)
    turned = cv2.warpAffine(face, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    straight, rolled = (landmarker.detect(image)[0].pose for image in (face, turned))
    assert straight
    assert rolled
    # Anticlockwise lifts what is on the right: the subject's left eye.
    assert rolled.roll - straight.roll == pytest.approx(20, abs=4)


def test_blank_pictures_are_told_by_their_grey_levels() -> None:
    check_picture(portrait(64), Gate())
    dim = np.full((64, 64, 3), 90, np.uint8)
    dim[::2] += 5
    with pytest.raises(RejectedError) as caught:
        check_picture(dim, Gate())
    assert caught.value.reason == "blank"
    assert caught.value.allowed == "min_contrast 4"
    check_picture(dim, Gate(min_contrast=2))


def test_sharpness_falls_with_blur_and_not_with_contrast() -> None:
    face = portrait(128)
    blurred = [sharpness(cv2.GaussianBlur(face, (0, 0), sigma)) for sigma in (1, 2, 4)]
    assert sharpness(face) > blurred[0] > blurred[1] > blurred[2] > 0
    pale = (face // 2 + 100).astype(np.uint8)
    assert sharpness(pale) == pytest.approx(sharpness(face), rel=0.15)
    assert sharpness(np.zeros((8, 8, 3), np.uint8)) == 0


def test_a_face_without_a_pose_is_not_passed_over() -> None:
    points = np.array([[30, 30], [90, 90]], np.float32).repeat(239, axis=0)
    points[[33, 133]], points[[362, 263]], points[[61, 291]] = (40, 50), (80, 50), (60, 90)
    face = Face(points, {})
    with pytest.raises(RejectedError, match="pose"):
        inspect(portrait(128), [face], Gate())
    inspect(portrait(128), [replace(face, pose=HeadPose(0, 0, 0))], Gate())


@pytest.mark.parametrize("name", ["min_face", "max_yaw", "max_bystander", "min_sharpness"])
def test_thresholds_out_of_range_are_named(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        Gate(**{name: -1.0})
    assert caught.value.field == f"gate.{name}"


def test_rules_in_words_are_of_known_reasons() -> None:
    assert set(describe(Gate())) <= set(REASONS)
