"""Where each pixel of a picture lies in another picture of the same person in the same scene.

The flow is that of what is seen: skin, eyes, brows, lashes and beard move with the mesh; hair and
spectacle frames in front of it stay, as does the background. It goes from the picture back to the
reference, as image warping takes it (`cv2.remap`, `torch.nn.functional.grid_sample`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.jit import jit
from synfer_core.facekit.shading import Surface

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_HELD = np.float32(0.2)
"""Share of a pixel from which hair or a frame in it keeps it in its place: frames are thin."""

_BEHIND_CM = np.float32(0.07)
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
    side = len(shown.depth) // block
    surface = shown.surface
    offset = np.zeros((side, side, 2), np.float32)
    visible = np.zeros((side, side), np.bool_)
    _trace(
        *(surface.owner, surface.bary, surface.triangles, shown.still),
        *(reference.screen, reference.depth, reference.surface.owner, reference.still),
        *(block, offset, visible),
    )
    return Flow(offset, visible)


@jit
def _trace(
    owner: Any,
    bary: Any,
    triangles: Any,
    still: Any,
    screen: Any,
    depth: Any,
    owner_there: Any,
    still_there: Any,
    block: int,
    offset: Any,
    visible: Any,
) -> None:
    """Fill `offset` and `visible` block by block."""
    area, half = np.float32(block * block), np.float32(0.5)
    for row in range(len(offset)):
        for column in range(len(offset)):
            held = moving = seen = 0
            dx = dy = np.float32(0)
            for y in range(row * block, (row + 1) * block):
                for x in range(column * block, (column + 1) * block):
                    if still[y, x] or owner[y, x] < 0:
                        held += still[y, x]
                        seen += _alike(y, x, still[y, x], owner_there, still_there)
                        continue
                    u, v, nearness = _place(triangles, owner[y, x], bary, y, x, screen)
                    dx += u - np.float32(x) - half
                    dy += v - np.float32(y) - half
                    moving += 1
                    seen += _in_front(u, v, nearness, depth, still_there)
            visible[row, column] = np.float32(seen) >= half * area
            if moving > 0 and np.float32(held) <= _HELD * area:
                share = 1 / np.float32(moving * block)
                offset[row, column, 0], offset[row, column, 1] = dx * share, dy * share


@jit
def _place(triangles: Any, owner: Any, bary: Any, y: Any, x: Any, screen: Any) -> Any:
    """Where a point of a triangle lies on another screen, and its nearness there."""
    a, b, c = triangles[owner, 0], triangles[owner, 1], triangles[owner, 2]
    second, third = bary[y, x, 0], bary[y, x, 1]
    first = np.float32(1) - second - third
    return (
        screen[a, 0] * first + screen[b, 0] * second + screen[c, 0] * third,
        screen[a, 1] * first + screen[b, 1] * second + screen[c, 1] * third,
        screen[a, 2] * first + screen[b, 2] * second + screen[c, 2] * third,
    )


@jit
def _in_front(u: float, v: float, nearness: float, depth: Any, still: Any) -> bool:
    """Whether a point is in front in the reference and inside its picture."""
    if u < 0 or v < 0:
        return False
    x, y = int(u), int(v)
    if x >= len(depth) or y >= len(depth):
        return False
    front = depth[y, x]
    return nearness >= front - _BEHIND_CM * front * front and not still[y, x]


@jit
def _alike(y: int, x: int, still: bool, owner_there: Any, still_there: Any) -> bool:
    """Whether hair, or background, is there in both pictures."""
    if still:
        return bool(still_there[y, x])
    return owner_there[y, x] < 0 and not still_there[y, x]
