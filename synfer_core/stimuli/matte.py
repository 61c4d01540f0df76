"""The outline of the person in an image before a smooth backdrop.

Difference keying: a smooth surface is fitted to the commonest colour at the sides of the
picture and to what is like it and joined to those edges; the rest is the person. It needs a
backdrop without pattern, as renders of the calm distribution and the model that learned from them
have, and hair of another colour than the backdrop's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synfer_core.errors import ImageError
from synfer_core.report import Pixels
from synfer_core.stimuli import masks

_EDGE, _DOWN_TO = 0.03, 0.95
_KEY = 7.0  # CIELAB units, about twice what noise and shading leave
# A head, as shares of the frame: away from it blotches of the backdrop are likelier than hair, and
# must differ more from the surface to count as the person.
_HEAD = (0.5, 0.5, 0.40, 0.62)
_FROM, _SLOPE = 0.8, 4.0
_ROUNDS = 8
_ASKED = 800
_SMOOTH = 0.02
_INWARD = 0.62  # above a half: the outline lies inside the blurred edge, without a fringe
_CORNER = 0.35  # pixels that a polygon may lie beside the edge
_LEAST_FACE, _MOST = 0.97, 0.97

Lab = NDArray[np.float32]
Mask = NDArray[np.bool_]


def outline(image: Pixels) -> tuple[tuple[float, float], ...]:
    """Corners (x, y) of the person's outline in an image (S, S, 3), as shares of the frame.

    Raises:
        ImageError: The background is not smooth enough, or too like the person.
    """
    lab: Lab = np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
    shown = _smooth(~_backdrop(lab, _edges(len(image))))
    _check(shown)
    found, _ = cv2.findContours(shown.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corners = cv2.approxPolyDP(max(found, key=cv2.contourArea), _CORNER, True)[:, 0]
    shares = (corners + 0.5) / len(image)
    # Pixels at the frame's edge reach to it.
    shares[corners == 0] = 0.0
    shares[corners == len(image) - 1] = 1.0
    return tuple((float(x), float(y)) for x, y in shares.round(4))


def _edges(size: int) -> Mask:
    """The left and right edge: there the backdrop shows beside the head."""
    edge = np.zeros((size, size), bool)
    width, down = max(2, round(size * _EDGE)), round(size * _DOWN_TO)
    edge[:down, :width] = edge[:down, -width:] = True
    return edge


def _terms(size: int) -> NDArray[np.float64]:
    """A slope in any direction and a vignette: more bends wildly where nothing holds it."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.stack([np.ones_like(x), x, y, x * x + y * y], axis=-1)


def _backdrop(lab: Lab, edge: Mask) -> Mask:
    """What is like the surface, which is fitted again and again to what is like it."""
    terms, key = _terms(len(lab)), _keys(len(lab))
    kept: Mask = edge & (np.linalg.norm(lab - _commonest(lab[edge]), axis=2) < 2 * _KEY)
    for _ in range(_ROUNDS):
        weights, *_ = np.linalg.lstsq(terms[kept], lab[kept], rcond=None)
        kept = _joined(np.linalg.norm(lab - terms @ weights, axis=2) < key, edge)
    return kept


def _keys(size: int) -> NDArray[np.float64]:
    """How unlike the surface a pixel may be and still count as the backdrop."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    middle_x, middle_y, half_width, half_height = _HEAD
    away = np.hypot((x - middle_x) / half_width, (y - middle_y) / half_height)
    keys: NDArray[np.float64] = _KEY * (1 + _SLOPE * np.clip(away - _FROM, 0, None))
    return keys


def _commonest(colours: Lab) -> Lab:
    """The colour with the most others near it; hair at the edge is of many colours."""
    some = colours[:: max(1, len(colours) // _ASKED)]
    near = np.linalg.norm(some[:, None] - some[None], axis=2) < _KEY
    found: Lab = some[near.sum(1).argmax()]
    return found


def _joined(like: Mask, edge: Mask) -> Mask:
    """Of the pixels like the backdrop, those joined to the edges."""
    labels, _ = ndimage.label(like)
    wanted = np.unique(labels[edge & like])
    joined: Mask = np.isin(labels, wanted[wanted > 0])
    return joined


def _smooth(shown: Mask) -> Mask:
    """One piece without holes, its edge smoothed."""
    size = len(shown)
    margin = round(4 * _SMOOTH * size)
    wide = np.pad(shown, margin, mode="edge").astype(np.float32)
    soft = cv2.GaussianBlur(wide, (0, 0), _SMOOTH * size)[margin:-margin, margin:-margin]
    labels, _ = ndimage.label(soft > _INWARD)
    filled: Mask = ndimage.binary_fill_holes(labels == labels[size // 2, size // 2])
    return filled


def _check(shown: Mask) -> None:
    face = masks.whole(masks.oval(len(shown)))
    if shown[face].mean() < _LEAST_FACE or shown.mean() > _MOST:
        raise ImageError(
            "the person cannot be told from the background",
            field="treatment.crop",
            allowed="a plain background (recipe.text: plain background), or crop: oval",
        )
