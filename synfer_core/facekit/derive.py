"""What the renderer derives from a pack once and keeps: UV masks, wrinkles, hair roots and more.

Nothing of it ships. It is kept beside the source, or else in the user's cache folder, by the pack's
SHA-256 and that of the code that derives it; where neither can be written to it is derived anew.
Face coordinates are those of the neutral mesh: centimetres, y up, z towards the camera.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import splev, splprep
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from synfer_core.facekit.jit import tell_unkept
from synfer_core.facekit.pack import Pack
from synfer_core.facekit.raster import rasterise, vertex_normals
from synfer_core.files import cache_folder

Array = NDArray[Any]
Floats = NDArray[np.float64]

UV_SIZE = 1024
WRINKLE_SIZE = 512
NOISE_SIZE = 512

MASKS = ("lips", "blush", "under_eye", "beard", "lid", "hairline", "lash_line", "nostril")
"""Channels of the mask texture, in order; `hairline` is 0.5 + height above it / 16 cm."""
WRINKLES = (
    "forehead",
    "forehead_middle",
    "glabella",
    "crows_feet",
    "nose",
    "nasolabial",
    "chin",
    "dimple",
    "marionette",
    "lid_crease",
    "age",
)
"""Layers of the wrinkle height maps, in order."""

# Height of the hairline by angle around the head (degrees from straight ahead).
_HAIRLINE_ANGLE = (0, 18, 30, 40, 50, 58, 66, 73, 79, 84, 88, 104, 112, 120, 130, 180)
_HAIRLINE_Y = (
    *(10.9, 11.0, 11.0, 10.3, 9.0, 7.0, 5.2, 4.0),
    *(1.2, 2.2, 5.2, 5.4, 2.0, -1.5, -4.2, -5.5),
)
FRONT_X, FRONT_Y, FRONT_STEP = (-9.5, 9.5), (-9.5, 13.0), 0.05
"""Extent and cell of the map from frontal (x, y) to the face's UV."""
_HEAD_CENTRE_Z = 1.0


def load_derived(pack: Pack) -> Mapping[str, Array]:
    """The derived arrays of a pack, as they were kept or made anew (some seconds)."""
    name = f"facekit-{pack.sha256[:16]}-{_code_digest()[:16]}.npz"
    for folder in _folders():
        kept = _read_kept(folder / name)
        if kept is not None:
            return kept
    arrays = derive(pack)
    if not any(_keep(arrays, folder / name, pack) for folder in _folders()):
        tell_unkept()
    return MappingProxyType(arrays)


def _folders() -> tuple[Path, Path]:
    """Where derived arrays are kept, best first."""
    return Path(__file__).with_name("__pycache__"), cache_folder()


