"""Shading kernels: from triangle and weights at each pixel to light, albedo and highlights.

Irradiance and albedo are kept apart, so that light can be blurred under the skin (see
`postprocess.scatter`) before the two are multiplied. Colours are linear RGB.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.head import GUMS, HEAD, MOUTH, SCLERA_L, SCLERA_R, TEETH, TORSO
from synfer_core.facekit.jit import inlined, jit
from synfer_core.facekit.materials import ClothMaterial, EyeMaterial, MouthMaterial, SkinMaterial

Floats = NDArray[np.float32]

_MASK_SIZE, _WRINKLES = 1024.0, 512.0  # texels on a side
_NOISE_WRAP = 511
_PACKED = 16  # values of a packed vertex: as many as memory is read at once
_NOISE_STEP = 1 / 23  # its range is 5.4 standard deviations
_FINE = 30.0  # pixels a cm from which a pixel no longer spans several mask texels
_BLOCK_REACH = 8.0  # pixels that a block's samples may lie apart, measured along the skin
_SEAM, _SMOOTH = 0.02, 0.8  # difference in UV, cosine of normals, that end a smooth piece of skin
_FLESH = (0.34, 0.15, 0.13)  # albedo of the caruncle
_LIPS, _BLUSH, _UNDER_EYE, _BEARD, _LID, _HAIRLINE, _LASH_LINE, _NOSTRIL = range(8)


class Surface(NamedTuple):
    """What is where: triangle (H, W), -1 for none, weights of its corners 2 and 3 (H, W, 2),
    and the mesh with rest and posed vertices, posed normals."""

    owner: NDArray[np.int32]
    bary: Floats
    triangles: NDArray[np.int32]
    part: NDArray[np.int8]
    uv: Floats
    rest: Floats
    points: Floats
    normals: Floats


class Light(NamedTuple):
    """Light at the vertices in view (k,), exposed: irradiance, mean direction (n, 3), visibility of
    each highlight (n, groups); direction and colour of the highlights (groups, 3)."""

    shown: NDArray[np.int32]
    irradiance: Floats
    direction: Floats
    visible: Floats
    key_direction: Floats
    key_colour: Floats


class Textures(NamedTuple):
    """Masks (1024, 1024, 8) uint8, the part of the first that shows lips, with its first row and
    column, noise tile (512, 512, 4) in steps of `_NOISE_STEP`, the hairline by angle in degrees.

    They are as small as they can be: at every pixel they are read at another place.
    """

    masks: NDArray[np.uint8]
    lips: NDArray[np.uint8]
    lips_at: tuple[int, int]
    noise: NDArray[np.int8]
    hairline_angle: Floats
    hairline_y: Floats

    @classmethod
    def of(cls, derived: Mapping[str, NDArray[Any]]) -> Textures:
        """The textures of what was derived from a pack."""
        masks = derived["masks"]
        rows, columns = (np.flatnonzero(masks[..., _LIPS].any(k)) for k in (1, 0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        lips = np.ascontiguousarray(masks[(*box, _LIPS)])
        steps = np.rint(np.moveaxis(derived["noise"], 0, -1).astype(np.float32) / _NOISE_STEP)
        noise = np.ascontiguousarray(np.clip(steps, -127, 127).astype(np.int8))
        at = (int(rows[0]), int(columns[0]))
        return cls(masks, lips, at, noise, derived["hairline_angle"], derived["hairline_y"])


class Shaded(NamedTuple):
    """Results: irradiance, albedo, highlights (H, W, 3); share of skin and of eye (H, W)."""

    irradiance: Floats
    albedo: Floats
    highlight: Floats
    skin: Floats
    eye: Floats


def empty_shaded(size: int) -> Shaded:
    """Black buffers of a square picture."""
    colour = [np.zeros((size, size, 3), np.float32) for _ in range(3)]
    return Shaded(*colour, *(np.zeros((size, size), np.float32) for _ in range(2)))


# --- small parts ----------------------------------------------------------------------------------


@inlined
def _clamp(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, low), high)


@inlined
def _mix(values: Any, a: Any, b: Any, c: Any, w0: Any, w1: Any, w2: Any) -> Any:
    """A vertex vector at a point of a triangle."""
    return (
        values[a, 0] * w0 + values[b, 0] * w1 + values[c, 0] * w2,
        values[a, 1] * w0 + values[b, 1] * w1 + values[c, 1] * w2,
        values[a, 2] * w0 + values[b, 2] * w1 + values[c, 2] * w2,
    )


@inlined
def _unit(x: Any, y: Any, z: Any) -> Any:
    scale = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-9)
    return x * scale, y * scale, z * scale


@inlined
def _uv_at(uv: Any, t: Any, w0: Any, w1: Any, w2: Any) -> Any:
    return (
        uv[t, 0, 0] * w0 + uv[t, 1, 0] * w1 + uv[t, 2, 0] * w2,
        uv[t, 0, 1] * w0 + uv[t, 1, 1] * w1 + uv[t, 2, 1] * w2,
    )


@inlined
def _blend(
    image: Any, top: Any, bottom: Any, left: Any, right: Any, k: Any,
    w00: Any, w01: Any, w10: Any, w11: Any,
) -> Any:  # fmt: skip
    """One channel between four texels."""
    upper = np.float32(image[top, left, k]) * w00 + np.float32(image[top, right, k]) * w01
    lower = np.float32(image[bottom, left, k]) * w10 + np.float32(image[bottom, right, k]) * w11
    return upper + lower


@inlined
def _noise_at(noise: Any, x: Any, y: Any) -> Any:
    """Four octaves of the wrapping noise tile, fine to coarse."""
    left, above = np.floor(x), np.floor(y)
    ax, ay = x - left, y - above
    column, row = int(left), int(above)
    right, below = (column + 1) & _NOISE_WRAP, (row + 1) & _NOISE_WRAP
    column, row = column & _NOISE_WRAP, row & _NOISE_WRAP
    bx, by, ay = 1.0 - ax, (1.0 - ay) * _NOISE_STEP, ay * _NOISE_STEP
    w00, w01, w10, w11 = bx * by, ax * by, bx * ay, ax * ay
    return (
        _blend(noise, row, below, column, right, 0, w00, w01, w10, w11),
        _blend(noise, row, below, column, right, 1, w00, w01, w10, w11),
        _blend(noise, row, below, column, right, 2, w00, w01, w10, w11),
        _blend(noise, row, below, column, right, 3, w00, w01, w10, w11),
    )


@inlined
def _wrinkle_at(heights: Any, u: Any, v: Any) -> Any:
    x = _clamp(u * _WRINKLES - 0.5, 0.0, _WRINKLES - 1.01)
    y = _clamp((1.0 - v) * _WRINKLES - 0.5, 0.0, _WRINKLES - 1.01)
    i, j = int(y), int(x)
    ax, ay = x - np.float32(j), y - np.float32(i)
    top = heights[i, j] * (1.0 - ax) + heights[i, j + 1] * ax
    return top * (1.0 - ay) + (heights[i + 1, j] * (1.0 - ax) + heights[i + 1, j + 1] * ax) * ay


@inlined
def _masks_at(masks: Any, u: Any, v: Any) -> Any:
    """All mask channels at a UV point, 0-1."""
    x = _clamp(u * _MASK_SIZE - 0.5, 0.0, _MASK_SIZE - 1.1)
    y = _clamp((1.0 - v) * _MASK_SIZE - 0.5, 0.0, _MASK_SIZE - 1.1)
    i, j = int(y), int(x)
    ax, ay = x - np.float32(j), y - np.float32(i)
    scale = 1 / 255
    w00, w01 = (1.0 - ax) * (1.0 - ay) * scale, ax * (1.0 - ay) * scale
    w10, w11 = (1.0 - ax) * ay * scale, ax * ay * scale
    return (
        _blend(masks, i, i + 1, j, j + 1, 0, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 1, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 2, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 3, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 4, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 5, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 6, w00, w01, w10, w11),
        _blend(masks, i, i + 1, j, j + 1, 7, w00, w01, w10, w11),
    )


@inlined
def _texel(u: Any, v: Any) -> Any:
    """Row and column of the mask texel at a UV point."""
    last = int(_MASK_SIZE) - 1
    i, j = int((1.0 - v) * _MASK_SIZE), int(u * _MASK_SIZE)
    return min(max(i, 0), last), min(max(j, 0), last)


@inlined
def _nearest_masks(masks: Any, u: Any, v: Any) -> Any:
    """All mask channels at the nearest texel, 0-1: enough where a pixel spans several texels."""
    i, j = _texel(u, v)
    scale = np.float32(1 / 255)
    return (
        np.float32(masks[i, j, 0]) * scale,
        np.float32(masks[i, j, 1]) * scale,
        np.float32(masks[i, j, 2]) * scale,
        np.float32(masks[i, j, 3]) * scale,
        np.float32(masks[i, j, 4]) * scale,
        np.float32(masks[i, j, 5]) * scale,
        np.float32(masks[i, j, 6]) * scale,
        np.float32(masks[i, j, 7]) * scale,
    )


@inlined
def _lips_at(lips: Any, at: Any, u: Any, v: Any) -> Any:
    """The lip mask at the nearest texel, 0-1."""
    i, j = _texel(u, v)
    i, j = i - at[0], j - at[1]
    if i < 0 or j < 0 or i >= lips.shape[0] or j >= lips.shape[1]:
        return np.float32(0)
    return np.float32(lips[i, j]) * np.float32(1 / 255)


@inlined
def _above_hairline(angles: Any, heights: Any, x: Any, y: Any, z: Any) -> Any:
    """Height of a point of the head above the natural hairline."""
    angle = abs(np.arctan2(x, z - 1.0)) * 57.29578
    k = 0
    last = angles.shape[0] - 2
    while k < last and angles[k + 1] < angle:
        k += 1
    share = (angle - angles[k]) / (angles[k + 1] - angles[k])
    share = _clamp(share, 0.0, 1.0)
    return y - heights[k] * (1.0 - share) - heights[k + 1] * share


@inlined
def _lobe(light: Any, normal: Any, gloss: Any) -> Any:
    """A light's highlight on a normal: a broad and a tight Blinn lobe with Schlick's Fresnel."""
    lx, ly, lz = light
    nx, ny, nz = normal
    facing = max(nx * lx + ny * ly + nz * lz, 0.0)
    hz = lz + 1.0
    scale = 1.0 / np.sqrt(lx * lx + ly * ly + hz * hz + 1e-9)
    half = (nx * lx + ny * ly + nz * hz) * scale
    away = 1.0 - hz * scale
    fresnel = 0.04 + 0.96 * away * away * away * away * away
    h4 = half * half * half * half
    h8 = h4 * h4
    broad = h8 * h4 * 0.8
    tight = h8 * h8 * h8 * h8 * h8 * 2.2
    return fresnel * (broad + (tight - broad) * gloss) * facing * 1.6


@inlined
def _highlights(
    directions: Any, colours: Any, visible: Any, corners: Any, normal: Any, gloss: Any,
    strength: Any,
) -> Any:  # fmt: skip
    """Specular light of all highlights."""
    a, b, c, w0, w1, w2 = corners
    red = green = blue = 0.0
    for k in range(directions.shape[0]):
        light = (directions[k, 0], directions[k, 1], directions[k, 2])
        seen = visible[a, k] * w0 + visible[b, k] * w1 + visible[c, k] * w2
        amount = _lobe(light, normal, gloss) * strength * seen
        red += amount * colours[k, 0]
        green += amount * colours[k, 1]
        blue += amount * colours[k, 2]
    return red, green, blue


@inlined
def _store(image: Any, y: Any, x: Any, red: Any, green: Any, blue: Any) -> None:
    image[y, x, 0] = red
    image[y, x, 1] = green
    image[y, x, 2] = blue


@inlined
def _store_albedo(image: Any, y: Any, x: Any, red: Any, green: Any, blue: Any) -> None:
    least = 0.003
    _store(image, y, x, max(red, least), max(green, least), max(blue, least))


# --- skin -----------------------------------------------------------------------------------------


@jit
def skin_relief(
    surface: Surface, heights: Floats, textures: Textures, skin: SkinMaterial, relief: Floats
) -> None:
    """Height of the skin at each pixel (cm): wrinkles, pores, the lips' grain."""
    # Arrays are taken out of their tuple once: reaching into it at every pixel counts references.
    owner, bary, part, triangles = surface.owner, surface.bary, surface.part, surface.triangles
    rest, uv, noise = surface.rest, surface.uv, textures.noise
    mask, place = textures.lips, textures.lips_at
    ou, ov, pores = skin.offset_u, skin.offset_v, skin.pores
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            t = owner[y, x]
            if t < 0 or part[t] > HEAD:
                continue
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            w0 = 1.0 - w1 - w2
            if part[t] == HEAD:
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                qx, qy, qz = _mix(rest, a, b, c, w0, w1, w2)
                n = _noise_at(noise, (qx + qz) * 50.0 + ou, qy * 50.0 + ov)
                relief[y, x] = pores * 1.5 * n[1]
                continue
            u, v = _uv_at(uv, t, w0, w1, w2)
            lips = _lips_at(mask, place, u, v)
            n = _noise_at(noise, u * 1000.0 + ou, v * 1000.0 + ov)
            h = pores * (n[0] + 1.2 * n[1]) * (1.0 - lips)
            if lips > 0.0:
                n = _noise_at(noise, u * 4500.0 + ou, v * 300.0 + ov)
                h += lips * 0.010 * n[1]
            relief[y, x] = h - _wrinkle_at(heights, u, v)


