"""Shading kernels: from triangle and weights at each pixel to light, albedo and highlights.

Irradiance and albedo are kept apart, so that light can be blurred under the skin (see
`postprocess.scatter`) before the two are multiplied. Colours are linear RGB.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.head import GUMS, HEAD, MOUTH, SCLERA_L, SCLERA_R, TEETH, TORSO
from synfer_core.facekit.jit import jit
from synfer_core.facekit.materials import ClothMaterial, EyeMaterial, MouthMaterial, SkinMaterial

Floats = NDArray[np.float32]

_MASK_SIZE, _WRINKLE_SIZE = 1024, 512
_NOISE_WRAP = 511
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
    """Light at vertices, exposed: irradiance, mean direction (n, 3), visibility of each highlight
    (n, groups); direction and colour of the highlights (groups, 3)."""

    irradiance: Floats
    direction: Floats
    visible: Floats
    key_direction: Floats
    key_colour: Floats


class Textures(NamedTuple):
    """Masks (1024, 1024, 8) uint8, noise tile (512, 512, 4), the hairline by angle in degrees."""

    masks: NDArray[np.uint8]
    noise: Floats
    hairline_angle: Floats
    hairline_y: Floats


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


@jit
def _clamp(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, low), high)


@jit
def _mix(values: Any, a: Any, b: Any, c: Any, w0: Any, w1: Any, w2: Any) -> Any:
    """A vertex vector at a point of a triangle."""
    return (
        values[a, 0] * w0 + values[b, 0] * w1 + values[c, 0] * w2,
        values[a, 1] * w0 + values[b, 1] * w1 + values[c, 1] * w2,
        values[a, 2] * w0 + values[b, 2] * w1 + values[c, 2] * w2,
    )


@jit
def _unit(x: Any, y: Any, z: Any) -> Any:
    scale = np.float32(1.0) / np.sqrt(x * x + y * y + z * z + np.float32(1e-9))
    return x * scale, y * scale, z * scale


@jit
def _uv_at(uv: Any, t: Any, w0: Any, w1: Any, w2: Any) -> Any:
    return (
        uv[t, 0, 0] * w0 + uv[t, 1, 0] * w1 + uv[t, 2, 0] * w2,
        uv[t, 0, 1] * w0 + uv[t, 1, 1] * w1 + uv[t, 2, 1] * w2,
    )


@jit
def _blend(
    image: Any, top: Any, bottom: Any, left: Any, right: Any, k: Any,
    w00: Any, w01: Any, w10: Any, w11: Any,
) -> Any:  # fmt: skip
    """One channel between four texels."""
    upper = image[top, left, k] * w00 + image[top, right, k] * w01
    return upper + image[bottom, left, k] * w10 + image[bottom, right, k] * w11


@jit
def _noise_at(noise: Any, x: Any, y: Any) -> Any:
    """Four octaves of the wrapping noise tile, fine to coarse."""
    column, row = int(np.floor(x)), int(np.floor(y))
    ax, ay = np.float32(x - column), np.float32(y - row)
    right, below = (column + 1) & _NOISE_WRAP, (row + 1) & _NOISE_WRAP
    column, row = column & _NOISE_WRAP, row & _NOISE_WRAP
    w00, w01, w10, w11 = (1 - ax) * (1 - ay), ax * (1 - ay), (1 - ax) * ay, ax * ay
    return (
        _blend(noise, row, below, column, right, 0, w00, w01, w10, w11),
        _blend(noise, row, below, column, right, 1, w00, w01, w10, w11),
        _blend(noise, row, below, column, right, 2, w00, w01, w10, w11),
        _blend(noise, row, below, column, right, 3, w00, w01, w10, w11),
    )


@jit
def _wrinkle_at(heights: Any, u: Any, v: Any) -> Any:
    x = _clamp(u * _WRINKLE_SIZE - 0.5, 0.0, _WRINKLE_SIZE - 1.01)
    y = _clamp((1 - v) * _WRINKLE_SIZE - 0.5, 0.0, _WRINKLE_SIZE - 1.01)
    i, j = int(y), int(x)
    ax, ay = np.float32(x - j), np.float32(y - i)
    top = heights[i, j] * (1 - ax) + heights[i, j + 1] * ax
    return top * (1 - ay) + (heights[i + 1, j] * (1 - ax) + heights[i + 1, j + 1] * ax) * ay


@jit
def _masks_at(masks: Any, u: Any, v: Any) -> Any:
    """All mask channels at a UV point, 0-1."""
    x = _clamp(u * _MASK_SIZE - 0.5, 0.0, _MASK_SIZE - 1.1)
    y = _clamp((1 - v) * _MASK_SIZE - 0.5, 0.0, _MASK_SIZE - 1.1)
    i, j = int(y), int(x)
    ax, ay = np.float32(x - j), np.float32(y - i)
    scale = np.float32(1 / 255)
    w00, w01 = (1 - ax) * (1 - ay) * scale, ax * (1 - ay) * scale
    w10, w11 = (1 - ax) * ay * scale, ax * ay * scale
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


@jit
def _texel(u: Any, v: Any) -> Any:
    """Row and column of the mask texel at a UV point."""
    last = _MASK_SIZE - 1
    i, j = int((1 - v) * _MASK_SIZE), int(u * _MASK_SIZE)
    return min(max(i, 0), last), min(max(j, 0), last)


@jit
def _nearest_masks(masks: Any, u: Any, v: Any) -> Any:
    """All mask channels at the nearest texel, 0-1: enough where a pixel spans several texels."""
    i, j = _texel(u, v)
    scale = np.float32(1 / 255)
    return (
        masks[i, j, 0] * scale,
        masks[i, j, 1] * scale,
        masks[i, j, 2] * scale,
        masks[i, j, 3] * scale,
        masks[i, j, 4] * scale,
        masks[i, j, 5] * scale,
        masks[i, j, 6] * scale,
        masks[i, j, 7] * scale,
    )


@jit
def _lips_at(masks: Any, u: Any, v: Any) -> Any:
    """The lip mask at the nearest texel, 0-1."""
    i, j = _texel(u, v)
    return masks[i, j, _LIPS] * np.float32(1 / 255)


@jit
def _above_hairline(angles: Any, heights: Any, x: Any, y: Any, z: Any) -> Any:
    """Height of a point of the head above the natural hairline."""
    angle = abs(np.arctan2(x, z - np.float32(1))) * np.float32(57.29578)
    k = 0
    last = angles.shape[0] - 2
    while k < last and angles[k + 1] < angle:
        k += 1
    share = (angle - angles[k]) / (angles[k + 1] - angles[k])
    share = _clamp(share, np.float32(0), np.float32(1))
    return y - heights[k] * (1 - share) - heights[k + 1] * share


@jit
def _highlights(
    directions: Any, colours: Any, visible: Any, corners: Any, normal: Any, gloss: Any,
    strength: Any,
) -> Any:  # fmt: skip
    """Specular light of all highlights: a broad and a tight Blinn lobe with Schlick's Fresnel."""
    a, b, c, w0, w1, w2 = corners
    nx, ny, nz = normal
    red = green = blue = np.float32(0)
    for k in range(directions.shape[0]):
        lx, ly, lz = directions[k, 0], directions[k, 1], directions[k, 2]
        facing = nx * lx + ny * ly + nz * lz
        if facing <= 0:
            continue
        hz = lz + np.float32(1)
        scale = np.float32(1) / np.sqrt(lx * lx + ly * ly + hz * hz + np.float32(1e-9))
        half = (nx * lx + ny * ly + nz * hz) * scale
        away = 1 - hz * scale
        fresnel = np.float32(0.04) + np.float32(0.96) * away * away * away * away * away
        h4 = half * half * half * half
        h8 = h4 * h4
        broad = h8 * h4 * np.float32(0.8)
        tight = h8 * h8 * h8 * h8 * h8 * np.float32(2.2)
        seen = visible[a, k] * w0 + visible[b, k] * w1 + visible[c, k] * w2
        lobe = broad + (tight - broad) * gloss
        amount = strength * fresnel * lobe * facing * seen * np.float32(1.6)
        red += amount * colours[k, 0]
        green += amount * colours[k, 1]
        blue += amount * colours[k, 2]
    return red, green, blue