@cache
def _code_digest() -> str:
    files = [Path(__file__), Path(__file__).with_name("raster.py")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _read_kept(path: Path) -> Mapping[str, Array] | None:
    """What is damaged is made anew: it holds nothing that can't be derived."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return MappingProxyType({name: data[name] for name in data.files})
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _keep(arrays: Mapping[str, Array], path: Path, pack: Pack) -> bool:
    """Keep derived arrays in place of older ones of the same pack; False where that fails."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        for old in path.parent.glob(f"facekit-{pack.sha256[:16]}-*.npz"):
            if old != path:
                old.unlink()
    except OSError:
        return False
    return True


def derive(pack: Pack) -> dict[str, Array]:
    """All derived arrays of a pack, by name."""
    points = pack["neutral"].astype(np.float32)
    uv_owner, uv_bary, surface = _uv_surface(pack, points)
    vertex_uv = _vertex_uv(pack)
    ear = _ear_mask()
    lips = _lip_mask(pack, vertex_uv)
    return {
        "uv_owner": uv_owner.astype(np.int16),
        "uv_bary": uv_bary.astype(np.float16),
        "front_uv": _front_uv(pack, points, vertex_uv),
        "masks": _masks(surface, lips, ear, _lash_line(pack, vertex_uv)),
        "wrinkles": _wrinkles(surface[::2, ::2]),
        "wrinkle_left": surface[::2, ::2, 0] > 0,
        "noise": np.stack([_noise(s, i + 1) for i, s in enumerate((1.0, 2.5, 8.0, 28.0))]),
        "hairline_angle": np.array(_HAIRLINE_ANGLE, np.float32),
        "hairline_y": np.array(_HAIRLINE_Y, np.float32),
        **_distance_field(pack, points),
        **_identity_lattice(pack, points, vertex_uv),
        **_hair_roots(pack, points, vertex_uv),
        **_lashes(pack, points),
        "bust_edges": _bust_edges(pack, points),
    }


# --- UV space -----------------------------------------------------------------------------------


def _triangles(pack: Pack, *parts: str) -> Array:
    numbers = [pack.part(name) for name in parts]
    return pack["tri"][np.isin(pack["tri_part"], numbers)]


def _uv_surface(pack: Pack, points: Array) -> tuple[Array, Array, Array]:
    """For each texel of the face: triangle, weights and neutral position; gaps from the nearest."""
    face = pack["tri_part"] == pack.part("face")
    triangles, corners = pack["tri"][face], pack["uv"][pack["tri_uv"][face]]
    flat = corners.reshape(-1, 2) * [UV_SIZE, -UV_SIZE] + [0, UV_SIZE]
    screen = np.concatenate([flat, np.ones((len(flat), 1))], 1).astype(np.float32)
    numbered = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    owner, bary = _raster(screen, numbered, UV_SIZE, UV_SIZE, cull=False)
    owner, bary = _fill_gaps(owner, bary)
    return owner, bary, _interpolate(points, triangles[owner], bary)


def _raster(
    screen: Array, triangles: Array, height: int, width: int, *, cull: bool
) -> tuple[Array, Array]:
    depth = np.zeros((height, width), np.float32)
    owner = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 2), np.float32)
    rasterise(screen, np.ascontiguousarray(triangles), cull, depth, owner, bary)
    return owner, bary


def _fill_gaps(owner: Array, bary: Array) -> tuple[Array, Array]:
    rows, columns = distance_transform_edt(owner < 0, return_indices=True, return_distances=False)
    return owner[rows, columns], bary[rows, columns]


def _interpolate(values: Array, corners: Array, bary: Array) -> Array:
    weights = np.concatenate([1 - bary.sum(-1, keepdims=True), bary], -1)
    return np.asarray((values[corners] * weights[..., None]).sum(-2), np.float32)


def _vertex_uv(pack: Pack) -> Array:
    face = pack["tri_part"] == pack.part("face")
    vertex_uv = np.zeros((len(pack["neutral"]), 2), np.float32)
    vertex_uv[pack["tri"][face].ravel()] = pack["uv"][pack["tri_uv"][face].ravel()]
    return vertex_uv


def _front_uv(pack: Pack, points: Array, vertex_uv: Array) -> Array:
    """The face's UV under each cell of a frontal grid."""
    width = int((FRONT_X[1] - FRONT_X[0]) / FRONT_STEP)
    height = int((FRONT_Y[1] - FRONT_Y[0]) / FRONT_STEP)
    x, y = (points[:, 0] - FRONT_X[0]) / FRONT_STEP, (FRONT_Y[1] - points[:, 1]) / FRONT_STEP
    screen = np.stack([x, y, 1 / (100 - points[:, 2])], 1).astype(np.float32)
    triangles = _triangles(pack, "face")
    owner, bary = _fill_gaps(*_raster(screen, triangles, height, width, cull=True))
    return _interpolate(vertex_uv, triangles[owner], bary)


def _texel_uv() -> tuple[Array, Array]:
    centre = (np.arange(UV_SIZE) + 0.5) / UV_SIZE
    u, v = np.meshgrid(centre, 1 - centre)
    return u, v


