"""Where things are in the picture: head pose, gaze and projection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.jit import jit
from synfer_core.facekit.scene import EYE_PLACES, Camera, Pose, Scene

Floats = NDArray[np.float32]

_PIVOT = (0.0, -5.0, -1.0)
_NECK_LOW, _NECK_SPAN = -15.5, 7.5  # below it the bust stays, above it the head turns
_REST_PITCH = -6.5  # degrees by which the model's neutral head is tipped back
_DIVERGENCE = 0.035  # the pupil's axis points outwards of the line of sight (angle kappa)
REST_ELEVATION = 6.5
"""Degrees by which eyes look up in the model's head when a head held straight looks ahead."""


def rotation(pose: Pose) -> Floats:
    """Matrix (3, 3) of a head pose: roll, then pitch, then yaw.

    At pose 0 the head is held as for a passport photo: the model's own neutral head is tipped back
    and shows its nostrils.
    """
    yaw, pitch, roll = np.deg2rad([pose.yaw, -pose.pitch - _REST_PITCH, pose.roll])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    about_z = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    return np.asarray(about_z @ about_x @ about_y, np.float32)


@dataclass(frozen=True, eq=False)
class View:
    """A posed head in front of a camera.

    Attributes:
        turn: Rotation of the head (3, 3).
        scale: Pixels a centimetre at the face.
        distance: Camera's distance, cm.
        centre: Pixel of the point that the camera faces.
        size: Pixels on a side.
        height: Height of the camera, cm.
    """

    turn: Floats
    scale: float
    distance: float
    centre: tuple[float, float]
    size: int
    height: float = 0.0

    def pose(self, points: Floats) -> Floats:
        """Points (..., 3) turned with the head; the neck bends, the bust stays."""
        return pose_points(points, self.turn)

    def project(self, points: Floats) -> Floats:
        """Screen points (..., 3): x, y in pixels and nearness 1 / distance."""
        out = np.empty((points.size // 3, 3), np.float32)
        focal = self.distance * self.scale
        flat = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
        _project(flat, self.distance, focal, self.centre[0], self.centre[1], self.height, out)
        return out.reshape(points.shape)


def pose_points(points: Floats, turn: Floats) -> Floats:
    """Points (..., 3) turned about the neck, less and less towards the bust."""
    out = np.empty((points.size // 3, 3), np.float32)
    _pose(np.ascontiguousarray(points, np.float32).reshape(-1, 3), turn, out)
    return out.reshape(points.shape)


@jit
def _pose(points: Any, turn: Any, out: Any) -> None:
    px, py, pz = np.float32(_PIVOT[0]), np.float32(_PIVOT[1]), np.float32(_PIVOT[2])
    for i in range(points.shape[0]):
        share = (points[i, 1] - np.float32(_NECK_LOW)) * np.float32(1 / _NECK_SPAN)
        share = min(max(share, np.float32(0)), np.float32(1))
        share = share * share * (3.0 - 2.0 * share)
        x, y, z = points[i, 0] - px, points[i, 1] - py, points[i, 2] - pz
        for k in range(3):
            moved = turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z
            still = x if k == 0 else y if k == 1 else z
            out[i, k] = points[i, k] + share * (moved - still)


@jit
def _project(points: Any, distance: Any, focal: Any, x: Any, y: Any, height: Any, out: Any) -> None:
    d, f, cx, cy = np.float32(distance), np.float32(focal), np.float32(x), np.float32(y)
    up = np.float32(height)
    for i in range(points.shape[0]):
        nearness = 1.0 / (d - points[i, 2])
        out[i, 0] = cx + points[i, 0] * nearness * f
        out[i, 1] = cy - (points[i, 1] - up) * nearness * f
        out[i, 2] = nearness


def view_of(
    pose: Pose,
    camera: Camera,
    eyes: Floats,
    mouth: Floats,
    size: int,
    corners: Floats | None = None,
) -> View:
    """The view of a posed head by a camera at the height of its eyes, framed on eyes and mouth.

    Args:
        eyes: Middle between the person's eyes, unposed (3,).
        mouth: Middle of the neutral mouth, unposed (3,), so that framing ignores the expression.
        size: Pixels on a side of the buffers drawn into.
        corners: Middles between the corners of the neutral eyes, unposed (2, 3), left in the
            picture first, for a camera that frames by the eyes.
    """
    turn = rotation(pose)
    scale = size / 2 / camera.half_width
    posed = pose_points(np.stack([eyes, mouth]), turn)
    origin = View(turn, scale, camera.distance, (0.0, 0.0), size, float(posed[0, 1]))
    if camera.on_eyes and corners is not None:
        return _on_eyes(origin, origin.pose(corners))
    eye, lip = origin.project(posed)
    x = size / 2 - (eye[0] * 0.6 + lip[0] * 0.4) + camera.shift[0] * scale
    y = size * camera.face_y - (eye[1] + lip[1]) / 2 + camera.shift[1] * scale
    return replace(origin, centre=(float(x), float(y)))


def _on_eyes(origin: View, eyes: Floats) -> View:
    """The view with posed eyes (2, 3) as far apart as `EYE_PLACES`, and their middle there."""
    wanted = origin.size * np.array(EYE_PLACES)
    seen = origin.project(eyes)[:, :2]
    apart = np.hypot(*(wanted[1] - wanted[0])) / np.hypot(*(seen[1] - seen[0]))
    nearer = replace(origin, scale=float(origin.scale * apart))
    x, y = wanted.mean(0) - nearer.project(eyes)[:, :2].mean(0)
    return replace(nearer, centre=(float(x), float(y)))


@dataclass(frozen=True, eq=False)
class Gaze:
    """Unit look directions (left, right) in the world, and elevation in the head, degrees, which
    the lids follow: 0 for a head held straight that looks ahead."""

    directions: Floats
    elevation: float


def gaze_of(scene: Scene, turn: Floats, eyes: Floats) -> Gaze:
    """Eyes look at the gaze target, or as they are held, whichever way the head points.

    At (0, 0) they look into the camera.

    Args:
        eyes: Middle between the person's eyes, unposed (3,).
    """
    x, y = np.sin(np.deg2rad(scene.gaze))
    ahead = np.array([x, y, 1.0])
    ahead /= np.linalg.norm(ahead)
    if scene.held_gaze != (None, None):
        ahead = _held(scene, ahead, pose_points(eyes, turn))
    elevation = float(np.rad2deg(np.arcsin((turn.T @ ahead)[1]))) - REST_ELEVATION
    both = np.stack([ahead, ahead])
    both[:, 0] += (_DIVERGENCE, -_DIVERGENCE)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    return Gaze(both.astype(np.float32), elevation)


def _held(scene: Scene, drawn: NDArray[Any], eyes: Floats) -> NDArray[np.float64]:
    """The drawn direction with the angles that are held against the line to the camera."""
    to_camera = np.array([0.0, eyes[1], scene.camera.distance]) - eyes
    angles = zip(scene.held_gaze, _angles(to_camera), _angles(drawn), strict=True)
    yaw, pitch = (own if held is None else line + np.deg2rad(held) for held, line, own in angles)
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])


def _angles(direction: NDArray[Any]) -> tuple[float, float]:
    """Yaw and pitch of a direction, radians."""
    x, y, z = direction
    return float(np.arctan2(x, z)), float(np.arctan2(y, np.hypot(x, z)))