@jit
def _store(image: Any, y: Any, x: Any, red: Any, green: Any, blue: Any) -> None:
    image[y, x, 0] = red
    image[y, x, 1] = green
    image[y, x, 2] = blue


@jit
def _store_albedo(image: Any, y: Any, x: Any, red: Any, green: Any, blue: Any) -> None:
    least = np.float32(0.003)
    _store(image, y, x, max(red, least), max(green, least), max(blue, least))


# --- skin -----------------------------------------------------------------------------------------


@jit
def skin_relief(
    surface: Surface, heights: Floats, noise: Floats, masks: Any, skin: SkinMaterial, relief: Floats
) -> None:
    """Height of the skin at each pixel (cm): wrinkles, pores, the lips' grain."""
    # Arrays are taken out of their tuple once: reaching into it at every pixel counts references.
    owner, bary, part, triangles = surface.owner, surface.bary, surface.part, surface.triangles
    rest, uv = surface.rest, surface.uv
    ou, ov, pores = skin.offset_u, skin.offset_v, skin.pores
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            t = owner[y, x]
            if t < 0 or part[t] > HEAD:
                continue
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            w0 = 1 - w1 - w2
            if part[t] == HEAD:
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                qx, qy, qz = _mix(rest, a, b, c, w0, w1, w2)
                n = _noise_at(noise, (qx + qz) * 50 + ou, qy * 50 + ov)
                relief[y, x] = pores * 1.5 * n[1]
                continue
            u, v = _uv_at(uv, t, w0, w1, w2)
            lips = _lips_at(masks, u, v)
            n = _noise_at(noise, u * 1000 + ou, v * 1000 + ov)
            h = pores * (n[0] + 1.2 * n[1]) * (1 - lips)
            if lips > 0:
                n = _noise_at(noise, u * 4500 + ou, v * 300 + ov)
                h += lips * 0.010 * n[1]
            relief[y, x] = h - _wrinkle_at(heights, u, v)


