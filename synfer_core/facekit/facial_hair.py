"""Eyebrows, beards and lashes: short strands planted on the face, so that they move with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.derive import FRONT_STEP, FRONT_X, FRONT_Y, UV_SIZE, Array
from synfer_core.facekit.identity import Brow, Identity

Floats = NDArray[np.float32]
POINTS = 4
"""Points of a brow, beard or lash strand."""


@dataclass(frozen=True, eq=False)
class Planting:
    """Places on the face surface.

    Attributes:
        corners: Vertices of the triangle under each place (..., 3).
        weights: Their weights (..., 3).
    """

    corners: NDArray[np.int32]
    weights: Floats

    def on(self, values: Floats) -> Floats:
        """Vertex values (n, k) at the places (..., k)."""
        picked = values[self.corners]
        return np.asarray(np.einsum("...ck,...c->...k", picked, self.weights), np.float32)


@dataclass(frozen=True, eq=False)
class Brows:
    """Brow strands as places of each of their points; brightness and thickness factors of each;
    thickness in cm."""

    planting: Planting
    tone: Floats
    body: Floats
    width: float


@dataclass(frozen=True, eq=False)
class Beard:
    """Beard strands: roots, offsets of their points in the neutral pose, brightness factors;
    thickness in cm."""

    planting: Planting
    offset: Floats
    tone: Floats
    width: float


def plant(uv: Array, derived: Mapping[str, Array], face_triangles: Array) -> Planting:
    """Places at UV coordinates of the face (..., 2)."""
    column = np.clip((uv[..., 0] * UV_SIZE).astype(int), 0, UV_SIZE - 1)
    row = np.clip(((1 - uv[..., 1]) * UV_SIZE).astype(int), 0, UV_SIZE - 1)
    bary = derived["uv_bary"][row, column].astype(np.float32)
    weights = np.concatenate([1 - bary.sum(-1, keepdims=True), bary], -1)
    return Planting(face_triangles[derived["uv_owner"][row, column]].astype(np.int32), weights)


# --- brows --------------------------------------------------------------------------------------

_BROW_X = (1.0, 1.8, 2.6, 3.6, 4.6, 5.3, 6.0)
_BROW_Y = (5.38, 5.55, 5.72, 5.80, 5.60, 5.2, 4.7)


def grow_brows(
    person: Identity, derived: Mapping[str, Array], face_triangles: Array, detail: float
) -> Brows:
    """Eyebrows drawn on the frontal face and planted on its surface."""
    rng = np.random.default_rng(person.hair.seed + 5)
    fineness = float(np.clip(2 * detail, 0.8, 2.0))
    count = int(400 * person.brow.density * fineness)
    drawn = [_brow_curves(person.brow, count, rng) for _ in range(2)]
    front = np.concatenate([drawn[0][0], drawn[1][0] * [-1, 1]])
    column = ((front[..., 0] - FRONT_X[0]) / FRONT_STEP).astype(int)
    row = ((FRONT_Y[1] - front[..., 1]) / FRONT_STEP).astype(int)
    height, width = derived["front_uv"].shape[:2]
    uv = derived["front_uv"][np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    greying = person.hair.colour in ("grey", "white")
    tone = np.exp(rng.normal(0, 0.5 if greying else 0.2, len(front))).astype(np.float32)
    body = np.concatenate([drawn[0][1], drawn[1][1]]).astype(np.float32)
    return Brows(plant(uv, derived, face_triangles), tone, body, 0.05 / fineness**0.65)


def _brow_curves(brow: Brow, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Strands (count, 4, 2) of the left brow in frontal coordinates, and how thick each is.

    The head of the brow is thin and stands up, its body lies along the arch with upper hairs
    combed down and lower ones up, its tail runs out to a point.
    """
    t = rng.beta(1.15, 1.25, count)
    x = brow.start + (brow.end - brow.start) * t
    arch = brow.arch * np.sin(np.pi * np.clip(t * 1.1 - 0.1, 0, 1))
    middle = np.interp(x, _BROW_X, _BROW_Y) + brow.height + arch
    spread = brow.thickness * np.interp(t, [0, 0.12, 0.4, 0.7, 1], [0.36, 0.54, 0.56, 0.42, 0.10])
    # Denser along the middle than at the rims.
    place = np.clip(rng.normal(0, 0.55, count), -1, 1)
    off = place * spread
    angle = np.deg2rad(np.interp(t, [0, 0.12, 0.35, 0.65, 1], [74, 50, 24, 4, -24]))
    angle += rng.normal(0, 0.12, count) - place * np.interp(t, [0, 0.2, 1], [0.1, 0.4, 0.5])
    length = np.interp(t, [0, 0.3, 0.8, 1], [0.42, 0.66, 0.6, 0.4]) * rng.uniform(0.7, 1.15, count)
    q = np.linspace(0, 1, POINTS)[None]
    reach = length[:, None] * q
    bend = np.where(place > 0, -0.16, -0.06)[:, None] * q * reach
    along = x[:, None] + np.cos(angle)[:, None] * reach
    up = (middle + off)[:, None] + np.sin(angle)[:, None] * reach + bend
    body = np.interp(t, [0, 0.15, 0.85, 1], [0.6, 1, 1, 0.75]) * (1 - 0.4 * np.abs(place))
    return np.stack([along, up], -1), body


