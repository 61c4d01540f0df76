"""Lids that close over a person's own eyeballs and meet along their whole length.

The blink shapes move each vertex on a straight line that fits the mean face. On others the lid cuts
through the eyeball, where the cornea stands out most, and leaves a slit towards the nose. `Lids` is
what everyone shares; `FittedLids` adds what a person's eyeballs and openings ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.camera import REST_ELEVATION
from synfer_core.facekit.head import FACE, HeadModel
from synfer_core.facekit.jit import jit
from synfer_core.facekit.raster import rasterise

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

SIDES = ("_L", "_R")
"""Ends of the names of the shapes of each eye, in the order of `HeadModel.eyes`."""

_SKIN = 0.1  # cm of a lid that an eyeball may not enter
_SOFT = (
    0.05  # cm to either side of that height over which a lid gives way, so that it has no crease
)
_REACH = 0.6  # cm above the eyeball of the mean face up to which skin counts as lid
_LEAST_BLINK = 0.02  # cm that the blink moves what counts as lid
_FULL_FROM = 0.25  # share of a blink from which a lid gives way in full
_AHEAD = 0.15  # cosine with straight ahead from which directions count, as a lid lies in front
_MAP = 64  # cells on a side of a map of radii
_OVERLAP = 0.04  # cm by which the margins overlap when closed
_MOST_SLIT = 0.3  # cm by which the upper margin is lowered at most for that
_COVER = (0.10, 0.17)  # cm of the iris that an upper lid at rest covers, least and most
_BELOW = (0.0, 0.06)  # cm of the iris that a lower lid at rest covers
_SETTLING = 3  # steps in which lids come to rest
_SETTLES = 0.7  # cm from the lower margin over which the skin of a lower lid goes with it
_MARGIN = 2  # rings of vertices from the inner edge of the opening to the margin


@dataclass(frozen=True, eq=False)
class Lids:
    """The lids of one eye, on the mesh that everyone shares.

    Attributes:
        shape: Name of the blink shape.
        eye: Number of the eye, 0 left, 1 right.
        ball: Triangles of the eyeball (t, 3).
        vertices: Skin of both lids (v,).
        skin: Height above the eyeball that each keeps, cm (v,).
        upper, lower: Margins of the lids, corner to corner by increasing x.
        columns, across: x at rest of the upper margin (u,) and of the vertices (v,).
        follows, rises: How far each goes with the upper and with the lower margin, 0-1 (v,).
        lashes: Vertices of the lashes.
        hosts: For each of those, the place in `vertices` of the skin that bears it.
    """

    shape: str
    eye: int
    ball: Ints
    vertices: Ints
    skin: Floats
    upper: Ints
    lower: Ints
    columns: Floats
    across: Floats
    follows: Floats
    rises: Floats
    lashes: Ints
    hosts: Ints

    @classmethod
    def build(cls, head: HeadModel, lash: Ints, eye: int) -> Lids:
        """Find the lids of an eye on the mean face; `lash` holds strands, root first (n, 4)."""
        rest, shape = head.rest, f"eyeBlink{SIDES[eye]}"
        blink = np.zeros_like(rest)
        blink[head.shapes[shape].vertices] = head.shapes[shape].delta
        ball = _ball(head, eye)
        centre = head.eyeballs(rest)[0][eye]
        face = np.unique(head.triangles[head.part == FACE])
        face = face[np.linalg.norm(blink[face], axis=1) > _LEAST_BLINK]
        height = np.empty(len(face), np.float32)
        _heights(rest, face, centre, _radii(rest, ball, centre), height)
        lid = (height > 0) & (height < _REACH)
        vertices = face[lid]
        upper, lower = _margins(head, eye)
        mine = lash[np.sign(rest[lash[:, 0], 0]) == np.sign(centre[0])]
        away = np.linalg.norm(rest[mine[:, 0], None] - rest[vertices], axis=2)
        return cls(
            shape=shape,
            eye=eye,
            ball=ball,
            vertices=vertices,
            skin=np.minimum(height[lid], np.float32(_SKIN)),
            upper=upper,
            lower=lower,
            columns=rest[upper, 0],
            across=rest[vertices, 0],
            follows=_follows(rest, blink, vertices, upper),
            rises=_rises(rest, vertices, upper, lower),
            lashes=mine.ravel(),
            hosts=np.repeat(away.argmin(1), mine.shape[1]).astype(np.int32),
        )


@dataclass(frozen=True, eq=False)
class FittedLids:
    """The lids of one eye of a person.

    Attributes:
        lids: What everyone shares.
        centre: The eyeball's centre (3,).
        radii: The eyeball's radius by direction, see `_place` (64, 64).
        opening: How far the upper margin lies above the lower one at rest, cm (u,).
    """

    lids: Lids
    centre: Floats
    radii: Floats
    opening: Floats

    @classmethod
    def build(cls, head: HeadModel, lids: Lids, person: Floats) -> FittedLids:
        """Fit lids to a person's neutral vertices (n, 3)."""
        centre = head.eyeballs(person)[0][lids.eye]
        return cls(lids, centre, _radii(person, lids.ball, centre), _opening(lids, person))

    def settle(self, points: Floats, iris_sine: float) -> None:
        """Lay the lids of a neutral head (n, 3) on the iris of an eye that looks ahead, in place.

        At rest the upper lid covers 1 to 2 mm of the iris and the lower one touches it. Shapes of
        identities move lids and eyeballs apart from that, which makes eyes stare or sleep.

        Args:
            points: Neutral vertices that these lids were fitted to.
            iris_sine: Radius of the iris as the sine of its angle at the eye's centre.
        """
        lids, before = self.lids, points[self.lids.vertices]
        x = (lids.across - self.centre[0]) / (np.ptp(lids.columns) / 2)
        bow = np.clip(1 - x * x, 0, 1)
        for _ in range(_SETTLING):  # the margins do not move by quite what is asked
            upper, lower = self.iris_cover(points, iris_sine)
            lift = upper - np.clip(upper, *_COVER)
            rise = np.clip(lower, *_BELOW) - lower
            points[lids.vertices, 1] += bow * (lift * lids.follows + rise * lids.rises)
            _lift(points, lids.vertices, lids.skin, self.centre, self.radii, np.float32(1))
        moved = points[lids.vertices] - before
        points[lids.lashes] += moved[lids.hosts]

    def iris_cover(self, points: Floats, iris_sine: float) -> tuple[float, float]:
        """How much of the iris of an eye at rest the upper and the lower lid hide, cm.

        Measured on the vertical through the eye's centre; negative where white shows between.
        """
        lids, x = self.lids, self.centre[0]
        upper, lower = points[lids.upper], points[lids.lower]
        top = float(np.interp(x, upper[:, 0], upper[:, 1]))
        bottom = float(np.interp(x, np.maximum.accumulate(lower[:, 0]), lower[:, 1]))
        half, middle = np.arcsin(iris_sine), np.deg2rad(REST_ELEVATION)
        up, down = (self._height_at(middle + half), self._height_at(middle - half))
        return up - top, bottom - down

    def _height_at(self, angle: float) -> float:
        """Height of the eyeball's surface at an angle above straight ahead, radians."""
        y, z = np.float32(np.sin(angle)), np.float32(np.cos(angle))
        return float(self.centre[1] + y * _radius_at(self.radii, np.float32(0), y, z))

    def close(self, points: Floats, blink: float) -> None:
        """Lay the lids of a deformed, unposed head (n, 3) on the eyeball and together, in place.

        The lashes go with the lids.

        Args:
            points: Vertices with expression shapes applied, the blink among them.
            blink: How far the eye is closed, 0 (nothing is changed) to 1.
        """
        if blink <= 0:
            return
        lids = self.lids
        before = points[lids.vertices]
        share = np.float32(min(1.0, blink / _FULL_FROM))
        _lift(points, lids.vertices, lids.skin, self.centre, self.radii, share)
        points[lids.vertices, 1] -= np.float32(blink) * self._slit(points, blink)
        _lift(points, lids.vertices, lids.skin, self.centre, self.radii, share)
        moved = points[lids.vertices] - before
        points[lids.lashes] += moved[lids.hosts]

    def _slit(self, points: Floats, blink: float) -> Floats:
        """How far each vertex stands too high, cm (v,), for lids closed so far.

        A blink of 1 closes the opening and an overlap, whatever else pulls at the lids.
        """
        lids = self.lids
        wanted = (1 - blink) * self.opening - blink * _OVERLAP
        slit = np.clip(_opening(lids, points) - wanted, 0, _MOST_SLIT)
        slit[[0, -1]] = 0  # the corners never part
        along = np.interp(lids.across, lids.columns, slit)
        return np.asarray(along * lids.follows, np.float32)


