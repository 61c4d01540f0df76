"""Where each pixel of a picture lies in another picture of the same person in the same scene.

The flow is that of what is seen: skin, eyes, brows, lashes and beard move with the mesh; hair and
spectacle frames in front of it stay, as does the background. It goes from the picture back to the
reference, as image warping takes it (`cv2.remap`, `torch.nn.functional.grid_sample`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.shading import Surface

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_HELD = 0.2
"""Share of a pixel from which hair or a frame in it keeps it in its place: frames are thin."""

_BEHIND_CM = 0.07
"""Centimetres by which a point may lie behind what the reference shows there and count as seen."""


@dataclass(frozen=True, eq=False)
class Flow:
    """A picture's flow to its reference.

    Attributes:
        offset: Pixels (S, S, 2) to add to x and y for the place in the reference.
        visible: (S, S) whether the reference shows what the picture shows there.
    """

    offset: Floats
    visible: Mask


@dataclass(frozen=True, eq=False)
class Layers:
    """What a picture shows where, at the size it is drawn at (H, H).

    Attributes:
        surface: The mesh.
        depth: Nearness of the mesh, one over centimetres from the camera.
        screen: Its vertices (n, 3) in pixels, and their nearness.
        still: Where hair or a frame covers it.
    """

    surface: Surface
    depth: Floats
    screen: Floats
    still: Mask


def flow_between(shown: Layers, reference: Layers, block: int) -> Flow:
    """The flow from one picture to another.

    Args:
        shown, reference: Both drawn `block` times as large as the flow is to be.
        block: Pixels on a side that are drawn for one.
    """
    owner = shown.surface.owner
    moving = (owner >= 0) & ~shown.still
    places = _places(shown.surface, reference.screen)
    rows, columns = np.mgrid[0 : len(owner), 0 : len(owner)].astype(np.float32)
    offset = places[..., :2] - np.stack([columns, rows], -1) - np.float32(0.5)
    seen = np.where(moving, _seen(places, reference), _alike(shown, reference))
    held = _share(shown.still, block) > _HELD
    mean = _mean(offset, moving, block) / np.float32(block)
    return Flow(np.where(held[..., None], np.float32(0), mean), _share(seen, block) >= 0.5)


def _places(surface: Surface, screen: Floats) -> Floats:
    """Where the mesh at each pixel lies on another screen (H, H, 3); no meaning off the mesh."""
    corners = surface.triangles[np.maximum(surface.owner, 0)]
    second, third = surface.bary[..., 0:1], surface.bary[..., 1:2]
    first = 1 - second - third
    parts = (screen[corners[..., k]] * w for k, w in enumerate((first, second, third)))
    return np.asarray(sum(parts), np.float32)


def _seen(places: Floats, reference: Layers) -> Mask:
    """Whether points are in front in the reference and inside its picture."""
    last = len(reference.depth) - 1
    x, y = (np.floor(places[..., k]).astype(np.int64) for k in (0, 1))
    inside = (x >= 0) & (y >= 0) & (x <= last) & (y <= last)
    x, y = np.clip(x, 0, last), np.clip(y, 0, last)
    nearness = reference.depth[y, x]
    front = places[..., 2] >= nearness - _BEHIND_CM * nearness**2
    return np.asarray(inside & front & ~reference.still[y, x])


def _alike(shown: Layers, reference: Layers) -> Mask:
    """Whether hair or background is there in both pictures."""
    empty = (shown.surface.owner < 0) & (reference.surface.owner < 0)
    return np.asarray((shown.still & reference.still) | (empty & ~reference.still))


def _mean(offset: Floats, moving: Mask, block: int) -> Floats:
    """Means (S, S, 2) over what moves in each block; zero where nothing does."""
    summed = _blocks(offset * moving[..., None], block).mean((1, 3))
    return np.asarray(summed / np.maximum(_share(moving, block), 1e-6)[..., None], np.float32)


def _share(mask: Mask, block: int) -> Floats:
    """Share of each block (S, S) that a mask covers."""
    return np.asarray(_blocks(mask.astype(np.float32), block).mean((1, 3)), np.float32)


def _blocks(values: Floats, block: int) -> Floats:
    """(H, H, ...) as (S, block, S, block, ...)."""
    side = len(values) // block
    return values.reshape(side, block, side, block, *values.shape[2:])