@inlined
def _slope(relief: Any, y: Any, x: Any, per_cm: Any) -> Any:
    """Slope of the relief to the right and upwards at a pixel, 0 at the picture's edge."""
    last = relief.shape[0] - 1
    if min(x, y) == 0 or max(x, y) == last:
        return 0.0, 0.0
    across, up = relief[y, x + 1] - relief[y, x - 1], relief[y - 1, x] - relief[y + 1, x]
    return across * 0.5 * per_cm, up * 0.5 * per_cm


@inlined
def _block_slope(relief: Any, y: Any, x: Any, per_cm: Any) -> Any:
    """Mean slope over the block of two by two pixels whose first is (y, x)."""
    last = relief.shape[0] - 2
    if min(x, y) == 0 or max(x, y) >= last:
        return 0.0, 0.0
    across = relief[y, x + 2] + relief[y, x + 1] - relief[y, x] - relief[y, x - 1]
    across += relief[y + 1, x + 2] + relief[y + 1, x + 1] - relief[y + 1, x] - relief[y + 1, x - 1]
    up = relief[y - 1, x] + relief[y, x] - relief[y + 1, x] - relief[y + 2, x]
    up += relief[y - 1, x + 1] + relief[y, x + 1] - relief[y + 1, x + 1] - relief[y + 2, x + 1]
    return across * 0.125 * per_cm, up * 0.125 * per_cm


