"""A small label that people can see, in the bottom right corner of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

_SHARE = 13
"""The letters' size is this part of the image's shorter side."""
_LEAST = 9
"""Pixels below which letters run together."""
_PLATE = (0, 0, 0, 170)


def draw(image: Pixels, words: str) -> Pixels:
    """The image with words on a dark plate; the same input gives the same output.

    Args:
        image: (H, W, 3) uint8.
        words: One short line.

    Returns:
        (H, W, 3) uint8.
    """
    plate = _plate(image.shape[:2], words)
    picture = Image.fromarray(image).convert("RGBA")
    picture.alpha_composite(plate, _corner(image.shape[:2], plate))
    return np.array(picture.convert("RGB"))


def covers(shape: tuple[int, ...], words: str) -> NDArray[np.bool_]:
    """Where the plate of these words lies in an image of that height and width (H, W)."""
    left, top = _corner(shape, _plate(shape, words))
    inside = np.zeros(shape, bool)
    inside[top:, left:] = True
    return inside


def _corner(shape: tuple[int, ...], plate: Image.Image) -> tuple[int, int]:
    height, width = shape
    return max(0, width - plate.width), max(0, height - plate.height)


def _plate(shape: tuple[int, ...], words: str) -> Image.Image:
    height, width = shape
    size = max(_LEAST, round(min(height, width) / _SHARE))
    font, pad = ImageFont.load_default(size), max(2, size // 4)
    _, top, right, bottom = font.getbbox(words)
    plate = Image.new("RGBA", (round(right) + 2 * pad, round(bottom - top) + 2 * pad), _PLATE)
    ImageDraw.Draw(plate).text((pad, pad - top), words, "white", font)
    return plate