def _ear_mask() -> Array:
    u, v = _texel_uv()
    ear = ((u < 0.092) | (u > 0.908)) & (v > 0.44) & (v < 0.70)
    return cv2.GaussianBlur(ear.astype(np.float32), (0, 0), 6)


def _outline(vertex_uv: Array, landmarks: Array) -> Array:
    """A smooth closed curve through landmarks, in texels."""
    points = vertex_uv[landmarks] * [UV_SIZE, -UV_SIZE] + [0, UV_SIZE]
    spline, _ = splprep(np.r_[points, points[:1]].T, s=0, per=True)
    return np.stack(splev(np.linspace(0, 1, 200), spline), 1)


def _fixed_point(curve: Array) -> Array:
    return np.round(curve * 8).astype(np.int32)


def _lip_mask(pack: Pack, vertex_uv: Array) -> Array:
    lips = np.zeros((UV_SIZE, UV_SIZE), np.float32)
    cv2.fillPoly(lips, [_fixed_point(_outline(vertex_uv, pack["lm68"][48:60]))], 1.0, shift=3)
    return cv2.GaussianBlur(lips, (0, 0), 4)


def _lash_line(pack: Pack, vertex_uv: Array) -> Array:
    line = np.zeros((UV_SIZE, UV_SIZE), np.float32)
    for eye in (slice(36, 42), slice(42, 48)):
        curve = _fixed_point(_outline(vertex_uv, pack["lm68"][eye]))
        cv2.polylines(line, [curve], True, 1.0, 10, shift=3)
    return cv2.GaussianBlur(line, (0, 0), 3)


def _masks(surface: Array, lips: Array, ear: Array, lash_line: Array) -> Array:
    x, y, z = surface[..., 0], surface[..., 1], surface[..., 2]
    ears = np.clip(ear * 3, 0, 1)
    height = y - hairline_height(x, z) - 9 * ears
    channels = (
        lips,
        _blush(x, y, z, ear),
        _under_eye(np.abs(x), y) * (z > 5),
        _beard_area(np.abs(x), y, z, lips, ears),
        _upper_lid(np.abs(x), y) * (z > 5),
        height / 16 + 0.5,
        lash_line,
        _nostril(np.abs(x), y, z),
    )
    return np.asarray(np.clip(np.stack(channels, -1), 0, 1) * 255, np.uint8)


def hairline_height(x: Array, z: Array) -> Array:
    """Height y of the natural hairline around the head."""
    angle = np.degrees(np.abs(np.arctan2(x, z - _HEAD_CENTRE_Z)))
    return np.asarray(np.interp(angle, _HAIRLINE_ANGLE, _HAIRLINE_Y))