@inlined
def _bumped(slope: Any, nx: Any, ny: Any, nz: Any) -> Any:
    """A normal tilted by the relief's slope."""
    facing = max(nz, 0.0)
    return _unit(
        nx - _clamp(slope[0], -0.8, 0.8) * facing, ny - _clamp(slope[1], -0.8, 0.8) * facing, nz
    )


@inlined
def _exp(x: Any) -> Any:
    """e to the power of x from -4 to 4, within 0.02 %: compiled for many numbers at once."""
    y = x * 0.125
    e = 1.0 + y * (1.0 + y * (0.5 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120)))))
    e *= e
    e *= e
    return e * e


@inlined
def _pigment(skin: Any, mask: Any, noise: Any, blood: Any, melanin: Any) -> Any:
    """Albedo from blood and melanin beyond the base tone (Jimenez et al., SIGGRAPH Asia 2010)."""
    where = (mask[_BLUSH] * 1.1 + 0.12) * _clamp(0.7 + 0.5 * noise[2], 0.0, 1.3)
    melanin += skin.freckles * _clamp((noise[0] - 1.1) * 0.9, 0.0, 0.7) * where
    melanin += skin.freckles * _clamp(noise[1] - 2.3, 0.0, 0.5) * 0.5
    melanin += skin.spots * _clamp((noise[2] - 1.7) * 2.0, 0.0, 0.7) * (1.0 - mask[_LIPS])
    return (
        skin.albedo[0] * _exp(-(blood * 0.10 + melanin * 0.47)),
        skin.albedo[1] * _exp(-(blood * 0.62 + melanin * 0.72)),
        skin.albedo[2] * _exp(-(blood * 0.50 + melanin * 0.95)),
    )


@inlined
def _painted(colour: Any, over: Any, amount: Any) -> Any:
    return (
        colour[0] + (over[0] - colour[0]) * amount,
        colour[1] + (over[1] - colour[1]) * amount,
        colour[2] + (over[2] - colour[2]) * amount,
    )


@inlined
def _scalp_cover(skin: Any, above: Any, x: Any, y: Any, z: Any, noise: Any) -> Any:
    """How much the roots of the hair darken the scalp."""
    off = min((abs(x) - 4.2) * 0.5, 2.0)
    temples = skin.recession * _exp(-off * off) if z > 0.0 else 0.0
    limit = skin.hairline + temples + skin.bare_crown * _clamp((y - 8.5) / 1.5, 0.0, 1.0)
    depth = above - limit - 0.2 + skin.undercoat_rise + 0.16 * noise[1] + 0.06 * noise[2]
    share = _clamp(depth / 1.5, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share) * skin.undercoat


