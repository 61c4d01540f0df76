"""A watermark that cannot be seen: 72 bits in the middle frequencies of the brightness.

Spread transform dither modulation: Chen and Wornell, *Quantization index modulation*, IEEE Trans.
Information Theory 47 (2001), https://doi.org/10.1109/18.923725. The brightness, brought to 128 x
128, is looked at through 72 carriers, each the sum of some cosine waves with fixed signs. A bit is
whether a carrier's sum lies in the upper or the lower half of a step; the mark moves it to the
middle of the nearest half that fits, so the picture itself is no noise to its mark. 48 bits say
"SynFER Studio"; 24 hold a 12-bit tag in a Golay code.

The reader tries several contrasts, since steps of a brighter picture are wider. It finds no mark in
a picture that was cropped or turned: the waves lie elsewhere there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter, minimum_filter

from synfer_core.provenance import golay

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]
Sums = NDArray[np.float64]

NAME = "stdm-1"
"""What metadata calls this mark; another number where its bits would be read otherwise."""
SIDE = 128
"""The carriers' own size: an image is brought to it before they look, so that scaling is undone."""
SMALLEST = 64
"""Pixels on a side from which on an image can hold the mark."""
BAND = (14, 40)
"""Radii of the carriers' waves, in half periods a side: slow enough for half the size at 128 px,
quick enough not to show as blotches."""
IDENTIFIER_BITS = 48
TAG_BITS = golay.DATA_BITS
BITS = IDENTIFIER_BITS + golay.CODE_BITS
STEP = 40.0
"""Of the carriers' sums, in grey levels times 128 / 2. A bit falls at a quarter of it; JPEG 75
moves a sum by about 2 at 128 px (standard deviation), WebP 80 by 3 to 4."""
CONTRASTS = np.geomspace(0.8, 1.25, 15)
"""What the reader multiplies sums by; 1 is among them."""
ENOUGH = 42
"""Identifier bits of 48 that must agree. Chance gives so many once in 1.3 million images."""

_KEY = b"SynFER Studio watermark 1"
_ROUNDS = 4
"""Of moving the image and looking again: rounding and clipping take back some of it."""
_SLOPE = 0.5
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Finding:
    """What was read off an image.

    Attributes:
        found: Whether the image carries the mark.
        agreeing: Bits of 48 that agree with the identifier; an unmarked image has about 27, the
            best of 15 looks.
        chance: How often an unmarked image would agree so well.
        tag: The 12 bits of the mark, 0 to 4095; None where it was not found.
    """

    found: bool
    agreeing: int
    chance: float
    tag: int | None = None


@dataclass(frozen=True)
class Carriers:
    """What the image is looked at through; no two carriers share a wave.

    Attributes:
        places: (W,) places of the waves in the flat 128 x 128 cosine spectrum.
        owners: (W,) the carrier of each wave, 0 to 71.
        strengths: (W,) what it counts there; each carrier's squares sum to 1.
    """

    places: NDArray[np.int64]
    owners: NDArray[np.int64]
    strengths: Plane

    def sums(self, image: Pixels) -> Sums:
        """(72,) of an image (H, W, 3)."""
        spectrum = dctn(_resize(image @ _LUMA, (SIDE, SIDE)), norm="ortho").ravel()
        sums: Sums = np.zeros(BITS)
        np.add.at(sums, self.owners, spectrum[self.places] * self.strengths)
        return sums

    def plane(self, amounts: Sums) -> Plane:
        """(128, 128) with these sums (72,)."""
        spectrum = np.zeros(SIDE * SIDE)
        spectrum[self.places] = amounts[self.owners] * self.strengths
        plane: Plane = idctn(spectrum.reshape(SIDE, SIDE), norm="ortho")
        return plane


def fits(image: Pixels) -> bool:
    """Whether an image (H, W, 3) is large enough for the mark."""
    return bool(min(image.shape[:2]) >= SMALLEST)