def _blob(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def _blush(x: Array, y: Array, z: Array, ear: Array) -> Array:
    """Where blood shows: cheeks, tip of the nose, chin, ears, a little on the forehead."""
    side = np.abs(x)
    front = z > 0
    nose = _blob(x, y, 0, 0.3, 1.3, 1.2) * np.exp(-(((z - 12.8) / 1.6) ** 2))
    cheeks = 0.9 * _blob(side, y, 4.6, 0.6, 2.0, 1.8) * front
    chin = 0.35 * _blob(side, y, 0, -6.6, 1.5, 1.2) * front
    forehead = 0.25 * _blob(side, y, 0, 8, 3, 1) * front
    return cheeks + 0.9 * nose + chin + 0.8 * ear + forehead


def _nostril(side: Array, y: Array, z: Array) -> Array:
    """The hollow behind the rim of a nostril."""
    across = np.exp(-(((side - 0.68) / 0.56) ** 4) - ((y - 0.05) / 0.6) ** 4)
    return np.asarray(across * np.clip((10.95 - z) / 0.5, 0, 1))


def _under_eye(side: Array, y: Array) -> Array:
    lower = 0.9 * _blob(side, y, 2.7, 2.5, 1.9, 0.75)
    upper = 0.75 * _blob(side, y, 2.2, 4.5, 1.5, 0.7)
    inner = 0.5 * _blob(side, y, 1.4, 3.3, 0.5, 0.9)
    return np.clip(lower + upper + inner, 0, 1)


def _upper_lid(side: Array, y: Array) -> Array:
    across = np.exp(-(((side - 3.2) / 1.9) ** 4))
    return np.asarray(across * np.clip((y - 3.3) / 0.3, 0, 1) * np.clip((5.5 - y) / 0.9, 0, 1))


def _beard_area(side: Array, y: Array, z: Array, lips: Array, ears: Array) -> Array:
    """Density of beard growth: jaw, chin, lower cheeks, moustache; thin under the lower lip."""
    off_lips = 1 - np.clip(lips * 1.6, 0, 1)
    top = np.interp(
        side,
        [0, 1.2, 2.6, 3.5, 5, 6, 6.8, 7.4, 9],
        [-1.5, -1.4, -2.9, -3.6, -3.1, -1.6, 1.2, 2.2, 2.2],
    )
    below = np.clip((top - y) / 1.0, 0, 1)
    above_neck = np.clip((y + 9.6 - np.clip(6 - z, 0, 9) * 0.6) / 1.4, 0, 1)
    jaw = below * above_neck * (z > -0.5) * (1 - ears)
    moustache = np.exp(-((side / 2.6) ** 6)) * np.clip((-1.25 - y) / 0.4, 0, 1)
    moustache *= np.clip((y + 3.6) / 0.4, 0, 1)
    bare = 1 - 0.75 * _blob(side, y, 1.6, -5.0, 0.8, 0.7)
    return np.asarray(np.clip(np.maximum(jaw, moustache) * off_lips * bare, 0, 1))


# --- wrinkles and noise ---------------------------------------------------------------------------


def _wrinkles(surface: Array) -> Array:
    """Height maps of expression wrinkles, drawn on the frontal face as grooves with soft rims."""
    x, y, z = surface[..., 0], surface[..., 1], surface[..., 2]
    front = z > 3
    where = np.stack([np.abs(x), y], -1)

    def groove(points: Sequence[tuple[float, float]], width: float) -> Array:
        return _groove(where, points, width) * front

    forehead = [(0, -0.05), (1.5, 0.12), (3, 0.25), (4.8, -0.05)]
    middle = [(0, 0), (1.2, 0.12), (2.4, -0.1)]
    crow = (-1.7, -0.7, 0.3, 1.3)
    layers = (
        sum(groove([(a, b + h) for a, b in forehead], 0.13) for h in (7.4, 8.3, 9.2, 10.0)),
        sum(groove([(a, b + h) for a, b in middle], 0.13) for h in (7.2, 8.0, 8.8, 9.5)),
        1.3 * groove([(0.75, 4.6), (0.7, 5.5), (0.95, 6.6)], 0.16)
        + 0.6 * groove([(1.3, 5.6), (1.35, 6.4), (1.6, 7.1)], 0.13)
        + 0.6 * groove([(0, 4.0), (0.5, 4.05), (1.0, 4.3)], 0.14),
        sum(groove(_crow_foot(k), 0.11) for k in crow)
        + 0.9 * groove([(1.9, 2.5), (3, 2.0), (4.4, 2.3)], 0.16),
        sum(groove(_nose_line(k), 0.12) for k in range(4))
        + 0.7 * sum(groove(_nose_bridge(k), 0.1) for k in range(2)),
        1.2 * groove([(1.55, 0.4), (2.3, -0.5), (2.95, -1.9), (3.35, -3.4)], 0.22),
        _chin_dimples(x, y) * front + 0.8 * groove([(0, -4.95), (0.8, -5.0), (1.6, -5.3)], 0.18),
        groove([(3.1, -2.6), (3.35, -3.4), (3.2, -4.3)], 0.2),
        groove([(2.7, -3.7), (3.0, -4.6), (3.1, -5.8)], 0.2),
        groove([(1.9, 4.35), (2.6, 4.75), (3.6, 4.75), (4.6, 4.0)], 0.12),
        sum(a * groove(line, width) for a, line, width in _AGE_LINES),
    )
    return np.stack([np.asarray(layer) for layer in layers]).astype(np.float16)


_AGE_LINES = (
    (1.0, [(1.5, 2.35), (2.3, 1.75), (3.3, 1.55), (4.3, 1.85)], 0.2),  # under the bag of the eye
    (0.5, [(2.0, 2.75), (2.9, 2.45), (3.9, 2.65)], 0.1),
    (0.45, [(2.2, 2.45), (3.1, 2.1), (4.0, 2.3)], 0.1),
    (0.35, [(5.0, 1.6), (5.3, 0.4), (5.1, -0.9)], 0.14),  # folds of the cheek
    (0.3, [(4.3, -0.6), (4.5, -1.9), (4.3, -3.2)], 0.14),
    (0.25, [(5.6, 0.6), (5.8, -0.7), (5.5, -2.0)], 0.14),
    (0.6, [(3.3, -5.2), (3.9, -6.0), (4.6, -6.6)], 0.22),  # where the jowl hangs
    *(
        (0.4, [(k * 0.42, -1.9), (k * 0.46, -2.25), (k * 0.48, -2.6)], 0.07) for k in (1, 2, 3, 4)
    ),  # above the lip
    *((0.3, [(k * 0.45, -4.35), (k * 0.44, -4.6), (k * 0.42, -4.9)], 0.07) for k in (1, 2, 3)),
)


def _crow_foot(k: float) -> list[tuple[float, float]]:
    return [(4.75, 3.55), (5.4, 3.6 + k * 0.38), (6.2, 3.7 + k * 0.75)]


def _nose_line(k: int) -> list[tuple[float, float]]:
    return [(0.25, 3.6 - k * 0.45), (0.8, 3.5 - k * 0.45), (1.35, 3.75 - k * 0.5)]


def _nose_bridge(k: int) -> list[tuple[float, float]]:
    return [(0, 3.9 + k * 0.4), (0.3, 3.88 + k * 0.4), (0.6, 3.95 + k * 0.4)]


def _groove(where: Array, points: Sequence[tuple[float, float]], width: float) -> Array:
    """A tapered groove of Gaussian profile along a polyline, with raised rims (width in cm)."""
    line = np.array(points, float)
    spline, _ = splprep(line.T, s=0, k=min(3, len(line) - 1))
    curve = np.stack(splev(np.linspace(0, 1, 60), spline), 1)
    distance, index = cKDTree(curve).query(where.reshape(-1, 2))
    distance = distance.reshape(where.shape[:-1])
    along = np.clip((index / 59.0).reshape(distance.shape), 0.02, 0.98)
    taper = np.sqrt(np.clip(np.sin(np.pi * along), 0, 1))
    rim = np.exp(-(((distance - width * 2.2) / (width * 1.3)) ** 2))
    return np.asarray((np.exp(-((distance / width) ** 2)) - 0.45 * rim) * taper)


def _chin_dimples(x: Array, y: Array) -> Array:
    """The chin's orange-peel look under AU17."""
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur(rng.normal(size=x.shape).astype(np.float32), (0, 0), 4)
    chin = np.exp(-((x / 1.7) ** 2) - ((y + 6.2) / 0.95) ** 2)
    return np.asarray(0.6 * noise / noise.std() * chin)


def _noise(sigma: float, seed: int) -> Array:
    """A tile of Gaussian noise, smoothed over `sigma` pixels, that wraps around; unit variance."""
    white = np.random.default_rng(seed).normal(size=(NOISE_SIZE, NOISE_SIZE)).astype(np.float32)
    k = np.fft.fftfreq(NOISE_SIZE)
    radius = np.sqrt(k[:, None] ** 2 + k[None] ** 2)
    smooth = np.real(np.fft.ifft2(np.fft.fft2(white) * np.exp(-((radius * sigma * 6.28) ** 2) / 2)))
    return np.asarray(smooth / smooth.std(), np.float16)


# --- volumes: distance to the head, identity lattice ----------------------------------------------

_FIELD_LOW, _FIELD_CELL, _FIELD_SHAPE = (-16.0, -20.0, -16.0), 0.45, (72, 82, 76)


def _distance_field(pack: Pack, points: Array) -> dict[str, Array]:
    """Signed distance to the neutral head on a grid, for grooming hair."""
    triangles = np.ascontiguousarray(_triangles(pack, "face", "headneck"))
    normals = vertex_normals(points, triangles)
    centre, outward = points[triangles].mean(1), normals[triangles].mean(1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    low = np.array(_FIELD_LOW, np.float32)
    axes = np.meshgrid(*[np.arange(n) for n in _FIELD_SHAPE], indexing="ij")
    grid = np.stack(axes, -1).reshape(-1, 3) * _FIELD_CELL + low
    distance, nearest = cKDTree(centre).query(grid, k=4)
    above = ((grid[:, None] - centre[nearest]) * outward[nearest]).sum(-1).mean(1)
    signed = np.where(above > 0, distance[:, 0], -distance[:, 0]).reshape(_FIELD_SHAPE)
    field = gaussian_filter(signed.astype(np.float32), 0.7).astype(np.float16)
    return {"field": field, "field_low": low, "field_cell": np.float32(_FIELD_CELL)}


def _ear_vertices(vertex_uv: Array) -> Array:
    u, v = vertex_uv[:, 0], vertex_uv[:, 1]
    return ((u < 0.092) | (u > 0.908)) & (v > 0.44) & (v < 0.70)


def _identity_lattice(pack: Pack, points: Array, vertex_uv: Array) -> dict[str, Array]:
    """Nodes that carry an identity's shape into space: each follows its 40 nearest vertices."""
    axes = (np.linspace(-16, 16, 13), np.linspace(-20, 18, 15), np.linspace(-14, 15, 12))
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), -1).astype(np.float32)
    head = np.unique(_triangles(pack, "face", "headneck"))
    head = head[~_ear_vertices(vertex_uv)[head]]
    _, nearest = cKDTree(points[head]).query(nodes.reshape(-1, 3), k=40)
    return {"lattice": nodes, "lattice_vertices": head[nearest].astype(np.int32)}