@inlined
def _skin_colour(skin: Any, mask: Any, noise: Any, rest: Any, above: Any) -> Any:
    """Albedo of a point of skin with lips, stubble, scalp and make-up on it."""
    mottle = 0.06 * noise[2] + 0.04 * noise[3] + 0.04 * skin.grain * noise[1]
    blood = (0.8 * skin.blush * mask[_BLUSH] + skin.blotches * mottle) * skin.redness
    blood += 0.022 * skin.grain * noise[1]
    melanin = skin.under_eye * mask[_UNDER_EYE]
    melanin += skin.grain * (0.022 * noise[1] + 0.026 * noise[0])
    melanin += (0.02 * noise[3] + 0.02 * noise[2]) * skin.blotches
    colour = _pigment(skin, mask, noise, blood, melanin)
    grain = 1.0 + 0.06 * noise[1]
    lip = (skin.lip[0] * grain, skin.lip[1] * grain, skin.lip[2] * grain)
    colour = _painted(colour, lip, mask[_LIPS] * 0.92)
    cover = skin.stubble * mask[_BEARD]
    cover *= _clamp(0.62 + 0.22 * noise[0] + 0.12 * noise[1], 0.0, 1.0)
    under = (
        skin.scalp[0] * 0.93 + 0.125 * colour[0],
        skin.scalp[1] * 0.93 + 0.137 * colour[1],
        skin.scalp[2] * 0.93 + 0.155 * colour[2],
    )
    colour = _painted(colour, under, cover)
    cover = _scalp_cover(skin, above, rest[0], rest[1], rest[2], noise)
    colour = _painted(colour, skin.scalp, cover)
    line = 1.0 - mask[_LASH_LINE] * skin.liner
    colour = (colour[0] * line, colour[1] * line, colour[2] * line)
    return _painted(colour, skin.shadow, mask[_LID] * skin.eye_shadow)


@inlined
def _on_head(angles: Any, heights: Any, noise: Any, skin: Any, rest: Any) -> Any:
    """Masks (none), height above the hairline and noise on the back of the head and the neck."""
    no = 0.0
    above = _above_hairline(angles, heights, rest[0], rest[1], rest[2])
    x, y = rest[0] * 22.0 + skin.offset_u, rest[1] * 22.0 + rest[2] * 15.0 + skin.offset_v
    return (no, no, no, no, no, no, no, no), above, _noise_at(noise, x, y)


@inlined
def _on_face(masks: Any, noise: Any, skin: Any, u: Any, v: Any, fine: Any) -> Any:
    """Masks, height above the hairline and noise at a UV point of the face."""
    mask = _masks_at(masks, u, v) if fine else _nearest_masks(masks, u, v)
    above = (mask[_HAIRLINE] - 0.5) * 16.0
    return mask, above, _noise_at(noise, u * 700.0 + skin.offset_u, v * 700.0 + skin.offset_v)


@inlined
def _tilted_light(light: Any, direction: Any, smooth: Any, normal: Any) -> Any:
    """Irradiance on a normal that relief has tilted; red, scattered further, follows half."""
    red, green, blue = light
    tilt = direction[0] * (normal[0] - smooth[0]) + direction[1] * (normal[1] - smooth[1])
    tilt += direction[2] * (normal[2] - smooth[2])
    gain = 1.0 + tilt / ((red + green + blue) * (1 / 3) + 1e-4)
    gain = _clamp(gain, 0.25, 1.8)
    return red * (1.0 + gain) * 0.5, green * gain, blue * gain


@inlined
def _shadowed(colour: Any, nostril: Any, relief: Any) -> Any:
    """Albedo darkened in the nostrils and, towards red, in folds."""
    dark = 1.0 - 0.75 * nostril
    ruddy = dark * (1.0 - 0.25 * nostril)
    # Pores hold shadow that light under the skin does not blur away.
    pore = _clamp(relief, -0.012, 0.012)
    fold = max(1.0 + relief * 2.4, 0.55) if relief < -0.01 else 1.0
    dark = dark * (1.0 + pore * 5.0) * (0.4 + 0.6 * fold)
    ruddy = ruddy * (1.0 + pore * 7.0) * fold
    return colour[0] * dark, colour[1] * ruddy, colour[2] * ruddy


@inlined
def _sheen(skin: Any, mask: Any, noise: Any) -> Any:
    """Gloss (0 broad to 1 tight) and strength of highlights: oily cheeks, wet lips, dull beard."""
    gloss = 0.55 + 0.25 * mask[_BLUSH] + skin.oil * 0.3 - 0.35 * mask[_BEARD] * skin.stubble
    strength = (0.62 + 0.06 * noise[0]) * skin.oil
    return gloss, strength * (1.0 + skin.lip_gloss * mask[_LIPS]) * (1.0 + 0.5 * mask[_BLUSH])


@jit
def _pack_vertices(
    rest: Any, normals: Any, shown: Any, irradiance: Any, direction: Any, visible: Any
) -> Any:
    """Place at rest, normal, light and its direction of the vertices in view, side by side, then
    how much of each highlight reaches them (n, 16): they are read from memory together."""
    packed = np.zeros((rest.shape[0], _PACKED), np.float32)
    for v in shown:
        for k in range(3):
            packed[v, k] = rest[v, k]
            packed[v, 3 + k] = normals[v, k]
            packed[v, 6 + k] = irradiance[v, k]
            packed[v, 9 + k] = direction[v, k]
        for k in range(visible.shape[1]):
            packed[v, 12 + k] = visible[v, k]
    return packed


@inlined
def _mixed(packed: Any, first: Any, corners: Any) -> Any:
    """Three of the packed values at a point of a triangle."""
    a, b, c, w0, w1, w2 = corners
    return (
        packed[a, first] * w0 + packed[b, first] * w1 + packed[c, first] * w2,
        packed[a, first + 1] * w0 + packed[b, first + 1] * w1 + packed[c, first + 1] * w2,
        packed[a, first + 2] * w0 + packed[b, first + 2] * w1 + packed[c, first + 2] * w2,
    )


@inlined
def _corners(triangles: Any, bary: Any, t: Any, y: Any, x: Any) -> Any:
    """The corners of a pixel's triangle, and their weights."""
    w1, w2 = bary[y, x, 0], bary[y, x, 1]
    return triangles[t, 0], triangles[t, 1], triangles[t, 2], 1.0 - w1 - w2, w1, w2


@inlined
def _skin_sample(packed: Any, uv: Any, t: Any, corners: Any) -> Any:
    """Rest position, UV, normal, irradiance and mean direction of light: fourteen numbers."""
    return (
        *_mixed(packed, 0, corners),
        *_uv_at(uv, t, corners[3], corners[4], corners[5]),
        *(*_mixed(packed, 3, corners), *_mixed(packed, 6, corners), *_mixed(packed, 9, corners)),
    )