@jit
def _slope(relief: Any, y: Any, x: Any, per_cm: Any) -> Any:
    """Slope of the relief to the right and upwards at a pixel, 0 at the picture's edge."""
    last = relief.shape[0] - 1
    if min(x, y) == 0 or max(x, y) == last:
        return np.float32(0), np.float32(0)
    across, up = relief[y, x + 1] - relief[y, x - 1], relief[y - 1, x] - relief[y + 1, x]
    return across * np.float32(0.5) * per_cm, up * np.float32(0.5) * per_cm


@jit
def _block_slope(relief: Any, y: Any, x: Any, per_cm: Any) -> Any:
    """Mean slope over the block of two by two pixels whose first is (y, x)."""
    last = relief.shape[0] - 2
    if min(x, y) == 0 or max(x, y) >= last:
        return np.float32(0), np.float32(0)
    across, up = np.float32(0), np.float32(0)
    for k in range(2):
        across += relief[y + k, x + 2] + relief[y + k, x + 1]
        across -= relief[y + k, x] + relief[y + k, x - 1]
        up += relief[y - 1, x + k] + relief[y, x + k]
        up -= relief[y + 1, x + k] + relief[y + 2, x + k]
    return across * np.float32(0.125) * per_cm, up * np.float32(0.125) * per_cm


@jit
def _bumped(slope: Any, nx: Any, ny: Any, nz: Any) -> Any:
    """A normal tilted by the relief's slope."""
    most = np.float32(0.8)
    facing = max(nz, np.float32(0))
    return _unit(
        nx - _clamp(slope[0], -most, most) * facing, ny - _clamp(slope[1], -most, most) * facing, nz
    )


@jit
def _pigment(skin: Any, mask: Any, noise: Any, blood: Any, melanin: Any) -> Any:
    """Albedo from blood and melanin beyond the base tone (Jimenez et al., SIGGRAPH Asia 2010)."""
    if skin.freckles > 0:
        where = (mask[_BLUSH] * 1.1 + 0.12) * _clamp(0.7 + 0.5 * noise[2], 0.0, 1.3)
        melanin += skin.freckles * _clamp((noise[0] - 1.1) * 0.9, 0.0, 0.7) * where
        melanin += skin.freckles * _clamp(noise[1] - 2.3, 0.0, 0.5) * 0.5
    if skin.spots > 0:
        melanin += skin.spots * _clamp((noise[2] - 1.7) * 2, 0.0, 0.7) * (1 - mask[_LIPS])
    return (
        skin.albedo[0] * np.exp(-(blood * np.float32(0.10) + melanin * np.float32(0.47))),
        skin.albedo[1] * np.exp(-(blood * np.float32(0.62) + melanin * np.float32(0.72))),
        skin.albedo[2] * np.exp(-(blood * np.float32(0.50) + melanin * np.float32(0.95))),
    )


