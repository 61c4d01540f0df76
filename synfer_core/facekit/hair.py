"""Grooming: strands marched from their roots around the head, clumped, curled and fitted.

Strands grow on the neutral head's distance field and are carried to a person by a lattice, so one
groom serves every expression of that person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synfer_core.facekit.derive import Array
from synfer_core.facekit.growth import STYLES, Growth, Scalp, Style
from synfer_core.facekit.identity import Hair
from synfer_core.facekit.jit import inlined, jit

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Groom:
    """Hair of one person in the neutral pose.

    Attributes:
        points: (strands, points, 3), root first.
        normals: Away from the head (strands, points, 3).
        tone: Brightness factor of each strand.
        body: Thickness of each strand, from `_FINEST` at the hairline to 1.
        share: Strands in place of one at a detail of 1; each is thinner in turn.
    """

    points: Floats
    normals: Floats
    tone: Floats
    body: Floats
    share: float


def groom(hair: Hair, derived: Mapping[str, Array], detail: float) -> Groom | None:
    """Grow a person's hair; None for a bald head.

    Args:
        hair: Style and its parameters; ``hair.seed`` decides every strand.
        derived: See `derive`.
        detail: 0.2 (small pictures: fewer and wider strands, of fewer points) to 2.
    """
    if hair.style == "bald":
        return None
    style = STYLES[hair.style]
    rng = np.random.default_rng(hair.seed)
    share = 0.55 + 0.45 * detail
    scalp = _choose_roots(hair, style, derived, rng, int(style.strands * share))
    locks = _lock_noise(scalp.root, rng)
    growth = style.grow(hair, scalp, rng)
    _shorten_at_hairline(scalp, growth)
    if not len(growth.bangs):
        growth.bangs = np.zeros(len(scalp), bool)
    direction = growth.direction + locks + rng.normal(0, 0.10, (len(scalp), 3))
    growth.direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    points, normals = _march(hair, style, scalp, growth, derived, rng)
    side = growth.parted * (scalp.root[:, 0] > hair.parting) + 2.0 * growth.bangs
    grown = _finish(style, scalp, growth, side, points, normals, rng)
    return replace(_coarse(grown) if detail < _COARSE else grown, share=share)


_COARSE = 0.6
"""Detail below which long strands have every other point alone."""
_LONG = 8


def _coarse(grown: Groom) -> Groom:
    """Every other point of long strands, and their tips."""
    count = grown.points.shape[1]
    if count < _LONG:
        return grown
    kept = np.append(np.arange(0, count - 1, 2), count - 1)
    points, normals = (np.ascontiguousarray(a[:, kept]) for a in (grown.points, grown.normals))
    return replace(grown, points=points, normals=normals)


def _choose_roots(
    hair: Hair, style: Style, derived: Mapping[str, Array], rng: np.random.Generator, count: int
) -> Scalp:
    pool, height = derived["root"], derived["root_height"]
    pick = rng.integers(0, len(pool), int(count * 1.3))
    if style.full_front:
        low, high = hair.hairline - 0.6, hair.hairline + 2.2
        front = np.flatnonzero((pool[:, 2] > 0.5) & (height > low) & (height < high))
        pick = np.concatenate([pick, rng.choice(front, int(count * 0.24))])
        rng.shuffle(pick)
    root = pool[pick]
    depth = height[pick] - hairline(hair, root)
    # Hair does not end at a line: it thins out over a finger's breadth.
    grows = depth > rng.normal(0, 0.25, len(pick)) - rng.exponential(0.2, len(pick))
    root, normal = root[grows][:count], derived["root_normal"][pick][grows][:count]
    return Scalp.at(
        root.astype(np.float64),
        normal.astype(np.float64),
        rng.random(len(root)),
        depth[grows][:count],
    )


_STUB = 1.0  # cm
_SHORT = 0.35  # of the median length
_FINEST = 0.35
_FINE_ZONE = 1.3  # cm above the hairline in which hair grows to its full thickness


def _body(depth: Array) -> Array:
    share = np.clip(depth / _FINE_ZONE, 0, 1)
    return np.asarray(_FINEST + (1 - _FINEST) * share)


def _shorten_at_hairline(scalp: Scalp, growth: Growth) -> None:
    """Hair at the very edge is short and fine, whatever the style."""
    edge = np.clip(1 - scalp.depth / 0.8, 0, 1)
    baby = scalp.chance < 0.5 * edge
    most = np.where(baby, 0.5 + 2.4 * scalp.chance, np.inf)
    growth.length = np.minimum(growth.length, most) * (1 - 0.25 * edge)
    growth.gravity = np.where(baby, np.minimum(growth.gravity, 0.04), growth.gravity)
    growth.lift = np.where(baby, 0.05, growth.lift)


def hairline(hair: Hair, points: Array) -> Array:
    """Height above the natural hairline from which this person's hair grows."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    temples = hair.recession * np.exp(-(((np.abs(x) - 4.2) / 2) ** 2)) * (z > 0)
    crown = 20 * hair.bare_crown * np.clip((y - 8.5) / 1.5, 0, 1)
    return np.asarray(hair.hairline + temples + crown)