@inlined
def _halfway(p: Any, q: Any) -> Any:
    """Mean of two samples of the skin."""
    half = 0.5
    return (
        *((p[0] + q[0]) * half, (p[1] + q[1]) * half, (p[2] + q[2]) * half),
        *((p[3] + q[3]) * half, (p[4] + q[4]) * half),
        *((p[5] + q[5]) * half, (p[6] + q[6]) * half, (p[7] + q[7]) * half),
        *((p[8] + q[8]) * half, (p[9] + q[9]) * half, (p[10] + q[10]) * half),
        *((p[11] + q[11]) * half, (p[12] + q[12]) * half, (p[13] + q[13]) * half),
    )


@inlined
def _lies_close(p: Any, q: Any, reach: Any) -> bool:
    """Whether two samples lie on one smooth piece of skin, at most `reach` cm apart at rest."""
    far = max(abs(p[0] - q[0]), abs(p[1] - q[1]), abs(p[2] - q[2]))
    seam = max(abs(p[3] - q[3]), abs(p[4] - q[4]))
    facing = p[5] * q[5] + p[6] * q[6] + p[7] * q[7]
    return bool(far < reach and seam < _SEAM and facing > _SMOOTH)


@inlined
def _is_skin_block(owner: Any, part: Any, y: Any, x: Any) -> bool:
    """Whether the block of two by two pixels whose first is (y, x) shows one part of the skin."""
    a, b, c, d = owner[y, x], owner[y, x + 1], owner[y + 1, x], owner[y + 1, x + 1]
    if min(a, b, c, d) < 0:
        return False
    kind = part[a]
    return bool(kind <= HEAD and part[b] == kind and part[c] == kind and part[d] == kind)


# Samples of the skin are gathered one by one and lit many at once: the processor then works on
# eight or sixteen of them with one instruction, which the branches of the gathering would forbid.
# A batch is an array (channels, _BATCH); the channels are
_BATCH = 64
_AT, _NORMAL, _ENERGY, _TOWARDS, _SLOPE, _FOLD = 0, 3, 6, 9, 12, 14
_ABOVE, _MASK, _NOISE, _SEEN = 15, 16, 24, 28
# and, once lit, irradiance in _ENERGY, and
_ALBEDO, _HIGHLIGHT, _GLOSS, _STRENGTH = _TOWARDS, _AT, _SLOPE, _SLOPE + 1
_DARK, _EDGE = _FOLD, _ABOVE


@inlined
def _put_sample(
    batch: Any, n: Any, sample: Any, on_face: Any, fine: Any, slope: Any, fold: Any, skin: Any,
    masks: Any, noises: Any, angles: Any, heights: Any, packed: Any, corners: Any,
) -> None:  # fmt: skip
    """Put a sample of the skin, whose relief has this slope and height, at place n of a batch."""
    at = (sample[0], sample[1], sample[2])
    if on_face:
        mask, above, noise = _on_face(masks, noises, skin, sample[3], sample[4], fine)
    else:
        mask, above, noise = _on_head(angles, heights, noises, skin, at)
    for k in range(3):
        batch[_AT + k, n] = sample[k]
    for k in range(9):
        batch[_NORMAL + k, n] = sample[5 + k]
    batch[_SLOPE, n], batch[_SLOPE + 1, n] = slope
    batch[_FOLD, n], batch[_ABOVE, n] = fold, above
    for k in range(8):
        batch[_MASK + k, n] = mask[k]
    for k in range(4):
        batch[_NOISE + k, n] = noise[k]
    a, b, c, w0, w1, w2 = corners
    for k in range(12, 12 + batch.shape[0] - _SEEN):
        batch[_SEEN - 12 + k, n] = packed[a, k] * w0 + packed[b, k] * w1 + packed[c, k] * w2


@inlined
def _light_batch(batch: Any, skin: Any, keys: Any, key_colours: Any) -> None:
    """Light a batch of samples: irradiance, albedo and highlight in their channels."""
    for n in range(_BATCH):
        _light_sample(batch, n, skin)
    for g in range(keys.shape[0]):
        _add_highlight(batch, g, keys, key_colours)
    for n in range(_BATCH):
        edge, dark = batch[_EDGE, n], batch[_DARK, n]
        for k in range(3):
            shine = batch[_HIGHLIGHT + k, n] * dark
            batch[_HIGHLIGHT + k, n] = shine + edge * batch[_ENERGY + k, n]


@inlined
def _light_sample(batch: Any, n: Any, skin: Any) -> None:
    """All of a sample's light but its highlights, and what those need."""
    mask = (
        *(batch[_MASK, n], batch[_MASK + 1, n], batch[_MASK + 2, n], batch[_MASK + 3, n]),
        *(batch[_MASK + 4, n], batch[_MASK + 5, n], batch[_MASK + 6, n], batch[_MASK + 7, n]),
    )
    noise = (batch[_NOISE, n], batch[_NOISE + 1, n], batch[_NOISE + 2, n], batch[_NOISE + 3, n])
    at = (batch[_AT, n], batch[_AT + 1, n], batch[_AT + 2, n])
    smooth = _unit(batch[_NORMAL, n], batch[_NORMAL + 1, n], batch[_NORMAL + 2, n])
    normal = _bumped((batch[_SLOPE, n], batch[_SLOPE + 1, n]), smooth[0], smooth[1], smooth[2])
    energy = (batch[_ENERGY, n], batch[_ENERGY + 1, n], batch[_ENERGY + 2, n])
    direction = (batch[_TOWARDS, n], batch[_TOWARDS + 1, n], batch[_TOWARDS + 2, n])
    lit = _tilted_light(energy, direction, smooth, normal)
    colour = _skin_colour(skin, mask, noise, at, batch[_ABOVE, n])
    colour = _shadowed(colour, mask[_NOSTRIL], batch[_FOLD, n])
    dark = 1.0 - 0.85 * mask[_NOSTRIL]
    # Light that bounces between folds is tinted by the skin.
    batch[_ENERGY, n] = lit[0] * dark + 0.10 * colour[0]
    batch[_ENERGY + 1, n] = lit[1] * dark + 0.07 * colour[1]
    batch[_ENERGY + 2, n] = lit[2] * dark + 0.06 * colour[2]
    gloss, strength = _sheen(skin, mask, noise)
    edge = 1.0 - max(smooth[2], 0.0)
    edge = edge * edge * edge * edge * 0.10 * min(strength, 1.0)
    batch[_GLOSS, n], batch[_STRENGTH, n] = gloss, strength
    batch[_DARK, n], batch[_EDGE, n] = dark, edge
    for k in range(3):
        batch[_ALBEDO + k, n] = max(colour[k], 0.003)
        batch[_NORMAL + k, n] = normal[k]
        batch[_HIGHLIGHT + k, n] = 0.0