def _opening(lids: Lids, points: Floats) -> Floats:
    """Height of the upper margin above the lower one at the same x, cm (u,)."""
    upper, lower = points[lids.upper], points[lids.lower]
    # Beside the nose the lower margin turns back on itself.
    along = np.maximum.accumulate(lower[:, 0])
    return upper[:, 1] - np.interp(upper[:, 0], along, lower[:, 1]).astype(np.float32)


def _ball(head: HeadModel, eye: int) -> Ints:
    ball = head.eyes[eye]
    corners = head.triangles[:, 0]
    return np.ascontiguousarray(head.triangles[(corners >= ball.start) & (corners < ball.stop)])


def _margins(head: HeadModel, eye: int) -> tuple[Ints, Ints]:
    """Margins of upper and lower lid, each from corner to corner by increasing x."""
    triangles = head.triangles[head.part == FACE]
    rest = head.rest
    seen = _open_edge(triangles, rest, head.eyeballs(rest)[0][eye])
    ring = seen
    for _ in range(_MARGIN):
        touched = np.unique(triangles[np.isin(triangles, seen).any(1)])
        ring = np.setdiff1d(touched, seen)
        seen = touched
    ring = ring[np.argsort(rest[ring, 0])]
    x, y, _z = rest[ring].T
    above = y - np.interp(x, x[[0, -1]], y[[0, -1]])
    above[[0, -1]] = 0
    return ring[above >= 0].astype(np.int32), ring[above <= 0].astype(np.int32)