@jit
def _painted(colour: Any, over: Any, amount: Any) -> Any:
    return (
        colour[0] + (over[0] - colour[0]) * amount,
        colour[1] + (over[1] - colour[1]) * amount,
        colour[2] + (over[2] - colour[2]) * amount,
    )


@jit
def _scalp_cover(skin: Any, above: Any, x: Any, y: Any, z: Any, noise: Any) -> Any:
    """How much the roots of the hair darken the scalp."""
    if above < skin.hairline - 1.5:  # most of the face
        return 0.0
    limit = skin.hairline
    if z > 0:
        off = (abs(x) - 4.2) / 2.0
        limit += skin.recession * np.exp(-off * off)
    limit += skin.bare_crown * _clamp((y - 8.5) / 1.5, 0.0, 1.0)
    depth = above - limit - 0.2 + skin.undercoat_rise + 0.16 * noise[1] + 0.06 * noise[2]
    share = _clamp(depth / 1.5, 0.0, 1.0)
    return share * share * (3 - 2 * share) * skin.undercoat


@jit
def _skin_colour(skin: Any, mask: Any, noise: Any, rest: Any, above: Any) -> Any:
    """Albedo of a point of skin with lips, stubble, scalp and make-up on it."""
    mottle = 0.06 * noise[2] + 0.04 * noise[3] + 0.04 * skin.grain * noise[1]
    blood = (0.8 * skin.blush * mask[_BLUSH] + skin.blotches * mottle) * skin.redness
    blood += 0.022 * skin.grain * noise[1]
    melanin = skin.under_eye * mask[_UNDER_EYE]
    melanin += skin.grain * (0.022 * noise[1] + 0.026 * noise[0])
    melanin += (0.02 * noise[3] + 0.02 * noise[2]) * skin.blotches
    colour = _pigment(skin, mask, noise, blood, melanin)
    if mask[_LIPS] > 0:
        grain = 1 + 0.06 * noise[1]
        lip = (skin.lip[0] * grain, skin.lip[1] * grain, skin.lip[2] * grain)
        colour = _painted(colour, lip, mask[_LIPS] * 0.92)
    if skin.stubble > 0 and mask[_BEARD] > 0:
        cover = skin.stubble * mask[_BEARD]
        cover *= _clamp(0.62 + 0.22 * noise[0] + 0.12 * noise[1], 0.0, 1.0)
        under = (
            skin.scalp[0] * 0.93 + 0.125 * colour[0],
            skin.scalp[1] * 0.93 + 0.137 * colour[1],
            skin.scalp[2] * 0.93 + 0.155 * colour[2],
        )
        colour = _painted(colour, under, cover)
    if skin.undercoat > 0:
        cover = _scalp_cover(skin, above, rest[0], rest[1], rest[2], noise)
        colour = _painted(colour, (skin.scalp[0], skin.scalp[1], skin.scalp[2]), cover)
    line = mask[_LASH_LINE] * skin.liner
    colour = (colour[0] * (1 - line), colour[1] * (1 - line), colour[2] * (1 - line))
    if skin.eye_shadow > 0:
        shadow = (skin.shadow[0], skin.shadow[1], skin.shadow[2])
        colour = _painted(colour, shadow, mask[_LID] * skin.eye_shadow)
    return colour


@jit
def _on_head(angles: Any, heights: Any, noise: Any, skin: Any, rest: Any) -> Any:
    """Masks (none), height above the hairline and noise on the back of the head and the neck."""
    no = np.float32(0)
    above = _above_hairline(angles, heights, rest[0], rest[1], rest[2])
    x, y = rest[0] * 22 + skin.offset_u, rest[1] * 22 + rest[2] * 15 + skin.offset_v
    return (no, no, no, no, no, no, no, no), above, _noise_at(noise, x, y)


@jit
def _on_face(masks: Any, noise: Any, skin: Any, u: Any, v: Any, fine: Any) -> Any:
    """Masks, height above the hairline and noise at a UV point of the face."""
    mask = _masks_at(masks, u, v) if fine else _nearest_masks(masks, u, v)
    above = (mask[_HAIRLINE] - np.float32(0.5)) * np.float32(16)
    return mask, above, _noise_at(noise, u * 700 + skin.offset_u, v * 700 + skin.offset_v)