# --- hair roots, lashes, torso --------------------------------------------------------------------

_ROOTS = 60000


def _hair_roots(pack: Pack, points: Array, vertex_uv: Array) -> dict[str, Array]:
    """Places where hair can grow: points, normals, and height above the natural hairline."""
    triangles = np.ascontiguousarray(_triangles(pack, "face", "headneck"))
    normals = vertex_normals(points, triangles)
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    centre = (a + b + c) / 3
    above = centre[:, 1] - hairline_height(centre[:, 0], centre[:, 2])
    scalp = (above > -3) & ~_ear_vertices(vertex_uv)[triangles].any(1) & (centre[:, 1] > -6.5)
    rng = np.random.default_rng(0)
    pick = rng.choice(len(triangles), _ROOTS, p=area * scalp / (area * scalp).sum())
    bary = rng.random((_ROOTS, 2))
    outside = bary.sum(1) > 1
    bary[outside] = 1 - bary[outside]
    roots = _interpolate(points, triangles[pick], bary)
    up = _interpolate(normals, triangles[pick], bary)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    height = roots[:, 1] - hairline_height(roots[:, 0], roots[:, 2])
    return {"root": roots, "root_normal": up, "root_height": height.astype(np.float32)}


def _lashes(pack: Pack, points: Array) -> dict[str, Array]:
    """Lash strands (four vertices each, root first) off the lash cards, and which are lower."""
    strands: list[Array] = []
    lower: list[bool] = []
    for side in "LR":
        eye = points[pack.vertices_of(f"sclera_{side}")].mean(0)
        for card, card_uv in _lash_cards(pack, f"lash_{side}"):
            for column in _card_columns(card_uv):
                members = card[column]
                order = np.argsort(np.linalg.norm(points[members] - eye, axis=1))
                members = members[order]
                if len(members) >= 3:
                    strands.append(
                        members[np.round(np.linspace(0, len(members) - 1, 4)).astype(int)]
                    )
                    lower.append(bool(points[card, 1].mean() <= 3.3))
    return {"lash": np.array(strands, np.int32), "lash_lower": np.array(lower)}