def _open_edge(triangles: Ints, rest: Floats, centre: Floats) -> Ints:
    """Vertices of the face's open edge around an eye."""
    edges = np.sort(np.concatenate([triangles[:, [i, (i + 1) % 3]] for i in range(3)]), 1)
    single, count = np.unique(edges, axis=0, return_counts=True)
    open_ = np.unique(single[count == 1])
    around: Ints = open_[np.linalg.norm(rest[open_] - centre, axis=1) < 3]
    return around


def _follows(rest: Floats, blink: Floats, vertices: Ints, upper: Ints) -> Floats:
    """How far each vertex goes down in a blink, as a share of the margin at the same x."""
    margin = np.maximum(-blink[upper, 1], 0.05)
    share = -blink[vertices, 1] / np.interp(rest[vertices, 0], rest[upper, 0], margin)
    return np.asarray(np.clip(share, 0, 1), np.float32)


def _rises(rest: Floats, vertices: Ints, upper: Ints, lower: Ints) -> Floats:
    """How far each vertex goes up with the lower margin: less and less below it."""
    at = rest[vertices]
    along = np.maximum.accumulate(rest[lower, 0])
    below = np.interp(at[:, 0], along, rest[lower, 1]) - at[:, 1]
    above = at[:, 1] - np.interp(at[:, 0], rest[upper, 0], rest[upper, 1])
    share = np.clip(1 - below / _SETTLES, 0, 1)
    middle = np.clip(-above / 0.2, 0, 1)  # nothing at the upper margin
    return np.asarray(share * share * (3 - 2 * share) * middle, np.float32)