@inlined
def _add_highlight(batch: Any, g: Any, keys: Any, key_colours: Any) -> None:
    """Add the specular light of one highlight to a batch."""
    light = (keys[g, 0], keys[g, 1], keys[g, 2])
    red, green, blue = key_colours[g, 0], key_colours[g, 1], key_colours[g, 2]
    for n in range(_BATCH):
        normal = (batch[_NORMAL, n], batch[_NORMAL + 1, n], batch[_NORMAL + 2, n])
        amount = _lobe(light, normal, batch[_GLOSS, n])
        amount *= batch[_STRENGTH, n] * batch[_SEEN + g, n]
        batch[_HIGHLIGHT, n] += amount * red
        batch[_HIGHLIGHT + 1, n] += amount * green
        batch[_HIGHLIGHT + 2, n] += amount * blue


def shade_skin(
    surface: Surface, light: Light, textures: Textures, skin: SkinMaterial, cloth: ClothMaterial,
    relief: Floats, per_cm: np.float32, out: Shaded,
) -> None:  # fmt: skip
    """Shade face, head and neck above the neckline.

    A block of two by two pixels makes one pixel of the picture in the end: where it shows one
    smooth piece of skin, it is shaded as one; elsewhere each pixel is.
    """
    mesh = (surface.owner, surface.bary, surface.part, surface.triangles)
    lit = (light.shown, light.irradiance, light.direction, light.visible)
    packed = _pack_vertices(surface.rest, surface.normals, *lit)
    maps = (textures.masks, textures.noise, textures.hairline_angle, textures.hairline_y)
    keys = (light.key_direction, light.key_colour)
    rest = (surface.uv, packed, *maps, *keys, skin, cloth.neck, cloth.slope, relief, per_cm)
    results = (out.irradiance, out.albedo, out.highlight, out.skin)
    _shade_blocks(*mesh, *rest, *results)
    _shade_remaining(*mesh, *rest, *results)


@jit
def _shade_blocks(
    owner: Any, bary: Any, part: Any, triangles: Any, uv: Any, packed: Any, masks: Any, noises: Any,
    angles: Any, heights: Any, keys: Any, key_colours: Any, skin: Any, neck: Any, slope: Any,
    relief: Any, per_cm: Any, irradiance: Any, albedo: Any, highlight: Any, is_skin: Any,
) -> None:  # fmt: skip
    """Shade smooth skin, from the samples on the diagonal of each block."""
    fine, reach = per_cm > 2.0 * _FINE, _BLOCK_REACH / per_cm
    batch = np.zeros((_SEEN + keys.shape[0], _BATCH), np.float32)
    places, n = np.empty((_BATCH, 2), np.int32), 0
    for y in range(0, owner.shape[0] - 1, 2):
        for x in range(0, owner.shape[1] - 1, 2):
            if not _is_skin_block(owner, part, y, x):
                continue
            t, s = owner[y, x], owner[y + 1, x + 1]
            corners = _corners(triangles, bary, t, y, x)
            p = _skin_sample(packed, uv, t, corners)
            q = _skin_sample(packed, uv, s, _corners(triangles, bary, s, y + 1, x + 1))
            above = min(p[1] - slope * p[2], q[1] - slope * q[2]) - neck
            if above < reach or not _lies_close(p, q, reach):
                continue
            _put_sample(
                batch, n, _halfway(p, q), part[t] != HEAD, fine, _block_slope(relief, y, x, per_cm),
                0.5 * (relief[y, x] + relief[y + 1, x + 1]), skin, masks, noises, angles, heights,
                packed, corners,
            )  # fmt: skip
            places[n] = y, x
            n += 1
            if n == _BATCH:
                _light_batch(batch, skin, keys, key_colours)
                _store_batch(batch, places, n, 2, irradiance, albedo, highlight, is_skin)
                n = 0
    _light_batch(batch, skin, keys, key_colours)
    _store_batch(batch, places, n, 2, irradiance, albedo, highlight, is_skin)


@jit
def _shade_remaining(
    owner: Any, bary: Any, part: Any, triangles: Any, uv: Any, packed: Any, masks: Any, noises: Any,
    angles: Any, heights: Any, keys: Any, key_colours: Any, skin: Any, neck: Any, slope: Any,
    relief: Any, per_cm: Any, irradiance: Any, albedo: Any, highlight: Any, is_skin: Any,
) -> None:  # fmt: skip
    """Shade the pixels of skin that are in no smooth block."""
    fine = per_cm > _FINE
    batch = np.zeros((_SEEN + keys.shape[0], _BATCH), np.float32)
    places, n = np.empty((_BATCH, 2), np.int32), 0
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            t = owner[y, x]
            if t < 0 or part[t] > HEAD or is_skin[y, x] > 0.0:
                continue
            corners = _corners(triangles, bary, t, y, x)
            sample = _skin_sample(packed, uv, t, corners)
            if sample[1] < neck + slope * sample[2]:
                continue
            _put_sample(
                batch, n, sample, part[t] != HEAD, fine, _slope(relief, y, x, per_cm),
                relief[y, x], skin, masks, noises, angles, heights, packed, corners,
            )  # fmt: skip
            places[n] = y, x
            n += 1
            if n == _BATCH:
                _light_batch(batch, skin, keys, key_colours)
                _store_batch(batch, places, n, 1, irradiance, albedo, highlight, is_skin)
                n = 0
    _light_batch(batch, skin, keys, key_colours)
    _store_batch(batch, places, n, 1, irradiance, albedo, highlight, is_skin)