def _lash_cards(pack: Pack, part: str) -> list[tuple[Array, Array]]:
    """Vertices and UVs of each connected card of a lash part."""
    chosen = pack["tri_part"] == pack.part(part)
    triangles, uv = pack["tri"][chosen], pack["uv"][pack["tri_uv"][chosen]]
    count = len(pack["neutral"])
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    _, label = connected_components(graph, directed=False)
    vertex_uv = np.zeros((count, 2), np.float32)
    vertex_uv[triangles.ravel()] = uv.reshape(-1, 2)
    vertices = np.unique(triangles)
    cards = [vertices[label[vertices] == k] for k in np.unique(label[vertices])]
    return [(card, vertex_uv[card]) for card in cards]


def _card_columns(uv: Array) -> list[Array]:
    """A card is a grid in UV; lashes run along its shorter lines."""
    u, v = np.round(uv[:, 0], 3), np.round(uv[:, 1], 3)
    across = u if len(np.unique(u)) > len(np.unique(v)) else v
    return [across == value for value in np.unique(across)]


def _bust_edges(pack: Pack, points: Array) -> Array:
    """Directed edges of the open lower rim of the bust, where the torso is attached."""
    triangles = _triangles(pack, "face", "headneck")
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    key = np.sort(edges, 1) @ np.array([len(points), 1])
    _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
    rim = edges[count[inverse] == 1]
    return np.asarray(rim[(points[rim, 1] < -11).all(1)], np.int32)