@jit
def _tilted_light(light: Any, direction: Any, smooth: Any, normal: Any) -> Any:
    """Irradiance on a normal that relief has tilted; red, scattered further, follows half."""
    red, green, blue = light
    tilt = direction[0] * (normal[0] - smooth[0]) + direction[1] * (normal[1] - smooth[1])
    tilt += direction[2] * (normal[2] - smooth[2])
    gain = 1 + tilt / ((red + green + blue) * np.float32(1 / 3) + np.float32(1e-4))
    gain = _clamp(gain, np.float32(0.25), np.float32(1.8))
    return red * (1 + gain) * np.float32(0.5), green * gain, blue * gain


@jit
def _shadowed(colour: Any, nostril: Any, relief: Any) -> Any:
    """Albedo darkened in the nostrils and, towards red, in folds."""
    dark = 1 - np.float32(0.75) * nostril
    ruddy = dark * (1 - np.float32(0.25) * nostril)
    # Pores hold shadow that light under the skin does not blur away.
    pore = _clamp(relief, np.float32(-0.012), np.float32(0.012))
    dark, ruddy = dark * (1 + pore * 5), ruddy * (1 + pore * 7)
    red, green, blue = colour[0] * dark, colour[1] * ruddy, colour[2] * ruddy
    if relief < -0.01:
        fold = max(1 + relief * np.float32(2.4), np.float32(0.55))
        red, green, blue = red * (0.4 + 0.6 * fold), green * fold, blue * fold
    return red, green, blue


@jit
def _bounced(red: Any, green: Any, blue: Any, colour: Any) -> Any:
    """Light that bounces between folds is tinted by the skin."""
    return red + 0.10 * colour[0], green + 0.07 * colour[1], blue + 0.06 * colour[2]


@jit
def _sheen(skin: Any, mask: Any, noise: Any) -> Any:
    """Gloss (0 broad to 1 tight) and strength of highlights: oily cheeks, wet lips, dull beard."""
    gloss = 0.55 + 0.25 * mask[_BLUSH] + skin.oil * 0.3 - 0.35 * mask[_BEARD] * skin.stubble
    strength = (0.62 + 0.06 * noise[0]) * skin.oil
    return gloss, strength * (1 + skin.lip_gloss * mask[_LIPS]) * (1 + 0.5 * mask[_BLUSH])


@jit
def _skin_sample(
    rest: Any, uv: Any, normals: Any, energy: Any, towards: Any, t: Any, corners: Any
) -> Any:
    """Rest position, UV, normal, irradiance and mean direction of light: fourteen numbers."""
    a, b, c, w0, w1, w2 = corners
    px, py, pz = _mix(rest, a, b, c, w0, w1, w2)
    u, v = _uv_at(uv, t, w0, w1, w2)
    nx, ny, nz = _mix(normals, a, b, c, w0, w1, w2)
    red, green, blue = _mix(energy, a, b, c, w0, w1, w2)
    dx, dy, dz = _mix(towards, a, b, c, w0, w1, w2)
    return px, py, pz, u, v, nx, ny, nz, red, green, blue, dx, dy, dz


@jit
def _halfway(p: Any, q: Any) -> Any:
    """Mean of two samples of the skin."""
    half = np.float32(0.5)
    return (
        *((p[0] + q[0]) * half, (p[1] + q[1]) * half, (p[2] + q[2]) * half),
        *((p[3] + q[3]) * half, (p[4] + q[4]) * half),
        *((p[5] + q[5]) * half, (p[6] + q[6]) * half, (p[7] + q[7]) * half),
        *((p[8] + q[8]) * half, (p[9] + q[9]) * half, (p[10] + q[10]) * half),
        *((p[11] + q[11]) * half, (p[12] + q[12]) * half, (p[13] + q[13]) * half),
    )


@jit
def _lies_close(p: Any, q: Any, reach: Any) -> bool:
    """Whether two samples lie on one smooth piece of skin, at most `reach` cm apart at rest."""
    far = max(abs(p[0] - q[0]), abs(p[1] - q[1]), abs(p[2] - q[2]))
    seam = max(abs(p[3] - q[3]), abs(p[4] - q[4]))
    facing = p[5] * q[5] + p[6] * q[6] + p[7] * q[7]
    return bool(far < reach and seam < _SEAM and facing > _SMOOTH)