def _lock_noise(root: Array, rng: np.random.Generator) -> Array:
    """Low-frequency noise that bends neighbouring hairs alike."""
    frequency, phase = rng.normal(0, 0.75, (6, 3)), rng.random(6) * 6.28
    return np.asarray(np.sin(root @ frequency.T + phase) @ rng.normal(0, 1, (6, 3)) * 0.22)


def _march(
    hair: Hair,
    style: Style,
    scalp: Scalp,
    growth: Growth,
    derived: Mapping[str, Array],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    count = len(scalp)
    points = np.zeros((count, style.points, 3), np.float32)
    normals = np.zeros_like(points)
    hold = style.hold * (1 + 0.8 * scalp.side)
    side = np.sign(scalp.root[:, 0] - hair.parting + 1e-3)
    clear = np.where(growth.bangs, 0.0, growth.clear_face)
    cut = np.where(growth.bangs, -99.0, growth.cut) + rng.random(count)
    columns = (hold, side, growth.length, growth.gravity, growth.lift, clear, cut)
    fields = np.ascontiguousarray(np.stack(columns, 1), np.float32)
    _march_strands(
        scalp.root.astype(np.float32),
        growth.direction.astype(np.float32),
        fields,
        derived["field"].astype(np.float32),
        derived["field_low"].astype(np.float32),
        np.float32(derived["field_cell"]),
        points,
        normals,
    )
    return points, normals


def _finish(
    style: Style,
    scalp: Scalp,
    growth: Growth,
    side: Array,
    points: Floats,
    normals: Floats,
    rng: np.random.Generator,
) -> Groom:
    """Locks, curls and tones; `side` tells which strands make no locks together."""
    keep = np.ones(len(points), bool)
    hanging = growth.clear_face > 0
    if hanging:
        # Short stubs stay where a strand would fall over the face: its root is not left bare.
        stub = _crosses_face(points, 4.6, 8.8, 5.5) & ~growth.bangs
        points[stub, 2:] = points[stub, 1:2]
        growth.length[stub] = _STUB
        keep = ~_crosses_neck(points, 5.2, 2.5) | growth.bangs
    points, normals, body = points[keep], normals[keep], _body(scalp.depth[keep])
    root, bangs, length = scalp.root[keep], growth.bangs[keep], growth.length[keep]
    leader = np.arange(len(points))
    if style.clumps:
        leader = _leaders(root, side[keep], length, len(points) // (9 if growth.curl else 14), rng)
        # Curls wind around directions, which rounding would turn where points lie together.
        exact = points.astype(np.float64) if growth.curl else points
        points = _clump(exact, root, leader, 0.75 if growth.curl else 0.5)
    if growth.curl:
        points = _curl(points, length, leader, growth, rng)
    tone = _tones(leader, hanging, rng)
    if hanging:
        inside = _crosses_neck(points, 5.6, 1.5) | (_crosses_face(points, 4.2, 7.5, 6.0) & ~bangs)
        points, normals, tone = points[~inside], normals[~inside], tone[~inside]
        body = body[~inside]
    points = np.ascontiguousarray(points, np.float32)
    return Groom(points, normals, tone, body.astype(np.float32), 1.0)


def _crosses_face(points: Array, half_width: float, top: float, front: float) -> Array:
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    crosses = (np.abs(x) < half_width) & (y < top) & (y > -9) & (z > front)
    return np.asarray(crosses.any(1))


def _crosses_neck(points: Array, half_width: float, front: float) -> Array:
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.asarray(((np.abs(x) < half_width) & (y < -7) & (z > front)).any(1))


def _leaders(
    root: Array, side: Array, length: Array, count: int, rng: np.random.Generator
) -> Array:
    """For each strand the strand that leads its lock; those of a side keep among themselves.

    Hair much shorter than the rest of the head's leads itself.
    """
    alone = length < _SHORT * np.median(length)
    locks = np.flatnonzero(~alone)
    leaders = rng.choice(locks, min(len(locks), max(30, count)), replace=False)
    where = np.concatenate([root, side[:, None] * 30.0], 1)
    _, nearest = cKDTree(where[leaders]).query(where)
    return np.where(alone, np.arange(len(root)), leaders[nearest])


def _clump(points: Array, root: Array, leader: Array, strength: float) -> Array:
    """Draw strands towards their leader, more so at the tips."""
    along = np.linspace(0, 1, points.shape[1])[None, :, None]
    pull = np.asarray(strength * along**0.7, points.dtype)
    aside = np.asarray((root - root[leader])[:, None] * 0.45, points.dtype)
    target = points[leader] + aside
    return np.asarray(points * (1 - pull) + target * pull)


def _curl(
    points: Array, length: Array, leader: Array, growth: Growth, rng: np.random.Generator
) -> Array:
    """Wind strands around their path; a lock shares phase and rate."""
    count, steps = points.shape[:2]
    path = np.linspace(0, 1, steps)[None] * length[:, None]
    shared = np.stack([rng.random((count,)), rng.random((count,))])[:, leader, None]
    phase = shared[0] * 6.28 + rng.normal(0, 0.35, (count,))[:, None]
    rate = growth.curl_rate * (0.8 + 0.4 * shared[1])
    radius = (growth.curl * np.minimum(1, path / 2.5))[..., None]
    tangent = tangents(points)
    across = np.cross(tangent, np.array([0.3, 0.2, 0.93]))
    across /= np.linalg.norm(across, axis=2, keepdims=True) + 1e-6
    other = np.cross(tangent, across)
    turn = (path * rate + phase)[..., None]
    return np.asarray(points + radius * (np.cos(turn) * across + np.sin(turn) * other))


def _tones(leader: Array, hanging: bool, rng: np.random.Generator) -> Floats:
    count = len(leader)
    lock = rng.normal(0, 0.19 if hanging else 0.12, count)[leader]
    return np.exp(lock + rng.normal(0, 0.10, count)).astype(np.float32)


def tangents(points: Array) -> Array:
    """Unit tangents along strands (n, m, 3)."""
    tangent = np.gradient(points, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-6
    return np.asarray(tangent)


def fit_to_person(
    points: Floats, rest: Floats, person: Floats, derived: Mapping[str, Array]
) -> Floats:
    """Carry points around the neutral head to a person's head, by the identity lattice."""
    nodes, vertices = derived["lattice"], derived["lattice_vertices"]
    moved = (person[vertices] - rest[vertices]).mean(1).reshape(nodes.shape).astype(np.float32)
    low = nodes[0, 0, 0]
    step = nodes[1, 1, 1] - low
    out = np.empty((points.size // 3, 3), np.float32)
    _interpolate_lattice(points.reshape(-1, 3), low, step, moved, out)
    return out.reshape(points.shape)


@inlined
def _cell(x: Any, low: Any, step: Any, count: Any) -> Any:
    """Node below a place on one axis of the lattice, and how far it lies towards the next."""
    at = min(max((x - low) / step, 0.0), np.float32(count) - 1.01)
    node = int(at)
    return node, at - np.float32(node)


@jit
def _interpolate_lattice(points: Any, low: Any, step: Any, moved: Any, out: Any) -> None:
    for n in range(points.shape[0]):
        i, a = _cell(points[n, 0], low[0], step[0], moved.shape[0])
        j, b = _cell(points[n, 1], low[1], step[1], moved.shape[1])
        k, c = _cell(points[n, 2], low[2], step[2], moved.shape[2])
        d, e = 1.0 - b, 1.0 - c
        near, far = 1.0 - a, a
        for m in range(3):
            left = moved[i, j, k, m] * d + moved[i, j + 1, k, m] * b
            above = moved[i, j, k + 1, m] * d + moved[i, j + 1, k + 1, m] * b
            right = moved[i + 1, j, k, m] * d + moved[i + 1, j + 1, k, m] * b
            beyond = moved[i + 1, j, k + 1, m] * d + moved[i + 1, j + 1, k + 1, m] * b
            shift = (left * e + above * c) * near + (right * e + beyond * c) * far
            out[n, m] = points[n, m] + shift


@inlined
def _distance(field: Any, low: Any, cell: Any, x: Any, y: Any, z: Any, gradient: Any) -> Any:
    """Signed distance by trilinear interpolation; writes its gradient."""
    fx = min(max((x - low[0]) / cell, 0.0), np.float32(field.shape[0]) - 1.01)
    fy = min(max((y - low[1]) / cell, 0.0), np.float32(field.shape[1]) - 1.01)
    fz = min(max((z - low[2]) / cell, 0.0), np.float32(field.shape[2]) - 1.01)
    i, j, k = int(fx), int(fy), int(fz)
    a, b, c = fx - np.float32(i), fy - np.float32(j), fz - np.float32(k)
    low00, high00 = field[i, j, k], field[i + 1, j, k]
    low10, high10 = field[i, j + 1, k], field[i + 1, j + 1, k]
    low01, high01 = field[i, j, k + 1], field[i + 1, j, k + 1]
    low11, high11 = field[i, j + 1, k + 1], field[i + 1, j + 1, k + 1]
    x00, x10 = low00 + (high00 - low00) * a, low10 + (high10 - low10) * a
    x01, x11 = low01 + (high01 - low01) * a, low11 + (high11 - low11) * a
    y0, y1 = x00 + (x10 - x00) * b, x01 + (x11 - x01) * b
    slope0 = (high00 - low00) * (1.0 - b) + (high10 - low10) * b
    slope1 = (high01 - low01) * (1.0 - b) + (high11 - low11) * b
    gradient[0] = (slope0 * (1.0 - c) + slope1 * c) / cell
    gradient[1] = ((x10 - x00) * (1.0 - c) + (x11 - x01) * c) / cell
    gradient[2] = (y1 - y0) / cell
    return y0 * (1.0 - c) + y1 * c


@jit
def _march_strands(
    root: Any, direction: Any, fields: Any, field: Any, low: Any, cell: Any,
    points: Any, normals: Any,
) -> None:  # fmt: skip
    """March each strand: gravity, face kept clear, held to and pushed out of the head."""
    gradient = np.zeros(3, np.float32)
    steps = points.shape[1]
    for i in range(root.shape[0]):
        hold, side, length, gravity, lift, clear, cut = fields[i]
        x, y, z = root[i]
        dx, dy, dz = direction[i]
        step = length / np.float32(steps - 1)
        _distance(field, low, cell, x, y, z, gradient)
        points[i, 0] = root[i]
        normals[i, 0] = gradient
        for s in range(1, steps):
            if y < cut and s > 1:
                points[i, s] = points[i, s - 1]
                normals[i, s] = normals[i, s - 1]
                continue
            dy -= gravity * step
            scale = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz + 1e-9)
            dx, dy, dz = dx * scale, dy * scale, dz * scale
            if clear > 0.0 and z > 1.0 and -9.0 < y < 12.5 and x * side < clear:
                push = min((clear - x * side) / clear, 1.0)
                dx += side * push * 1.6 * step
                dz -= 0.35 * push * step
            x, y, z = x + dx * step, y + dy * step, z + dz * step
            distance = _distance(field, low, cell, x, y, z, gradient)
            scale = 1.0 / (np.sqrt(gradient[0] ** 2 + gradient[1] ** 2 + gradient[2] ** 2) + 1e-6)
            gx, gy, gz = gradient[0] * scale, gradient[1] * scale, gradient[2] * scale
            keep = 0.1 + lift * min(1.0, 4.0 * np.float32(s) / np.float32(steps - 1))
            if clear > 0 and y > 2.5:  # hanging hair begins to spread above the ears, not on them
                keep += min(max((8.5 - y) * 0.25, 0.0), 1.0) * min(max(abs(x) - 4.5, 0.0), 0.8)
            if distance > keep and hold > 0:
                pull = min(hold * (distance - keep) * step, 0.6)
                dx, dy, dz = dx - gx * pull, dy - gy * pull, dz - gz * pull
            if distance < keep:
                out = keep - distance
                x, y, z = x + gx * out, y + gy * out, z + gz * out
                into = min(dx * gx + dy * gy + dz * gz, 0.0)
                dx, dy, dz = dx - gx * into, dy - gy * into, dz - gz * into
            points[i, s, 0], points[i, s, 1], points[i, s, 2] = x, y, z
            normals[i, s, 0], normals[i, s, 1], normals[i, s, 2] = gx, gy, gz