def _radii(points: Floats, ball: Ints, centre: Floats) -> Floats:
    """An eyeball's radius in each direction ahead, as a map of `_place` (64, 64)."""
    used, corners = np.unique(ball, return_inverse=True)
    out = points[used] - centre
    radius = np.linalg.norm(out, axis=1)
    out /= radius[:, None]
    place = (out[:, :2] / np.maximum(1 + out[:, 2:], 0.2) + 1) * (_MAP / 2)
    screen = np.concatenate([place, np.ones((len(used), 1))], 1).astype(np.float32)
    triangles = corners.reshape(-1, 3).astype(np.int32)
    triangles = np.ascontiguousarray(triangles[(out[triangles, 2] > -0.3).all(1)])
    depth = np.zeros((_MAP, _MAP), np.float32)
    owner = np.full((_MAP, _MAP), -1, np.int32)
    bary = np.zeros((_MAP, _MAP, 2), np.float32)
    rasterise(screen, triangles, False, depth, owner, bary)
    weights = np.concatenate([1 - bary.sum(-1, keepdims=True), bary], -1)
    return np.where(owner >= 0, (radius[triangles[owner]] * weights).sum(-1), 0).astype(np.float32)


@jit
def _place(x: Any, y: Any, z: Any) -> Any:
    """Column and row of a unit direction ahead in a map of radii: a stereographic disc."""
    scale = np.float32(_MAP / 2) / (1.0 + z)
    middle = np.float32(_MAP / 2 - 0.5)
    return x * scale + middle, y * scale + middle


@jit
def _radius_at(radii: Any, x: Any, y: Any, z: Any) -> Any:
    column, row = _place(x, y, z)
    j, i = int(column), int(row)
    a, b = column - np.float32(j), row - np.float32(i)
    low = radii[i, j] * (1.0 - a) + radii[i, j + 1] * a
    return low * (1.0 - b) + (radii[i + 1, j] * (1.0 - a) + radii[i + 1, j + 1] * a) * b


@jit
def _outward(points: Any, v: Any, centre: Any) -> Any:
    """Unit direction from an eyeball's centre to a vertex, and its distance."""
    x, y, z = points[v, 0] - centre[0], points[v, 1] - centre[1], points[v, 2] - centre[2]
    distance = np.sqrt(x * x + y * y + z * z) + np.float32(1e-9)
    return x / distance, y / distance, z / distance, distance


@jit
def _heights(points: Any, vertices: Any, centre: Any, radii: Any, heights: Any) -> None:
    """Height of vertices above an eyeball; large for what does not lie ahead of it."""
    for k in range(vertices.shape[0]):
        x, y, z, distance = _outward(points, vertices[k], centre)
        heights[k] = np.float32(1e3)
        if z > _AHEAD:
            heights[k] = distance - _radius_at(radii, x, y, z)


@jit
def _lift(points: Any, vertices: Any, skin: Any, centre: Any, radii: Any, share: Any) -> None:
    """Push vertices outwards that lie lower above the eyeball than they should."""
    soft = np.float32(_SOFT)
    for k in range(vertices.shape[0]):
        v = vertices[k]
        x, y, z, distance = _outward(points, v, centre)
        if z <= _AHEAD:
            continue
        above = distance - _radius_at(radii, x, y, z) - skin[k]
        if above >= soft:
            continue
        # A parabola joins what is lifted to `skin` with what stays, without a crease.
        kept = (above + soft) * (above + soft) / (4.0 * soft) if above > -soft else np.float32(0)
        push = (kept - above) * share
        points[v, 0] += x * push
        points[v, 1] += y * push
        points[v, 2] += z * push