@inlined
def _store_batch(
    batch: Any, places: Any, count: Any, side: Any, irradiance: Any, albedo: Any, highlight: Any,
    is_skin: Any,
) -> None:  # fmt: skip
    """Store lit samples, each into a square of so many pixels on a side."""
    for n in range(count):
        for y in range(places[n, 0], places[n, 0] + side):
            for x in range(places[n, 1], places[n, 1] + side):
                for k in range(3):
                    irradiance[y, x, k] = batch[_ENERGY + k, n]
                    albedo[y, x, k] = batch[_ALBEDO + k, n]
                    highlight[y, x, k] = batch[_HIGHLIGHT + k, n]
                is_skin[y, x] = 1.0


# --- cloth ----------------------------------------------------------------------------------------


@inlined
def _weave(pattern: Any, x: Any, y: Any, z: Any) -> Any:
    """Plain, hoops, stripes or checks: a factor on the cloth's colour."""
    if pattern == 1:
        return 1.0 if np.floor(y * 1.1 + z * 0.8) % 2.0 == 0.0 else 0.45
    if pattern == 2:
        return 1.0 if np.floor(x * 1.1) % 2.0 == 0.0 else 0.55
    if pattern == 3:
        return 1.0 if (np.floor(x * 0.9) + np.floor((y + z * 0.7) * 0.9)) % 2.0 == 0.0 else 0.6
    return 1.0


@jit
def shade_cloth(
    surface: Surface, light: Light, textures: Textures, cloth: ClothMaterial, out: Shaded
) -> None:
    """Shade the torso and what of the bust lies below the neckline."""
    height, width = surface.owner.shape
    for y in range(height):
        for x in range(width):
            t = surface.owner[y, x]
            if t < 0 or (surface.part[t] > HEAD and surface.part[t] != TORSO):
                continue
            a, b, c = surface.triangles[t, 0], surface.triangles[t, 1], surface.triangles[t, 2]
            w1, w2 = surface.bary[y, x, 0], surface.bary[y, x, 1]
            w0 = 1.0 - w1 - w2
            qx, qy, qz = _mix(surface.rest, a, b, c, w0, w1, w2)
            above = qy - cloth.neck - cloth.slope * qz
            if above >= 0 and surface.part[t] != TORSO:
                continue
            grain = _noise_at(textures.noise, qx * 90.0, qy * 90.0 + qz * 70.0)[0] * 0.04
            shade = _weave(cloth.pattern, qx, qy, qz) + grain
            if surface.part[t] != TORSO and above > -0.55:
                shade *= 0.8
            red, green, blue = _mix(light.irradiance, a, b, c, w0, w1, w2)
            _store(out.irradiance, y, x, red, green, blue)
            _store_albedo(
                *(out.albedo, y, x),
                *(cloth.albedo[0] * shade, cloth.albedo[1] * shade, cloth.albedo[2] * shade),
            )


# --- mouth ----------------------------------------------------------------------------------------


@jit
def shade_mouth(surface: Surface, light: Light, mouth: MouthMaterial, out: Shaded) -> None:
    """Shade teeth, gums, tongue and the mouth's walls, darker the deeper they lie."""
    height, width = surface.owner.shape
    for y in range(height):
        for x in range(width):
            t = surface.owner[y, x]
            if t < 0:
                continue
            part = surface.part[t]
            if part not in (MOUTH, GUMS, TEETH):
                continue
            a, b, c = surface.triangles[t, 0], surface.triangles[t, 1], surface.triangles[t, 2]
            w1, w2 = surface.bary[y, x, 0], surface.bary[y, x, 1]
            w0 = 1.0 - w1 - w2
            qz = _mix(surface.rest, a, b, c, w0, w1, w2)[2]
            nx, ny, nz = _mix(surface.normals, a, b, c, w0, w1, w2)
            nx, ny, nz = _unit(nx, ny, nz)
            red, green, blue = _mix(light.irradiance, a, b, c, w0, w1, w2)
            if part == TEETH:
                # Front faces catch the light, the gaps between teeth turn away from it.
                facing = max(nz, 0.0)
                least = 0.36 + 0.14 * facing
                depth = _clamp((mouth.lip_z - 0.2 - qz) / 2.6, 0.0, 1.0)
                shape = 0.78 + 0.22 * facing
                _store_albedo(
                    *(out.albedo, y, x, mouth.teeth[0] * shape),
                    *(mouth.teeth[1] * shape * shape, mouth.teeth[2] * shape * shape),
                )
            else:
                least = 0.24
                depth = _clamp((mouth.lip_z - qz) / 4.2, 0.0, 1.0)
                wall = part == MOUTH
                r, g, b_ = (0.45, 0.35, 0.35) if wall else (1.0, 1.0, 1.0)
                _store_albedo(
                    *(out.albedo, y, x, mouth.gums[0] * r, mouth.gums[1] * g, mouth.gums[2] * b_)
                )
                out.skin[y, x] = 0.5 if part == GUMS else 0.0
            fade = (1.0 - 0.85 * depth) * mouth.open
            red, green = max(red, least) * fade, max(green, least * 0.9) * fade
            blue = max(blue, least * 0.85) * fade
            _store(out.irradiance, y, x, red, green, blue)
            if part != MOUTH:
                wet = _highlights(
                    *(light.key_direction, light.key_colour, light.visible),
                    *((a, b, c, w0, w1, w2), (nx, ny, nz), 0.8, 1.0),
                )
                dim = mouth.open
                _store(out.highlight, y, x, wet[0] * dim, wet[1] * dim, wet[2] * dim)


# --- eyes -----------------------------------------------------------------------------------------