@jit
def _is_skin_block(owner: Any, part: Any, y: Any, x: Any) -> bool:
    """Whether the block of two by two pixels whose first is (y, x) shows one part of the skin."""
    a, b, c, d = owner[y, x], owner[y, x + 1], owner[y + 1, x], owner[y + 1, x + 1]
    if min(a, b, c, d) < 0:
        return False
    kind = part[a]
    return bool(kind <= HEAD and part[b] == kind and part[c] == kind and part[d] == kind)


@jit
def _lit_skin(
    sample: Any, on_face: Any, fine: Any, slope: Any, fold: Any, skin: Any, masks: Any, noises: Any,
    angles: Any, heights: Any, keys: Any, key_colours: Any, visible: Any, corners: Any,
) -> Any:  # fmt: skip
    """Irradiance, albedo and highlight (nine numbers) at a sample of the skin, whose relief has
    this slope and height."""
    at = (sample[0], sample[1], sample[2])
    if on_face:
        mask, above, noise = _on_face(masks, noises, skin, sample[3], sample[4], fine)
    else:
        mask, above, noise = _on_head(angles, heights, noises, skin, at)
    smooth = _unit(sample[5], sample[6], sample[7])
    normal = _bumped(slope, smooth[0], smooth[1], smooth[2])
    energy, direction = (sample[8], sample[9], sample[10]), (sample[11], sample[12], sample[13])
    lit = _tilted_light(energy, direction, smooth, normal)
    colour = _skin_colour(skin, mask, noise, at, above)
    colour = _shadowed(colour, mask[_NOSTRIL], fold)
    dark = 1 - np.float32(0.85) * mask[_NOSTRIL]
    red, green, blue = _bounced(lit[0] * dark, lit[1] * dark, lit[2] * dark, colour)
    gloss, strength = _sheen(skin, mask, noise)
    hr, hg, hb = _highlights(keys, key_colours, visible, corners, normal, gloss, strength)
    edge = 1 - max(smooth[2], np.float32(0))
    edge = edge * edge * edge * edge * np.float32(0.10) * min(strength, 1.0)
    least = np.float32(0.003)
    return (
        *(red, green, blue),
        *(max(colour[0], least), max(colour[1], least), max(colour[2], least)),
        *(hr * dark + edge * red, hg * dark + edge * green, hb * dark + edge * blue),
    )


def shade_skin(
    surface: Surface, light: Light, textures: Textures, skin: SkinMaterial, cloth: ClothMaterial,
    relief: Floats, per_cm: float, out: Shaded,
) -> None:  # fmt: skip
    """Shade face, head and neck above the neckline.

    A block of two by two pixels makes one pixel of the picture in the end: where it shows one
    smooth piece of skin, it is shaded as one; elsewhere each pixel is.
    """
    mesh = (surface.owner, surface.bary, surface.part, surface.triangles)
    values = (surface.rest, surface.uv, surface.normals, light.irradiance, light.direction)
    keys = (light.key_direction, light.key_colour, light.visible)
    rest = (*values, *textures, *keys, skin, cloth.neck, cloth.slope, relief, np.float32(per_cm))
    results = (out.irradiance, out.albedo, out.highlight, out.skin)
    _shade_blocks(*mesh, *rest, *results)
    _shade_remaining(*mesh, *rest, *results)


@jit
def _shade_blocks(
    owner: Any, bary: Any, part: Any, triangles: Any, rest: Any, uv: Any, normals: Any, energy: Any,
    towards: Any, masks: Any, noises: Any, angles: Any, heights: Any, keys: Any, key_colours: Any,
    visible: Any, skin: Any, neck: Any, slope: Any, relief: Any, per_cm: Any, irradiance: Any,
    albedo: Any, highlight: Any, is_skin: Any,
) -> None:  # fmt: skip
    """Shade smooth skin, from the samples on the diagonal of each block."""
    fine, reach = per_cm > 2 * _FINE, np.float32(_BLOCK_REACH) / per_cm
    for y in range(0, owner.shape[0] - 1, 2):
        for x in range(0, owner.shape[1] - 1, 2):
            if not _is_skin_block(owner, part, y, x):
                continue
            t, w1, w2 = owner[y, x], bary[y, x, 0], bary[y, x, 1]
            corners = (triangles[t, 0], triangles[t, 1], triangles[t, 2], 1 - w1 - w2, w1, w2)
            p = _skin_sample(rest, uv, normals, energy, towards, t, corners)
            s, w1, w2 = owner[y + 1, x + 1], bary[y + 1, x + 1, 0], bary[y + 1, x + 1, 1]
            others = (triangles[s, 0], triangles[s, 1], triangles[s, 2], 1 - w1 - w2, w1, w2)
            q = _skin_sample(rest, uv, normals, energy, towards, s, others)
            above = min(p[1] - slope * p[2], q[1] - slope * q[2]) - neck
            if above < reach or not _lies_close(p, q, reach):
                continue
            lit = _lit_skin(
                _halfway(p, q), part[t] != HEAD, fine, _block_slope(relief, y, x, per_cm),
                np.float32(0.5) * (relief[y, x] + relief[y + 1, x + 1]), skin, masks, noises,
                angles, heights, keys, key_colours, visible, corners,
            )  # fmt: skip
            for i in range(y, y + 2):
                for j in range(x, x + 2):
                    _store(irradiance, i, j, lit[0], lit[1], lit[2])
                    _store(albedo, i, j, lit[3], lit[4], lit[5])
                    _store(highlight, i, j, lit[6], lit[7], lit[8])
                    is_skin[i, j] = 1


