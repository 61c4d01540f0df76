"""The head mesh of a pack, ready to deform: parts, sparse shapes, torso and shadow casters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.derive import Array
from synfer_core.facekit.jit import jit
from synfer_core.facekit.pack import Pack

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

# Part numbers in ICT-FaceKit's order; the torso is ours. Iris, tear and blend meshes are left out.
FACE, HEAD, MOUTH, GUMS, TEETH, SCLERA_L, SCLERA_R, TORSO = 0, 1, 2, 5, 6, 7, 9, 19
_KEPT = (FACE, HEAD, MOUTH, GUMS, TEETH, SCLERA_L, SCLERA_R)
_CASTERS = (FACE, HEAD, TORSO)
_CASTER_CELL = 0.65  # cm; shadow maps have cells of 0.27 cm and a bias of 0.3 cm

INNER_LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
"""Upper and lower inner-lip landmarks that lie above each other."""
MOUTH_LANDMARKS = slice(48, 60)
_LIDS = MappingProxyType({"_L": ((43, 44), (47, 46)), "_R": ((37, 38), (41, 40))})


@dataclass(frozen=True, eq=False)
class Shape:
    """An expression shape as the vertices it moves and by how much (k, 3)."""

    vertices: Ints
    delta: Floats


@dataclass(frozen=True, eq=False)
class HeadModel:
    """The mesh shared by everyone.

    Attributes:
        rest: Neutral vertices (n, 3), the pack's and then two rings of torso.
        triangles, part, uv: Corners (t, 3), part number (t,), UV of each corner (t, 3, 2).
        used: Vertices that can be seen and so are deformed.
        modes: Identity modes over the used vertices (100, used * 3).
        shapes: Expression shapes by name.
        landmarks: 68 Multi-PIE landmarks.
        eyes: Vertex ranges of left and right sclera.
        rim: Vertices of the bust's lower rim, and the offsets of the two torso rings from it.
        caster_vertices, casters: A coarse copy of the outer skin that throws shadows.
        face_vertices: Vertices of the narrow face, which exposure is measured on.
    """

    rest: Floats
    triangles: Ints
    part: NDArray[np.int8]
    uv: Floats
    used: Ints
    modes: Floats
    shapes: Mapping[str, Shape]
    landmarks: Ints
    eyes: tuple[slice, slice]
    rim: Ints
    rings: tuple[Floats, Floats]
    caster_vertices: Ints
    casters: Ints
    face_vertices: slice

    @classmethod
    def build(cls, pack: Pack, derived: Mapping[str, Array]) -> HeadModel:
        """Put the mesh together from a pack and what was derived from it."""
        neutral = pack["neutral"].astype(np.float32)
        keep = np.isin(pack["tri_part"], _KEPT)
        rim, rings, torso = _torso(neutral, derived["bust_edges"])
        triangles = np.concatenate([pack["tri"][keep], torso]).astype(np.int32)
        part = np.concatenate([pack["tri_part"][keep], np.full(len(torso), TORSO)])
        uv = np.concatenate([pack["uv"][pack["tri_uv"][keep]], np.zeros((len(torso), 3, 2))])
        rest = np.concatenate([neutral, *(neutral[rim] + ring for ring in rings)])
        used = np.unique(np.concatenate([pack["tri"][keep].ravel(), derived["lash"].ravel()]))
        vertices, casters = _coarse(rest, triangles[np.isin(part, _CASTERS)])
        return cls(
            rest=rest.astype(np.float32),
            triangles=triangles,
            part=part.astype(np.int8),
            uv=uv.astype(np.float32),
            used=used.astype(np.int32),
            modes=_flat_modes(pack["identity"], used),
            shapes=_sparse_shapes(pack, used),
            landmarks=pack["lm68"].astype(np.int32),
            eyes=(pack.vertices_of("sclera_L"), pack.vertices_of("sclera_R")),
            rim=rim,
            rings=rings,
            caster_vertices=vertices,
            casters=casters,
            face_vertices=pack.vertices_of("narrowface"),
        )

    def identity_points(self, shape: Floats) -> Floats:
        """Neutral vertices of a person, from the weights of the 100 identity modes."""
        points = self.rest.copy()
        points[self.used] += (shape @ self.modes).reshape(-1, 3)
        self._hang_torso(points)
        return points

    def deform(self, person: Floats, weights: Mapping[str, float]) -> Floats:
        """A person's vertices with expression shapes applied."""
        points = person.copy()
        for name, weight in weights.items():
            if abs(weight) > 1e-4:
                shape = self.shapes[name]
                _add_shape(points, shape.vertices, shape.delta, np.float32(weight))
        self._hang_torso(points)
        return points

    def _hang_torso(self, points: Floats) -> None:
        count = len(self.rim)
        start = len(points) - 2 * count
        points[start : start + count] = points[self.rim] + self.rings[0]
        points[start + count :] = points[self.rim] + self.rings[1]

    def lip_gap(self, points: Floats) -> float:
        """Mean opening between the inner lips, cm."""
        pairs = self.landmarks[np.array(INNER_LIP_PAIRS)]
        return float((points[pairs[:, 0], 1] - points[pairs[:, 1], 1]).mean())

    def eyeballs(self, points: Floats) -> tuple[Floats, float]:
        """Centres (2, 3) and mean radius (cm) of the eyeballs, whose backs are open."""
        centres, radii = [], []
        for vertices in self.eyes:
            low, high = points[vertices].min(0), points[vertices].max(0)
            centre = (low + high) / 2
            centre[2] = low[2] + (high[0] - low[0]) / 2
            centres.append(centre)
            radii.append((high - low).mean() / 2)
        return np.array(centres, np.float32), float(np.mean(radii))

    def lid_opening(self, points: Floats, side: str) -> float:
        """Mean opening between the lids of one side (``_L`` or ``_R``), cm."""
        upper, lower = (self.landmarks[list(ids)] for ids in _LIDS[side])
        return float((points[upper, 1] - points[lower, 1]).mean())

    def lid_travel(self, side: str) -> float:
        """How far the blink shape closes the lids of one side, cm."""
        moved = np.zeros_like(self.rest)
        shape = self.shapes[f"eyeBlink{side}"]
        moved[shape.vertices] = shape.delta
        return -self.lid_opening(moved, side)