@inlined
def _iris_colour(eye: Any, light: Any, ring: Any, tx: Any, ty: Any, sine: Any) -> Any:
    """Colour of the iris at a ring (0 centre, 1 edge): two colours, fibres, dark rim, pupil."""
    turn = np.arctan2(ty, tx)
    fibre = eye.texture[int(min(ring, 1.0) * 31.99), int((turn + 3.1416) / 6.2832 * 255.99)]
    outer = _clamp((ring - 0.42) / 0.35, 0.0, 1.0)
    # The cornea gathers light on the side away from the key.
    across = -(tx * light.key_direction[0, 0] + ty * light.key_direction[0, 1]) / (sine + 1e-4)
    shade = fibre * (1.0 + 0.45 * across * min(ring * 1.3, 1.0))
    shade *= 1.0 - 0.68 * _clamp((ring - 0.78) / 0.22, 0.0, 1.0)
    pupil = _clamp((eye.pupil + 0.05 - ring) / 0.08, 0.0, 1.0)
    red = (eye.inner[0] + (eye.outer[0] - eye.inner[0]) * outer) * shade
    green = (eye.inner[1] + (eye.outer[1] - eye.inner[1]) * outer) * shade
    blue = (eye.inner[2] + (eye.outer[2] - eye.inner[2]) * outer) * shade
    return (
        red + (0.006 - red) * pupil,
        green + (0.006 - green) * pupil,
        blue + (0.006 - blue) * pupil,
    )


@inlined
def _eye_reflections(eye: Any, light: Any, corners: Any, normal: Any, tx: Any, ty: Any) -> Any:
    """Mirror images of the highlights, and a catchlight in the iris that never fails."""
    a, b, c, w0, w1, w2 = corners
    nx, ny, nz = normal
    red = green = blue = 0.0
    for k in range(light.key_direction.shape[0]):
        lx, ly, lz = light.key_direction[k, 0], light.key_direction[k, 1], light.key_direction[k, 2]
        mirrored = 2.0 * nz * (nx * lx + ny * ly + nz * lz) - lz
        amount = _clamp((mirrored - eye.reflection) / 0.02, 0.0, 1.0) * 0.5
        seen = light.visible[a, k] * w0 + light.visible[b, k] * w1 + light.visible[c, k] * w2
        amount *= min(seen * 1.5, 1.0)
        if k == 0:
            level = np.sqrt(lx * lx + ly * ly) + 0.15
            ux = tx / eye.radius - 0.40 * lx / level
            uy = ty / eye.radius - 0.40 * (abs(ly) + 0.2) / level
            spot = _clamp((0.20 - np.sqrt(ux * ux + uy * uy)) / 0.07, 0.0, 1.0)
            amount = max(amount, spot * eye.catch * 0.42)
        red += amount * light.key_colour[k, 0]
        green += amount * light.key_colour[k, 1]
        blue += amount * light.key_colour[k, 2]
    return red, green, blue


@inlined
def _caruncle(eye: Any, side: Any, at: Any) -> Any:
    """How much of the pink flesh in the inner corner lies at a point of the eyeball at rest."""
    x, y = at[0] - eye.home[side, 0], at[1] - eye.home[side, 1]
    inwards = -x if side == 0 else x
    return _clamp((inwards - 0.72 - abs(y + 0.2) * 0.5) / 0.14, 0.0, 1.0)


@jit
def shade_eyes(
    surface: Surface, light: Light, noise: Any, skin: SkinMaterial, eye: EyeMaterial, out: Shaded
) -> None:
    """Shade the eyeballs; the iris is painted where the gaze meets the sclera."""
    height, width = surface.owner.shape
    for y in range(height):
        for x in range(width):
            t = surface.owner[y, x]
            if t < 0 or (surface.part[t] != SCLERA_L and surface.part[t] != SCLERA_R):
                continue
            e = 0 if surface.part[t] == SCLERA_L else 1
            a, b, c = surface.triangles[t, 0], surface.triangles[t, 1], surface.triangles[t, 2]
            w1, w2 = surface.bary[y, x, 0], surface.bary[y, x, 1]
            w0 = 1.0 - w1 - w2
            px, py, pz = _mix(surface.points, a, b, c, w0, w1, w2)
            ox, oy, oz = _unit(px - eye.centre[e, 0], py - eye.centre[e, 1], pz - eye.centre[e, 2])
            gx, gy, gz = eye.gaze[e, 0], eye.gaze[e, 1], eye.gaze[e, 2]
            cosine = ox * gx + oy * gy + oz * gz
            tx, ty, tz = ox - gx * cosine, oy - gy * cosine, oz - gz * cosine
            sine = np.sqrt(tx * tx + ty * ty + tz * tz) if cosine > 0 else 2.0
            vein = _noise_at(noise, ox * 300.0 + skin.offset_u, oy * 300.0 + skin.offset_v)[2]
            far = min(sine / 0.8, 1.0)
            red = eye.sclera[0] * (1.0 - 0.06 * far)
            green = eye.sclera[1] * (1.0 - 0.19 * far - 0.03 * vein * far)
            blue = eye.sclera[2] * (1.0 - 0.21 * far - 0.03 * vein * far)
            flesh = _caruncle(eye, e, _mix(surface.rest, a, b, c, w0, w1, w2))
            red, green, blue = _painted((red, green, blue), _FLESH, flesh)
            ring = sine / eye.radius
            nx, ny, nz = ox, oy, oz
            if ring < 1.12:
                iris = _iris_colour(eye, light, ring, tx, ty, sine)
                cover = _clamp((1.06 - ring) / 0.12, 0.0, 1.0)
                red += (iris[0] - red) * cover
                green += (iris[1] - green) * cover
                blue += (iris[2] - blue) * cover
                bulge = 0.55 * cover
                nx, ny, nz = _unit(ox + tx * bulge, oy + ty * bulge, oz + tz * bulge)
            er, eg, eb = _mix(light.irradiance, a, b, c, w0, w1, w2)
            sr, sg, sb = _eye_reflections(eye, light, (a, b, c, w0, w1, w2), (nx, ny, nz), tx, ty)
            sky = 0.012 * (1.0 + oy)
            _store(out.highlight, y, x, sr + sky * er, sg + sky * eg, sb + sky * eb)
            _store(out.irradiance, y, x, er, eg, eb)
            _store_albedo(out.albedo, y, x, red, green, blue)
            out.eye[y, x] = 1


# --- wrinkles -------------------------------------------------------------------------------------


@jit
def add_wrinkles(texels: Any, values: Any, left: Any, strength: Any, heights: Any) -> None:
    """Add one sparse wrinkle layer to a height map (512 * 512,), each side with its strength."""
    for i in range(texels.shape[0]):
        k = texels[i]
        heights[k] += values[i] * (strength[0] if left[k] else strength[1])