@jit
def _shade_remaining(
    owner: Any, bary: Any, part: Any, triangles: Any, rest: Any, uv: Any, normals: Any, energy: Any,
    towards: Any, masks: Any, noises: Any, angles: Any, heights: Any, keys: Any, key_colours: Any,
    visible: Any, skin: Any, neck: Any, slope: Any, relief: Any, per_cm: Any, irradiance: Any,
    albedo: Any, highlight: Any, is_skin: Any,
) -> None:  # fmt: skip
    """Shade the pixels of skin that are in no smooth block."""
    fine = per_cm > _FINE
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            t = owner[y, x]
            if t < 0 or part[t] > HEAD or is_skin[y, x] > 0:
                continue
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            corners = (triangles[t, 0], triangles[t, 1], triangles[t, 2], 1 - w1 - w2, w1, w2)
            sample = _skin_sample(rest, uv, normals, energy, towards, t, corners)
            if sample[1] < neck + slope * sample[2]:
                continue
            lit = _lit_skin(
                sample, part[t] != HEAD, fine, _slope(relief, y, x, per_cm), relief[y, x], skin,
                masks, noises, angles, heights, keys, key_colours, visible, corners,
            )  # fmt: skip
            _store(irradiance, y, x, lit[0], lit[1], lit[2])
            _store(albedo, y, x, lit[3], lit[4], lit[5])
            _store(highlight, y, x, lit[6], lit[7], lit[8])
            is_skin[y, x] = 1


# --- cloth ----------------------------------------------------------------------------------------


@jit
def _weave(pattern: Any, x: Any, y: Any, z: Any) -> Any:
    """Plain, hoops, stripes or checks: a factor on the cloth's colour."""
    if pattern == 1:
        return 1.0 if np.floor(y * 1.1 + z * 0.8) % 2 == 0 else 0.45
    if pattern == 2:
        return 1.0 if np.floor(x * 1.1) % 2 == 0 else 0.55
    if pattern == 3:
        return 1.0 if (np.floor(x * 0.9) + np.floor((y + z * 0.7) * 0.9)) % 2 == 0 else 0.6
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
            w0 = 1 - w1 - w2
            qx, qy, qz = _mix(surface.rest, a, b, c, w0, w1, w2)
            above = qy - cloth.neck - cloth.slope * qz
            if above >= 0 and surface.part[t] != TORSO:
                continue
            grain = _noise_at(textures.noise, qx * 90, qy * 90 + qz * 70)[0] * 0.04
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
            w0 = 1 - w1 - w2
            qz = _mix(surface.rest, a, b, c, w0, w1, w2)[2]
            nx, ny, nz = _mix(surface.normals, a, b, c, w0, w1, w2)
            nx, ny, nz = _unit(nx, ny, nz)
            red, green, blue = _mix(light.irradiance, a, b, c, w0, w1, w2)
            if part == TEETH:
                # Front faces catch the light, the gaps between teeth turn away from it.
                facing = max(nz, np.float32(0))
                least = np.float32(0.36) + np.float32(0.14) * facing
                depth = _clamp((mouth.lip_z - 0.2 - qz) / 2.6, 0.0, 1.0)
                shape = 0.78 + 0.22 * facing
                _store_albedo(
                    *(out.albedo, y, x, mouth.teeth[0] * shape),
                    *(mouth.teeth[1] * shape * shape, mouth.teeth[2] * shape * shape),
                )
            else:
                least = np.float32(0.24)
                depth = _clamp((mouth.lip_z - qz) / 4.2, 0.0, 1.0)
                wall = part == MOUTH
                r, g, b_ = (0.45, 0.35, 0.35) if wall else (1.0, 1.0, 1.0)
                _store_albedo(
                    *(out.albedo, y, x, mouth.gums[0] * r, mouth.gums[1] * g, mouth.gums[2] * b_)
                )
                out.skin[y, x] = 0.5 if part == GUMS else 0.0
            fade = (1 - 0.85 * depth) * mouth.open
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


