from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from synfer_core.data import duplicates
from synfer_core.data.duplicates import BITS, distance, find, perceptual_hash
from tests.stimuli.drawn import face


def flipped(text: str, *bits: int) -> str:
    """The hash with some bits turned."""
    return f"{int(text, 16) ^ sum(1 << bit for bit in bits):064x}"


@pytest.fixture(scope="module")
def hashes() -> dict[int, str]:
    rng = np.random.default_rng(0)
    return {int(n): rng.bytes(32).hex() for n in rng.permutation(500)}


@pytest.mark.parametrize("most", [0, 3, 8, 40])
def test_near_ones_are_found_as_by_comparing_all(hashes: dict[int, str], most: int) -> None:
    many = dict(hashes)
    for n in range(30):
        many[600 + n] = flipped(hashes[n], *range(n % 12))
    slow: dict[int, int] = {}
    for second in sorted(many):
        for first in sorted(many):
            near = first < second and first not in slow
            if near and distance(many[first], many[second]) <= most:
                slow[second] = first
                break
    assert find(many, most) == slow
    assert slow
    assert find(dict(reversed(many.items())), most) == slow


def test_a_chain_goes_link_by_link(hashes: dict[int, str]) -> None:
    """The third is like the second, which is gone, but not like the first, which stays."""
    second = flipped(hashes[0], 0, 1, 2)
    chain = {0: hashes[0], 1: second, 2: flipped(second, 3, 4, 5)}
    assert find(chain, 4) == {1: 0}


def test_off_or_alone_finds_none(hashes: dict[int, str]) -> None:
    assert find({0: hashes[0], 1: hashes[0]}, None) == {}
    assert find({0: hashes[0]}, 8) == {}
    assert find({}, 8) == {}


def test_a_hash_knows_a_picture_again() -> None:
    image = np.asarray(Image.fromarray(face(3, 2)).resize((128, 128), Image.Resampling.BICUBIC))
    code = perceptual_hash(image)
    assert len(code) * 4 == BITS
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95)
    compressed = np.asarray(Image.open(buffer))
    brighter = np.clip(image.astype(int) + 12, 0, 255).astype(np.uint8)
    assert distance(code, perceptual_hash(brighter)) <= 8
    assert distance(code, perceptual_hash(compressed)) <= 24
    assert distance(code, perceptual_hash(image[:, ::-1])) > 24
    assert duplicates.find({0: code, 1: code}, 0) == {1: 0}
