from __future__ import annotations

import cv2
import numpy as np
import pytest

from synfer_core.decibels import MOST, psnr
from synfer_core.errors import RequestError
from synfer_core.evaluation import nearness
from synfer_core.evaluation.nearness import REGIONS, ms_ssim, regions, warped
from synfer_core.evaluation.photo_reader import PhotoReader
from synfer_core.facekit.scene import eye_centres
from tests.faces.photo import portrait

RNG = np.random.default_rng(4)
SIZE = 128


def points() -> np.ndarray:  # type: ignore[type-arg]
    """68 points of a plain face of 128 pixels."""
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    jaw = np.stack([np.linspace(24, 104, 17), 60 + 55 * np.sin(np.linspace(0, np.pi, 17))], 1)
    brows = [np.stack([np.linspace(a, a + 22, 5), np.full(5, 42.0)], 1) for a in (32, 74)]
    nose = np.stack([np.full(9, 64.0), np.linspace(50, 78, 9)], 1)
    eyes = [np.stack([x + 8 * np.cos(turn[::2]), 52 + 3 * np.sin(turn[::2])], 1) for x in (43, 85)]
    mouth = np.stack([64 + 16 * np.cos(turn), 95 + 5 * np.sin(turn)], 1)
    inner = np.stack([64 + 10 * np.cos(turn[:8]), 95 + 2 * np.sin(turn[:8])], 1)
    return np.concatenate([jaw, *brows, nose, *eyes, mouth, inner]).astype(np.float32)


def photo() -> np.ndarray:  # type: ignore[type-arg]
    return portrait(SIZE, "neutral")


def test_regions_lie_where_the_points_are() -> None:
    found = regions(points(), SIZE)
    assert tuple(found) == REGIONS
    face, mouth, eyes = found.values()
    assert mouth[95, 64]
    assert not mouth[52, 43]
    assert eyes[52, 43]
    assert eyes[42, 64]
    assert not eyes[95, 64]
    assert (face & mouth).sum() > 0.95 * mouth.sum()
    assert face[35, 64]
    assert not face[5, 5]
    assert 0.03 < mouth.mean() < 0.15
    assert 0.25 < face.mean() < 0.6


def test_regions_grow_with_the_picture() -> None:
    small, large = regions(points(), SIZE), regions(2 * points(), 2 * SIZE)
    for name in REGIONS:
        assert large[name].mean() == pytest.approx(small[name].mean(), rel=0.08)


def test_either_holds_the_part_of_both_pictures() -> None:
    moved = points()
    moved[48:, 1] += 12
    both = nearness.either(regions(points(), SIZE), regions(moved, SIZE))
    assert both["mouth"][88, 64]
    assert both["mouth"][115, 64]


def test_noise_of_a_known_size_has_its_ratio() -> None:
    flat = np.full((32, 32, 3), 100, np.uint8)
    other = flat + np.uint8(5)
    assert psnr(flat, other) == pytest.approx(10 * np.log10(255**2 / 25))
    assert psnr(flat, flat) == MOST
    where = np.zeros((32, 32), bool)
    where[:4] = True
    other[4:] = 0
    assert psnr(flat, other, where) == pytest.approx(10 * np.log10(255**2 / 25))


def test_similarity_falls_with_blur_and_noise_and_forgives_a_little_light() -> None:
    face = photo()
    assert ms_ssim(face, face) == pytest.approx(1)
    noise = RNG.normal(0, 20, face.shape)
    noisy = np.clip(face + noise, 0, 255).astype(np.uint8)
    lit = np.clip(face.astype(int) + 6, 0, 255).astype(np.uint8)
    blurred, more = (cv2.GaussianBlur(face, (0, 0), s) for s in (1.5, 3))
    assert ms_ssim(face, lit) > 0.98
    assert ms_ssim(face, noisy) < 0.95
    assert ms_ssim(face, more) < ms_ssim(face, blurred) < 0.98
    assert ms_ssim(face, blurred) == pytest.approx(ms_ssim(blurred, face))


def test_similarity_of_one_scale_is_the_plain_index() -> None:
    a = RNG.integers(0, 256, (16, 16, 3), np.uint8)
    b = np.clip(a + RNG.normal(0, 15, a.shape), 0, 255).astype(np.uint8)
    ramp = np.arange(11) - 5
    kernel = np.exp(-(ramp**2) / (2 * 1.5**2))
    window = np.outer(kernel, kernel) / kernel.sum() ** 2
    values = []
    for c in range(3):
        for y in range(6):
            for x in range(6):
                p, q = (i[y : y + 11, x : x + 11, c].astype(float) for i in (a, b))
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
                pq = (window * p * q).sum() - mp * mq
                light = (2 * mp * mq + 6.5025) / (mp**2 + mq**2 + 6.5025)
                values.append(light * (2 * pq + 58.5225) / (vp + vq + 58.5225))
    assert ms_ssim(a, b) == pytest.approx(np.mean(values), abs=1e-6)


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    face = photo()
    with pytest.raises(RequestError, match="another size"):
        psnr(face, face[:64])
    with pytest.raises(RequestError, match="no pixel"):
        psnr(face, face, np.zeros((SIZE, SIZE), bool))
    with pytest.raises(RequestError, match="too small"):
        ms_ssim(face[:8, :8], face[:8, :8])


def test_a_flow_moves_the_reference() -> None:
    face = photo()
    offset = np.zeros((SIZE, SIZE, 2), np.float32)
    offset[..., 0] = 3
    np.testing.assert_array_equal(warped(face, offset)[:, :-3], face[:, 3:])


def test_all_measures_of_a_picture_beside_itself_and_beside_a_blurred_one() -> None:
    face, reader = photo(), PhotoReader.load()
    where, eyes = regions(points(), SIZE), eye_centres(points())
    blurred = cv2.GaussianBlur(face, (0, 0), 2)
    same = nearness.measures(face, face, where, eyes, reader.distance)
    worse = nearness.measures(blurred, face, where, eyes, reader.distance)
    assert list(same) == [*REGIONS, "ms-ssim", "photo features"]
    assert same["photo features"] == 0 < worse["photo features"] < 2
    assert all(worse[name] < same[name] for name in (*REGIONS, "ms-ssim"))