# --- beard --------------------------------------------------------------------------------------

_BEARD_COUNT = MappingProxyType(
    {"short beard": 7000, "full beard": 8000, "goatee": 2800, "moustache": 1800}
)
_BEARD_LENGTH = MappingProxyType(
    {"short beard": 0.55, "full beard": 1.9, "goatee": 1.2, "moustache": 0.8}
)
_BEARD_CHANNEL = 3
_DENSE = 25  # texels with less density (0-255) grow nothing


def grow_beard(
    person: Identity,
    derived: Mapping[str, Array],
    face_triangles: Array,
    surface: tuple[Floats, Floats],
    detail: float,
) -> Beard | None:
    """A beard of strands, or None where there is none or only stubble.

    Args:
        surface: Neutral vertices and normals of the person.
    """
    if person.beard not in _BEARD_COUNT:
        return None
    rng = np.random.default_rng(person.hair.seed + 6)
    fineness = float(np.clip(2 * detail, 0.8, 2.0))
    count = int(_BEARD_COUNT[person.beard] * fineness)
    uv = _beard_roots(person.beard, derived, face_triangles, surface[0], count, rng)
    planting = plant(uv, derived, face_triangles)
    root, normal = planting.on(surface[0]), planting.on(surface[1])
    lip = _over_lip(root)
    length = np.where(lip, 0.75, _BEARD_LENGTH[person.beard]) * rng.uniform(0.5, 1.2, len(lip))
    offset = _beard_offsets(root, normal, lip, length, rng)
    tone = np.exp(rng.normal(0, 0.22, len(lip))).astype(np.float32)
    return Beard(planting, offset.astype(np.float32), tone, 0.054 / fineness**0.6)


def _over_lip(points: Array) -> Array:
    return np.asarray((points[:, 1] > -3.3) & (np.abs(points[:, 0]) < 2.9))


def _beard_roots(
    kind: str,
    derived: Mapping[str, Array],
    face_triangles: Array,
    neutral: Floats,
    count: int,
    rng: np.random.Generator,
) -> Array:
    """UV of roots, drawn by the density of growth and the kind's area."""
    density = derived["masks"][..., _BEARD_CHANNEL]
    texel = np.flatnonzero(density > _DENSE)
    texel = texel[rng.integers(0, len(texel), count * 3)]
    row, column = np.divmod(texel, UV_SIZE)
    points = neutral[face_triangles[derived["uv_owner"][row, column]]].mean(1)
    keep = rng.random(len(texel)) * 255 < density[row, column]
    if kind == "goatee":
        keep &= np.abs(points[:, 0]) < 2.7
    if kind == "moustache":
        keep &= _over_lip(points)
    keep &= rng.random(len(texel)) < np.clip((points[:, 2] + 1) / 4, 0.15, 1)
    jitter = rng.random((len(texel), 2))
    uv = np.stack([(column + jitter[:, 0]) / UV_SIZE, 1 - (row + jitter[:, 1]) / UV_SIZE], 1)
    return np.asarray(uv[keep][:count])


def _beard_offsets(
    root: Floats, normal: Floats, lip: Array, length: Array, rng: np.random.Generator
) -> Array:
    """Points of each strand relative to its root: downwards, a moustache sideways, falling in."""
    side = np.sign(root[:, 0])
    parted = 0.75 * side * np.clip(np.abs(root[:, 0]) / 1.2, 0.1, 1)
    down = np.stack([np.where(lip, parted, 0.1 * side), -np.ones_like(side), 0.1 + 0 * side], 1)
    down += rng.normal(0, 0.4, down.shape)
    down -= (down * normal).sum(1, keepdims=True) * normal * 0.9
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    q = np.linspace(0, 1, POINTS)[None, :, None]
    reach = length[:, None, None] * q
    droop = np.array([0, -0.25, -0.12])
    straight = (down + 0.3 * normal)[:, None] * reach
    return np.asarray(straight + droop * reach * q + 0.02 * normal[:, None])


def beard_stubble(person: Identity) -> float:
    """How dark shaved or short hair tints the beard area, 0-1."""
    shown: dict[str, Any] = {"stubble": 0.5, "short beard": 0.75, "full beard": 0.75}
    return float(shown.get(person.beard, person.stubble if person.sex == "man" else 0.0))
