"""Irradiance at vertices and hair, with soft shadows from shadow maps of many lights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.head import HeadModel
from synfer_core.facekit.jit import inlined, jit
from synfer_core.facekit.lights import AMBIENT, Lighting
from synfer_core.facekit.raster import rasterise_depth, smooth_normals

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_MAP = 112  # cells on a side of a shadow map
_EXTENT = 15.0  # half the width it covers, cm
_CENTRE = np.array([0.0, 1.0, 1.0], np.float32)
_HAIR_DENSITY = 14000.0  # shadow strength of a full head of hair, shared among its points
_HAIR_STEP = 3  # strand points between lit ones
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_FULL_HAIR = 12  # strands with at most so many points are lit at every second


@dataclass(frozen=True, eq=False)
class VertexLight:
    """Light at each vertex.

    Attributes:
        irradiance: Linear RGB (n, 3).
        direction: Mean direction of light, weighted by its luminance (n, 3).
        visible: Share of each highlight's light that is not in shadow (n, groups).
    """

    irradiance: Floats
    direction: Floats
    visible: Floats


@dataclass(frozen=True, eq=False)
class HairPoints:
    """Strand points that are lit, and those that cast shadows.

    Attributes:
        points, tangents, normals: Lit points (n, 3).
        casters: Points that throw shadows (m, 3).
        columns: Which points of a strand are lit.
    """

    points: Floats
    tangents: Floats
    normals: Floats
    casters: Floats
    columns: Ints

    @classmethod
    def of(
        cls, strands: Floats, normals: Floats, turn: Floats, shown: NDArray[np.bool_]
    ) -> HairPoints:
        """Pick the lit points of posed strands (n, m, 3); only `shown` strands are lit."""
        columns = lit_columns(strands.shape[1])
        seen = np.flatnonzero(shown).astype(np.int32)
        out = np.empty((3, len(seen) * len(columns), 3), np.float32)
        _pick_points(strands, normals, turn, seen, columns, out)
        casters = np.ascontiguousarray(strands[::2, columns].reshape(-1, 3))
        return cls(out[0], out[1], out[2], casters, columns)


def lit_columns(count: int) -> Ints:
    """Which of `count` strand points are lit; light in between is interpolated."""
    step = 1 if count <= 5 else 2 if count <= _FULL_HAIR else _HAIR_STEP
    chosen = np.arange(0, count, step)
    return np.unique(np.append(chosen, count - 1)).astype(np.int32)


def _frame(direction: Floats) -> Floats:
    """Affine map (3, 4) from the world to map cells and height along the light."""
    x, y, z = direction
    right = np.array([z, 0, -x]) if abs(y) < 0.9 else np.array([0, -z, y])
    right = right / np.linalg.norm(right)
    up = np.cross(direction, right)
    scale = _MAP / 2 / _EXTENT
    axes = np.stack([right * scale, up * scale, direction])
    shift = np.array([_MAP / 2, _MAP / 2, 0]) - axes @ _CENTRE
    return np.concatenate([axes, shift[:, None]], 1).astype(np.float32)


def _mesh_map(frame: Floats, skin: Floats, casters: Ints) -> Floats:
    """Height of the mesh along a light."""
    mesh = np.full((_MAP, _MAP), -1e9, np.float32)
    rasterise_depth(_to_light(skin, frame), casters, mesh)
    return mesh


@dataclass(frozen=True, eq=False)
class HairShadows:
    """The shadows that hair throws in each light of a scene, whatever the face does.

    Attributes:
        frames: See `_frame` (lights, 3, 4).
        nearest, count: Height of the uppermost hair along each light, and number of hairs, smoothed
            (lights, cells, cells).
        veil: As `nearest`, with the cells around each hair: it shades skin there.
        density: Shadow strength of one hair.
    """

    lighting: Lighting
    frames: Floats
    nearest: Floats
    veil: Floats
    count: Floats
    density: np.float32

    @classmethod
    def cast(cls, lighting: Lighting, hair: HairPoints | None) -> HairShadows:
        """Cast the shadows of posed hair, if any."""
        frames = np.stack([_frame(direction) for direction in lighting.direction])
        nearest = np.full((len(frames), _MAP, _MAP), -1e9, np.float32)
        count, veil = np.zeros_like(nearest), np.empty_like(nearest)
        casters = np.zeros((0, 3), np.float32) if hair is None else hair.casters
        for k, frame in enumerate(frames):
            _count_hair(casters, frame, nearest[k], count[k])
            # Single strands would throw blotches: cells are coarse and hair is sampled thinly.
            count[k] = cv2.GaussianBlur(count[k], (5, 5), 1.1)
            veil[k] = cv2.dilate(nearest[k], _NEIGHBOURS)
        density = np.float32(_HAIR_DENSITY / max(1, len(casters)))
        return cls(lighting, frames, nearest, veil, count, density)


@dataclass(frozen=True, eq=False)
class ShadowMaps:
    """Shadows of the mesh (lights, cells, cells) and of hair in each light of a scene."""

    hair: HairShadows
    mesh: Floats

    @classmethod
    def cast(cls, head: HeadModel, points: Floats, hair: HairShadows) -> ShadowMaps:
        """Cast the shadows of a posed mesh (n, 3)."""
        skin = points[head.caster_vertices]
        return cls(hair, np.stack([_mesh_map(f, skin, head.casters) for f in hair.frames]))

    @property
    def lighting(self) -> Lighting:
        """The lights."""
        return self.hair.lighting


def light_vertices(
    head: HeadModel, points: Floats, normals: Floats, shown: Ints, shadows: ShadowMaps
) -> VertexLight:
    """Light the vertices that can be seen.

    Args:
        points, normals: Posed mesh (n, 3).
        shown: Vertices to light.
    """
    lighting = shadows.lighting
    groups = len(lighting.key_direction)
    light = VertexLight(*(np.zeros((len(points), k), np.float32) for k in (3, 3, groups)))
    soft = smooth_normals(normals, head.triangles, 3)
    share = _group_share(lighting)
    hair = shadows.hair
    for k, frame in enumerate(hair.frames):
        _light_vertices(
            points, normals, soft, shown, lighting.direction[k], lighting.colour[k],
            lighting.wrap[k], lighting.group[k], share[k], frame, shadows.mesh[k], hair.veil[k],
            hair.count[k], hair.density, light.irradiance, light.direction, light.visible,
        )  # fmt: skip
    return light


def _group_share(lighting: Lighting) -> Floats:
    """Share of its highlight that each light contributes."""
    group = lighting.group
    sizes = np.array([max(1, int((group == g).sum())) for g in group])
    return (1.0 / sizes).astype(np.float32)


def light_hair(head: HeadModel, points: Floats, hair: HairPoints, shadows: HairShadows) -> Floats:
    """Diffuse and specular light at strand points (n, 6), after Kajiya and Kay, SIGGRAPH 1989.

    Hair takes one light for each highlight and three for the dome, with the shadow map of the
    light nearest to each.

    Args:
        points: Posed neutral mesh (n, 3): the face's moves throw no shadows on hair.
    """
    lighting, skin = shadows.lighting, points[head.caster_vertices]
    out = np.zeros((len(hair.points), 6), np.float32)
    for direction, colour, shiny in _hair_lights(lighting):
        k = int((lighting.direction @ direction).argmax())
        mesh = _mesh_map(shadows.frames[k], skin, head.casters)
        _light_hair(
            hair.points, hair.tangents, hair.normals, direction, colour, shiny,
            shadows.frames[k], mesh, shadows.nearest[k], out,
        )  # fmt: skip
    return out


def _hair_lights(lighting: Lighting) -> list[tuple[Floats, Floats, bool]]:
    """Direction, colour, and whether it shines, of the lights that hair takes."""
    lights = []
    for g in range(len(lighting.key_direction)):
        colour = lighting.colour[lighting.group == g].sum(0)
        lights.append((lighting.key_direction[g], colour, True))
    dome = lighting.group == AMBIENT
    direction, colour = lighting.direction[dome], lighting.colour[dome]
    high = direction[:, 1] > 0.3
    for members in (high, ~high & (direction[:, 0] >= 0), ~high & (direction[:, 0] < 0)):
        if members.any():
            mean = direction[members].mean(0) + np.array([0, 0, 1e-3], np.float32)
            lights.append((mean / np.linalg.norm(mean), colour[members].sum(0), False))
    return lights


# --- kernels --------------------------------------------------------------------------------------


@jit
def _pick_points(strands: Any, normals: Any, turn: Any, seen: Any, columns: Any, out: Any) -> None:
    """Points, tangents and turned unit normals of chosen strands at chosen columns."""
    last = strands.shape[1] - 1
    n = 0
    for i in seen:
        for s in columns:
            before, after = max(s - 1, 0), min(s + 1, last)
            tangent, normal = np.float32(1e-12), np.float32(1e-12)
            for k in range(3):
                out[0, n, k] = strands[i, s, k]
                out[1, n, k] = strands[i, after, k] - strands[i, before, k]
                out[2, n, k] = (
                    turn[k, 0] * normals[i, s, 0]
                    + turn[k, 1] * normals[i, s, 1]
                    + turn[k, 2] * normals[i, s, 2]
                )
                tangent += out[1, n, k] * out[1, n, k]
                normal += out[2, n, k] * out[2, n, k]
            tangent, normal = 1.0 / np.sqrt(tangent), 1.0 / np.sqrt(normal)
            for k in range(3):
                out[1, n, k] *= tangent
                out[2, n, k] *= normal
            n += 1


@jit
def _to_light(points: Any, frame: Any) -> Any:
    out = np.empty(points.shape, np.float32)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            out[i, k] = frame[k, 0] * x + frame[k, 1] * y + frame[k, 2] * z + frame[k, 3]
    return out


@jit
def _count_hair(points: Any, frame: Any, nearest: Any, count: Any) -> None:
    size = count.shape[0]
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        column = int(frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3])
        row = int(frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3])
        if 0 <= column < size and 0 <= row < size:
            height = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3]
            count[row, column] += 1
            nearest[row, column] = max(nearest[row, column], height)


@inlined
def _visibility(x: Any, y: Any, z: Any, mesh: Any, hair: Any, count: Any, density: Any) -> Any:
    """Share of a light that reaches a point of the skin, filtered over four cells."""
    left, top = np.floor(x - 0.5), np.floor(y - 0.5)
    column, row = int(left), int(top)
    if column < 0 or row < 0 or column >= mesh.shape[1] - 1 or row >= mesh.shape[0] - 1:
        return np.float32(1)
    ax, ay = x - 0.5 - left, y - 0.5 - top
    z += np.float32(0.3)
    share, strands = np.float32(0), np.float32(0)
    for i in range(2):
        for j in range(2):
            weight = (ay if i else 1.0 - ay) * (ax if j else 1.0 - ax)
            if mesh[row + i, column + j] < z:
                share += weight
            if hair[row + i, column + j] > z + np.float32(0.2):
                strands += 4.0 * weight * count[row + i, column + j]
    if strands > 0.0:
        share *= np.exp(-min(strands * density, np.float32(1.1)))
    return share


@jit
def _light_vertices(
    points: Any, normals: Any, soft: Any, shown: Any, direction: Any, colour: Any,
    wrap: Any, group: Any, part: Any, frame: Any, mesh: Any, hair: Any, count: Any, density: Any,
    irradiance: Any, mean: Any, visible: Any,
) -> None:  # fmt: skip
    """Add one light. Red wraps further around the terminator than blue, as it does in skin."""
    lx, ly, lz = direction[0], direction[1], direction[2]
    luminance = (colour[0] + colour[1] + colour[2]) / 3.0
    wrap_g, wrap_b = wrap * np.float32(0.5), wrap * np.float32(0.35)
    for s in range(shown.shape[0]):
        i = shown[s]
        facing = normals[i, 0] * lx + normals[i, 1] * ly + normals[i, 2] * lz
        if facing < -0.5:
            continue
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        column = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3]
        row = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3]
        height = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3]
        share = _visibility(column, row, height, mesh, hair, count, density)
        if share <= 0.0:
            continue
        smooth = soft[i, 0] * lx + soft[i, 1] * ly + soft[i, 2] * lz
        red = (np.float32(0.5) * (facing + smooth) + wrap) / (1.0 + wrap)
        green = (np.float32(0.75) * facing + np.float32(0.25) * smooth + wrap_g) / (1.0 + wrap_g)
        blue = (facing + wrap_b) / (1.0 + wrap_b)
        irradiance[i, 0] += share * max(red, np.float32(0)) * colour[0]
        irradiance[i, 1] += share * max(green, np.float32(0)) * colour[1]
        irradiance[i, 2] += share * max(blue, np.float32(0)) * colour[2]
        if facing > 0.0:
            mean[i, 0] += share * luminance * lx
            mean[i, 1] += share * luminance * ly
            mean[i, 2] += share * luminance * lz
        if group >= 0:
            visible[i, group] += share * part


@jit
def _light_hair(
    points: Any, tangent: Any, normals: Any, direction: Any, colour: Any, shiny: bool,
    frame: Any, mesh: Any, hair: Any, out: Any,
) -> None:  # fmt: skip
    lx, ly, lz = direction[0], direction[1], direction[2]
    size = mesh.shape[0]
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        column = int(frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3])
        row = int(frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3])
        share = np.float32(1)
        if 0 <= column < size and 0 <= row < size:
            height = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3]
            if mesh[row, column] > height + np.float32(0.5):
                continue
            under = hair[row, column] - height
            if under > 3.5:
                continue
            if under > 0.0:
                share = np.exp(-under * np.float32(1.1))
        along = tangent[i, 0] * lx + tangent[i, 1] * ly + tangent[i, 2] * lz
        facing = normals[i, 0] * lx + normals[i, 1] * ly + normals[i, 2] * lz
        sine = np.sqrt(max(np.float32(0), 1.0 - along * along))
        diffuse = share * sine * max(np.float32(0), np.float32(0.35) + np.float32(0.65) * facing)
        for k in range(3):
            out[i, k] += diffuse * colour[k]
        if shiny:
            to_eye = tangent[i, 2]
            cosine = sine * np.sqrt(max(np.float32(0), 1.0 - to_eye * to_eye)) - along * to_eye
            if cosine > 0.0:
                c2 = cosine * cosine
                c4 = c2 * c2
                c8 = c4 * c4
                lobe = c8 * c8 * np.float32(0.5) + c4 * c2 * np.float32(0.25)
                lobe *= share * max(np.float32(0), np.float32(0.2) + facing)
                for k in range(3):
                    out[i, 3 + k] += lobe * colour[k]
