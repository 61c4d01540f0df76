from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synfer_core.decibels import psnr
from synfer_core.provenance import watermark
from synfer_core.report import Pixels
from tests.provenance.pictures import faces, resized, sent_as


@pytest.fixture(scope="module")
def marked() -> tuple[Pixels, ...]:
    return tuple(watermark.embed(face, 100 + i) for i, face in enumerate(faces()))


def tags(images: list[Pixels]) -> list[int | None]:
    return [watermark.find(image).tag for image in images]


WHOLE = list(range(100, 108))


def test_the_mark_cannot_be_seen(marked: tuple[Pixels, ...]) -> None:
    for face, image in zip(faces(), marked, strict=True):
        assert psnr(face, image) > 47.5
        change = image.astype(int) - face
        assert abs(change).max() <= 10
        inside = (face.min(-1) > 10) & (face.max(-1) < 245)
        assert (np.ptp(change[inside], axis=-1) == 0).all(), "colours stay"


def test_the_mark_is_found_as_it_was_put(marked: tuple[Pixels, ...]) -> None:
    for index, image in enumerate(marked):
        found = watermark.find(image)
        assert (found.found, found.agreeing, found.tag) == (True, 48, 100 + index)
        assert found.chance < 1e-12


@pytest.mark.parametrize(
    ("kind", "quality"), [("JPEG", 90), ("JPEG", 75), ("JPEG", 60), ("WEBP", 80)]
)
def test_the_mark_survives_lossy_files(marked: tuple[Pixels, ...], kind: str, quality: int) -> None:
    assert tags([sent_as(image, kind, quality=quality) for image in marked]) == WHOLE


def test_the_mark_survives_half_the_size_and_the_way_back(marked: tuple[Pixels, ...]) -> None:
    halves = [resized(image, 64) for image in marked]
    assert tags(halves) == WHOLE
    assert tags([resized(half, 128) for half in halves]) == WHOLE


@pytest.mark.parametrize("contrast", [0.85, 1.15])
def test_the_mark_survives_another_brightness(marked: tuple[Pixels, ...], contrast: float) -> None:
    changed = [np.clip(np.rint(image * contrast), 0, 255).astype(np.uint8) for image in marked]
    assert tags(changed) == WHOLE


def test_the_mark_at_256_px_survives_jpeg_75() -> None:
    images = [watermark.embed(resized(face, 256), 7) for face in faces()]
    sent = [sent_as(image, "JPEG", quality=75) for image in images]
    assert tags(sent) == [7] * 8
    assert tags([resized(image, 128) for image in sent]) == [7] * 8


def test_a_cropped_picture_is_not_read_wrongly(marked: tuple[Pixels, ...]) -> None:
    cropped = [resized(image[12:116, 12:116], 128) for image in marked]
    assert tags(cropped) == [None] * 8


def test_unmarked_pictures_carry_no_mark() -> None:
    drawn = np.random.default_rng(0)
    noise = [drawn.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(200)]
    plain = [np.full((128, 128, 3), grey, np.uint8) for grey in (0, 128, 255)]
    counts = [watermark.find(image).agreeing for image in (*faces(), *noise, *plain)]
    assert max(counts) < watermark.ENOUGH
    assert 24 < np.mean(counts) < 31


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 64, 3), 128, np.uint8),
        np.full((128, 128, 3), 255, np.uint8),
        np.zeros((128, 128, 3), np.uint8),
        np.repeat(np.repeat(np.uint8([[[0], [255]]]), 128, 0), 64, 1).repeat(3, 2),
        np.random.default_rng(1).integers(0, 256, (96, 200, 3), np.uint8),
    ],
    ids=["grey", "white", "black", "halves", "oblong noise"],
)
def test_odd_pictures_can_be_marked(image: Pixels) -> None:
    marked = watermark.embed(image, 4095)
    assert psnr(image, marked) > 42
    assert watermark.find(marked).tag == 4095


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 4095), st.integers(0, 4095))
def test_a_second_mark_takes_the_place_of_the_first(first: int, second: int) -> None:
    twice = watermark.embed(watermark.embed(faces()[0], first), second)
    assert watermark.find(twice).tag == second


def test_equal_pictures_get_equal_marks_for_ever() -> None:
    ramp = (np.indices((64, 64)).sum(0) + 60).astype(np.uint8)
    image = np.stack([ramp, ramp[::-1], 255 - ramp], -1)
    marked = watermark.embed(image, 77)
    np.testing.assert_array_equal(marked, watermark.embed(image.copy(), 77))
    carriers = watermark.carriers_of_the_mark()
    drawn = hashlib.sha256(carriers.owners.astype("<i8").tobytes()).hexdigest()
    assert drawn.startswith("f3a1a1493cb03b52"), (
        "another draw would not read the marks of earlier versions"
    )


def test_small_pictures_do_not_fit() -> None:
    assert watermark.fits(np.zeros((64, 64, 3), np.uint8))
    assert not watermark.fits(np.zeros((63, 128, 3), np.uint8))
