"""Where on a frontal face an action unit acts, to compare attention maps with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.facekit.action_units import shape_weights
from synfer_core.facekit.camera import View, pose_points, view_of
from synfer_core.facekit.head import FACE, HEAD, MOUTH_LANDMARKS, HeadModel
from synfer_core.facekit.raster import rasterise
from synfer_core.facekit.scene import Camera, Pose
from synfer_core.facs import AU_SLOTS

Floats = NDArray[np.float32]
_LEAST = 0.08  # share of the largest movement that still counts as movement


def au_region(head: HeadModel, slot: str, size: int, *, person: Floats | None = None) -> Floats:
    """How far an AU at full intensity moves the skin, in the frontal picture of a face.

    A place counts by what moves away from it or what arrives there, whichever moved farther: an
    open mouth is where the lips were.

    Args:
        head: The mesh, `Renderer.head`.
        slot: One of `facs.AU_SLOTS`, such as ``AUL12``.
        size: Pixels on a side; the crop is that of calm scenes.
        person: A neutral person's vertices, `HeadModel.identity_points`; None is the mean face.

    Returns:
        0 (still) to 1 (moves most), float32 (size, size).

    Raises:
        RequestError: The slot is not known.
    """
    if slot not in AU_SLOTS:
        raise RequestError(f"{slot!r} is not known", field="slot", allowed=", ".join(AU_SLOTS))
    weights = shape_weights([float(name == slot) for name in AU_SLOTS])
    neutral = head.rest if person is None else person
    moved = head.deform(neutral, weights)
    travel = np.linalg.norm(moved - neutral, axis=1)
    view = _frontal_view(head, neutral, size)
    before, after = (_painted(head, travel, points, view, size) for points in (neutral, moved))
    picture = np.maximum(before, after)
    picture = picture / max(float(picture.max()), 1e-6)
    return np.where(picture > _LEAST, picture, 0).astype(np.float32)


def _painted(head: HeadModel, travel: Floats, points: Floats, view: View, size: int) -> Floats:
    """A value of each vertex (n,) on the skin in view, 0 elsewhere (size, size)."""
    skin = np.ascontiguousarray(head.triangles[np.isin(head.part, (FACE, HEAD))])
    depth = np.zeros((size, size), np.float32)
    owner = np.full((size, size), -1, np.int32)
    bary = np.zeros((size, size, 2), np.float32)
    screen = view.project(pose_points(points, view.turn))
    rasterise(screen, skin, True, depth, owner, bary)
    share = np.concatenate([1 - bary.sum(-1, keepdims=True), bary], -1)
    painted = np.where(owner >= 0, (travel[skin[owner]] * share).sum(-1), 0)
    return painted.astype(np.float32)


def _frontal_view(head: HeadModel, neutral: Floats, size: int) -> View:
    eyes = np.mean([neutral[vertices].mean(0) for vertices in head.eyes], axis=0)
    mouth = head.rest[head.landmarks[MOUTH_LANDMARKS]].mean(0)
    return view_of(Pose(), Camera(), eyes, mouth, size)
