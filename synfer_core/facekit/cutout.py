"""A person without a background: how much of each pixel they cover, and the picture on a colour.

Strands blend into the picture by how much of a pixel they cover. The same covers, drawn over a
plane of ones, leave there what still shows through; what was drawn over black is the person alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.identity import RGB
from synfer_core.facekit.scene import COLOUR, CUT_OUT, Background

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
WHITE: RGB = (1.0, 1.0, 1.0)
_LEAST = np.float32(1e-4)  # cover that a colour can be told from


def is_cut_out(background: Background) -> bool:
    """Whether the person is drawn apart from this background."""
    return background.kind in CUT_OUT


def behind(background: Background) -> RGB:
    """The colour, sRGB 0-1, behind a person who is cut out."""
    return background.first if background.kind == COLOUR else WHITE


def separated(picture: Floats, clear: Floats, size: int) -> tuple[Floats, Floats]:
    """The person's own colours, and what they cover.

    Samples that show mostly background are given the colour of the pixel's others, so that
    averaging them takes in no background.

    Args:
        picture: Linear RGB (S, S, 3), drawn over black.
        clear: How much of the background shows through, 0-1 (S, S).
        size: Pixels on a side of the result, a part of S.

    Returns:
        Linear RGB (S, S, 3), and coverage 0-1 (size, size).
    """
    block, cover = len(clear) // size, 1 - clear
    sums = _blocks(cover, block).sum(axis=(1, 3))
    mean = _blocks(picture, block).sum(axis=(1, 3)) / np.maximum(sums, _LEAST)[..., None]
    own = np.asarray(picture / np.maximum(cover, _LEAST)[..., None], np.float32)
    np.copyto(own, mean.repeat(block, 0).repeat(block, 1), where=(cover < 0.5)[..., None])
    return own, np.asarray(sums / (block * block), np.float32)


def _blocks(plane: Floats, block: int) -> Floats:
    size = len(plane) // block
    return plane.reshape(size, block, size, block, *plane.shape[2:])


def put_on(image: Pixels, cover: Floats, colour: RGB) -> Pixels:
    """An image (H, W, 3) by its cover (H, W) over a colour (sRGB 0-1), exact where it has none."""
    share = cover[..., None].astype(np.float64)
    mixed = image * share + np.array(colour) * 255 * (1 - share)
    return np.asarray(np.rint(mixed), np.uint8)


def alpha_of(cover: Floats) -> Pixels:
    """Coverage 0-1 as alpha (H, W) uint8."""
    return np.asarray(np.rint(np.clip(cover, 0, 1) * 255), np.uint8)