def embed(image: Pixels, tag: int) -> Pixels:
    """The image with the mark in its pixels; the same input gives the same output.

    Args:
        image: (H, W, 3) uint8, 64 pixels a side or more (see `fits`).
        tag: 0 to 4095.

    Returns:
        (H, W, 3) uint8; the three colours of a pixel move by the same amount.
    """
    carriers, shape = carriers_of_the_mark(), image.shape[:2]
    weights = _weights(image)
    gain = _resize(weights, (SIDE, SIDE)).mean()
    sums = carriers.sums(image)
    wanted = _wanted(sums, tag)
    change, marked = np.zeros(shape), image
    for _ in range(_ROUNDS):
        change += weights * _resize(carriers.plane((wanted - sums) / gain), shape)
        marked = np.clip(np.rint(image + change[..., None]), 0, 255).astype(np.uint8)
        sums = carriers.sums(marked)
    return marked


def find(image: Pixels) -> Finding:
    """Look for the mark.

    Args:
        image: (H, W, 3) uint8, at any size.
    """
    looks = np.sin(2 * np.pi / STEP * np.outer(CONTRASTS, carriers_of_the_mark().sums(image)))
    agreeing = ((looks[:, :IDENTIFIER_BITS] > 0) == (_identifier() > 0)).sum(1)
    best = int(agreeing.argmax())
    count = int(agreeing[best])
    if count < ENOUGH:
        return Finding(False, count, _chance(count))
    return Finding(True, count, _chance(count), golay.decode(looks[best, IDENTIFIER_BITS:]))


def _wanted(sums: Sums, tag: int) -> Sums:
    """The nearest sums that say identifier and tag."""
    middles = np.concatenate([_identifier(), golay.encode(tag)]) * STEP / 4
    wanted: Sums = middles + STEP * np.rint((sums - middles) / STEP)
    return wanted


def _chance(agreeing: int) -> float:
    """Chance that so many fair coins of 48 or more fall as wanted, in one of all looks."""
    ways = sum(comb(IDENTIFIER_BITS, k) for k in range(agreeing, IDENTIFIER_BITS + 1))
    return min(1.0, CONTRASTS.size * ways / 2.0**IDENTIFIER_BITS)


@cache
def _identifier() -> NDArray[np.int8]:
    """(48,) +1 or -1."""
    drawn = np.frombuffer(_stream(b"identifier", IDENTIFIER_BITS), np.uint8)
    return np.where(drawn & 1, 1, -1).astype(np.int8)


@cache
def carriers_of_the_mark() -> Carriers:
    """The carriers; waves are dealt out to them by chance, the same for ever."""
    radius = np.hypot(*np.indices((SIDE, SIDE))).ravel()
    places = np.flatnonzero((radius >= BAND[0]) & (radius < BAND[1]))
    drawn = np.frombuffer(_stream(b"carriers", 8 * len(places)), "<u8")
    owners = np.argsort(np.argsort(drawn)) % BITS
    # Images hold less in quick waves than in slow ones: weighed so, all waves disturb alike.
    strengths = np.where(drawn & 1, 1, -1) * radius[places] ** _SLOPE
    length = np.sqrt(np.bincount(owners, strengths**2))
    return Carriers(places, owners, strengths / length[owners])


def _stream(name: bytes, count: int) -> bytes:
    """Fixed random bytes; unlike a library's generator, they never change with its version."""
    return hashlib.shake_256(_KEY + b"/" + name).digest(count)


def _weights(image: Pixels) -> Plane:
    """(H, W) how much each pixel may move: more where all around is busy, less where it is plain.

    Pixels near black or white have no room to move and would lose what they are given.
    """
    luma = image @ _LUMA
    blur = max(image.shape[0] / SIDE, 0.5) * 1.5
    busy = np.sqrt(gaussian_filter((luma - gaussian_filter(luma, blur)) ** 2, blur))
    # The plain side of an edge is as plain as its calmest neighbour.
    calm = gaussian_filter(minimum_filter(busy, 2 * round(blur) + 1), blur / 2)
    room = np.clip(np.minimum(image.min(-1) + 1.0, 256.0 - image.max(-1)) / 8.0, 0.05, 1.0)
    weights: Plane = np.clip(0.4 + calm / 8.0, 0.4, 2.0) * room
    return weights


def _resize(plane: Plane, shape: tuple[int, ...]) -> Plane:
    if plane.shape == shape:
        return plane
    size = (shape[1], shape[0])
    small = Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small, np.float64)
