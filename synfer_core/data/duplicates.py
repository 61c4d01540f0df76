"""Near-duplicates: images whose perceptual hashes hardly differ; the first by number stays.

The hash is pHash (Zauner 2010, https://www.phash.org/docs/pubs/thesis_zauner.pdf) at 256 bits: the
signs, against their median, of the 16 x 16 lowest frequencies of the luminance at 64 x 64 pixels.
Which samples go is a function of all hashes alone, found in a pass of its own when all images are
made, so that it doesn't matter who made which when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

BITS = 256
_SIDE, _KEPT = 64, 16
_WORDS = BITS // 64

Hashes = NDArray[np.uint64]


def perceptual_hash(image: NDArray[np.uint8]) -> str:
    """The hash of an image (H, W, 3), as 64 hexadecimal digits."""
    small = Image.fromarray(image).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    waves = dctn(np.asarray(small, np.float64), norm="ortho")[:_KEPT, :_KEPT].ravel()
    waves[0] = 0.0  # the mean: brightness is no difference
    return np.packbits(waves > np.median(waves)).tobytes().hex()


def distance(one: str, other: str) -> int:
    """Bits in which two hashes differ, 0 to 256."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def find(hashes: Mapping[int, str], most: int | None) -> dict[int, int]:
    """By duplicate, the sample it is like: the first by number that stays.

    Args:
        hashes: By sample.
        most: Bits by which duplicates differ at most; None finds none.
    """
    if most is None or len(hashes) < 2:
        return {}
    numbers = np.array(sorted(hashes), np.int64)
    packed = np.stack([_packed(hashes[int(n)]) for n in numbers])
    like: dict[int, int] = {}
    for first, second in sorted(set(_near(packed, most))):
        if second not in like and first not in like:
            like[second] = first
    return {int(numbers[second]): int(numbers[first]) for second, first in like.items()}


def _packed(text: str) -> Hashes:
    return np.frombuffer(bytes.fromhex(text), np.uint64)


def _near(packed: Hashes, most: int) -> Iterator[tuple[int, int]]:
    """Pairs (the lower first) that differ in at most so many bits.

    Of `most` + 1 bands of bits such a pair has one in common, so only rows that share a band are
    compared.
    """
    bits = np.unpackbits(packed.view(np.uint8), axis=1)
    for band in np.array_split(np.arange(BITS), most + 1):
        keys = np.packbits(bits[:, band], axis=1)
        _, key = np.unique(keys, axis=0, return_inverse=True)
        order = np.argsort(key, kind="stable")
        for one, other in _sharing(key[order]):
            a, b = order[one], order[other]
            differ = np.bitwise_count(packed[a] ^ packed[b]).sum(axis=1)
            near = differ <= most
            yield from zip(a[near].tolist(), b[near].tolist(), strict=True)


def _sharing(key: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of equal keys in a sorted list, as pairs: neighbours, then every second, and so on."""
    for step in range(1, len(key)):
        same = np.flatnonzero(key[step:] == key[:-step])
        if not len(same):
            return
        yield same, same + step