@jit
def _iris_colour(eye: Any, light: Any, ring: Any, tx: Any, ty: Any, sine: Any) -> Any:
    """Colour of the iris at a ring (0 centre, 1 edge): two colours, fibres, dark rim, pupil."""
    turn = np.arctan2(ty, tx)
    fibre = eye.texture[int(min(ring, 1.0) * 31.99), int((turn + 3.1416) / 6.2832 * 255.99)]
    outer = _clamp((ring - 0.42) / 0.35, 0.0, 1.0)
    # The cornea gathers light on the side away from the key.
    across = -(tx * light.key_direction[0, 0] + ty * light.key_direction[0, 1]) / (sine + 1e-4)
    shade = fibre * (1 + 0.45 * across * min(ring * 1.3, 1.0))
    shade *= 1 - 0.68 * _clamp((ring - 0.78) / 0.22, 0.0, 1.0)
    pupil = _clamp((eye.pupil + 0.05 - ring) / 0.08, 0.0, 1.0)
    red = (eye.inner[0] + (eye.outer[0] - eye.inner[0]) * outer) * shade
    green = (eye.inner[1] + (eye.outer[1] - eye.inner[1]) * outer) * shade
    blue = (eye.inner[2] + (eye.outer[2] - eye.inner[2]) * outer) * shade
    return (
        red + (0.006 - red) * pupil,
        green + (0.006 - green) * pupil,
        blue + (0.006 - blue) * pupil,
    )


@jit
def _eye_reflections(eye: Any, light: Any, corners: Any, normal: Any, tx: Any, ty: Any) -> Any:
    """Mirror images of the highlights, and a catchlight in the iris that never fails."""
    a, b, c, w0, w1, w2 = corners
    nx, ny, nz = normal
    red = green = blue = np.float32(0)
    for k in range(light.key_direction.shape[0]):
        lx, ly, lz = light.key_direction[k, 0], light.key_direction[k, 1], light.key_direction[k, 2]
        mirrored = 2 * nz * (nx * lx + ny * ly + nz * lz) - lz
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


@jit
def _caruncle(eye: Any, side: Any, at: Any) -> Any:
    """How much of the pink flesh in the inner corner lies at a point of the eyeball at rest."""
    x, y = at[0] - eye.home[side, 0], at[1] - eye.home[side, 1]
    inwards = -x if side == 0 else x
    return _clamp((inwards - np.float32(0.72) - abs(y + np.float32(0.2)) * 0.5) / 0.14, 0.0, 1.0)


@jit
def shade_eyes(
    surface: Surface, light: Light, noise: Floats, skin: SkinMaterial, eye: EyeMaterial, out: Shaded
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
            w0 = 1 - w1 - w2
            px, py, pz = _mix(surface.points, a, b, c, w0, w1, w2)
            ox, oy, oz = _unit(px - eye.centre[e, 0], py - eye.centre[e, 1], pz - eye.centre[e, 2])
            gx, gy, gz = eye.gaze[e, 0], eye.gaze[e, 1], eye.gaze[e, 2]
            cosine = ox * gx + oy * gy + oz * gz
            tx, ty, tz = ox - gx * cosine, oy - gy * cosine, oz - gz * cosine
            sine = np.sqrt(tx * tx + ty * ty + tz * tz) if cosine > 0 else np.float32(2)
            vein = _noise_at(noise, ox * 300 + skin.offset_u, oy * 300 + skin.offset_v)[2]
            far = min(sine / 0.8, 1.0)
            red = eye.sclera[0] * (1 - 0.06 * far)
            green = eye.sclera[1] * (1 - 0.19 * far - 0.03 * vein * far)
            blue = eye.sclera[2] * (1 - 0.21 * far - 0.03 * vein * far)
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
            sky = np.float32(0.012) * (1 + oy)
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
