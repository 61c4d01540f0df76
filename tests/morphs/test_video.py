"""Moving pictures, read back."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from synfer_core.morphs import video
from tests.stimuli.drawn import face

FRAMES = [face(4, units) for units in (0, 2, 4, 6, 8)]


def read(data: bytes) -> list[tuple[np.ndarray, int]]:
    with Image.open(io.BytesIO(data)) as picture:
        found = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            found.append((np.array(picture.convert("RGB")), picture.info["duration"]))
        return found


def test_a_webp_holds_the_very_pixels_and_its_origin() -> None:
    data = video.webp(FRAMES, 20.0, "<x/>")
    for (image, duration), frame in zip(read(data), FRAMES, strict=True):
        assert (image == frame).all()
        assert duration == 50
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info["xmp"] == b"<x/>"


def test_a_gif_comes_near_and_what_stands_still_does_not_flicker() -> None:
    found = read(video.gif(FRAMES, 20.0, "made here"))
    for (image, duration), frame in zip(found, FRAMES, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 4
        assert duration == 50
    still = (FRAMES[0] == FRAMES[-1]).all(axis=-1)
    assert still.any()
    assert (found[0][0][still] == found[-1][0][still]).all()


def test_an_mp4_is_vp9_and_comes_near(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    path.write_bytes(video.mp4(FRAMES, 20.0))
    assert b"vp09" in path.read_bytes()
    film = cv2.VideoCapture(str(path))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(20)
    for frame in FRAMES:
        there, image = film.read()
        assert there
        assert cv2.PSNR(image[..., ::-1], frame) > 24
    assert not film.read()[0]


def test_durations_do_not_add_up_to_an_error() -> None:
    assert video.durations(6, 12.0, 10) == [80, 90, 80, 80, 90, 80]
    assert sum(video.durations(600, 24.0, 10)) == 25_000
    assert video.durations(3, 50.0, 10) == [20, 20, 20]