def _torso(neutral: Floats, edges: Array) -> tuple[Ints, tuple[Floats, Floats], Array]:
    """Two rings below the bust's rim, and the triangles that join them."""
    rim = np.unique(edges).astype(np.int32)
    at = neutral[rim]
    x, z = at[:, 0], at[:, 2]
    widen = np.sign(x) * np.minimum(np.abs(x) * 0.28, 2.5)
    shoulders = np.stack([widen, np.full(len(rim), -2.2), z * 0.1], 1)
    chest = np.stack([x * 0.6, np.full(len(rim), -12.0), z * 0.5], 1)
    place = {int(v): i for i, v in enumerate(rim)}
    first, second = len(neutral), len(neutral) + len(rim)
    strips = []
    for a, b in edges.tolist():
        i, j = place[a], place[b]
        strips += [(b, a, first + i), (b, first + i, first + j)]
        strips += [(first + j, first + i, second + i), (first + j, second + i, second + j)]
    rings = (shoulders.astype(np.float32), chest.astype(np.float32))
    return rim, rings, np.array(strips, np.int32).reshape(-1, 3)


def _flat_modes(identity: Array, used: Array) -> Floats:
    return np.ascontiguousarray(identity[:, used].astype(np.float32).reshape(len(identity), -1))


def _sparse_shapes(pack: Pack, used: Array) -> Mapping[str, Shape]:
    shapes = {}
    is_used = np.zeros(len(pack["neutral"]), bool)
    is_used[used] = True
    for name, delta in zip(pack["expression_names"], pack["expression"], strict=True):
        moved = np.flatnonzero(is_used & (delta != 0).any(1)).astype(np.int32)
        shapes[str(name)] = Shape(moved, delta[moved].astype(np.float32))
    return MappingProxyType(shapes)


def _coarse(rest: Array, triangles: Array) -> tuple[Ints, Ints]:
    """Cluster vertices in cells and keep the triangles that still span three of them."""
    cells = np.floor(rest / _CASTER_CELL).astype(np.int64) + 200
    key = (cells[:, 0] * 1000 + cells[:, 1]) * 1000 + cells[:, 2]
    corners = np.unique(triangles)
    _, first, inverse = np.unique(key[corners], return_index=True, return_inverse=True)
    cluster = np.full(len(rest), -1)
    cluster[corners] = inverse
    coarse = cluster[triangles]
    a, b, c = coarse.T
    coarse = np.unique(coarse[(a != b) & (b != c) & (a != c)], axis=0)
    return corners[first].astype(np.int32), coarse.astype(np.int32)


@jit
def _add_shape(points: Any, vertices: Any, delta: Any, weight: Any) -> None:
    for i in range(vertices.shape[0]):
        v = vertices[i]
        points[v, 0] += weight * delta[i, 0]
        points[v, 1] += weight * delta[i, 1]
        points[v, 2] += weight * delta[i, 2]