# --- identity space -------------------------------------------------------------------------------


def masculinity_direction(pack: Pack) -> Array:
    """Unit vector over the identity modes along which faces look more masculine (100,).

    A weighted sum of measures on the landmarks: wide jaw and nose, thin lips, narrow low-browed
    eyes, a heavy brow ridge, long nose, wide neck. `masculinity.MASCULINITY` holds the result.
    """
    modes, lm = pack["identity"].astype(np.float32), pack["lm68"]

    def spread(i: int, j: int, axis: int) -> Array:
        return np.asarray(modes[:, lm[i], axis] - modes[:, lm[j], axis])

    neck = pack.vertices_of("headneck")
    offset = np.abs(pack["neutral"][neck] - [7.5, -9, -1]).sum(1)
    side_of_neck = neck.start + int(offset.argmin())
    measures = (
        (1.0, spread(11, 5, 0)),
        (0.7, spread(9, 7, 0)),
        (0.8, -(spread(51, 62, 1) + spread(66, 57, 1))),
        (0.8, -(spread(37, 41, 1) + spread(44, 46, 1))),
        (0.7, -(spread(19, 37, 1) + spread(24, 44, 1))),
        (1.1, spread(19, 37, 2) + spread(24, 44, 2)),
        (0.5, spread(27, 33, 1)),
        (1.2, modes[:, side_of_neck, 0]),
        (0.6, spread(35, 31, 0)),
        (0.5, spread(33, 51, 1)),
    )
    total = sum(weight * m / (np.linalg.norm(m) + 1e-9) for weight, m in measures)
    return np.asarray(total / np.linalg.norm(total), np.float32)
