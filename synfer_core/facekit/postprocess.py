"""From shaded buffers to a picture: light under the skin, background, tone curve, camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.jit import inlined, jit
from synfer_core.facekit.palette import linear_to_srgb, portrait_exposure, srgb_to_linear
from synfer_core.facekit.scene import CUT_OUT, Background, Look
from synfer_core.facekit.shading import Shaded

Floats = NDArray[np.float32]

_SCATTER_CM = (0.12, 0.065, 0.045)  # how far red, green and blue light spreads in skin
_LEAST_SCATTER = 0.45  # pixels
_INSIDE = 0.6  # share of skin from which a pixel's light is scattered
_TEARS_CM, _TEARS = 0.03, 0.13  # thickness of the line, share of light it mirrors
_UNDER_LID_TINT = np.array([1.12, 1.086, 1.075], np.float32)
_BACKGROUND_SIZE = 64
_CURVE_STEPS = 4096
_CURVE = linear_to_srgb(np.linspace(0, 1, _CURVE_STEPS)).astype(np.float32)


def shade_under_lids(shaded: Shaded, scale: float) -> None:
    """Darken the eyeball towards the lids, mostly under the upper one (scale: pixels a cm)."""
    rows = np.flatnonzero(shaded.eye.any(1))
    if not len(rows):
        return
    columns = np.flatnonzero(shaded.eye[rows[0] : rows[-1] + 1].any(0))
    reach = scale * 0.28
    margin = int(4 * reach) + 2
    box = (
        slice(max(0, rows.min() - margin), rows.max() + margin),
        slice(max(0, columns.min() - margin), columns.max() + margin),
    )
    eye = shaded.eye[box]
    blurred = cv2.GaussianBlur(eye, (0, 0), max(0.6, reach))
    down = np.array([[1, 0, 0], [0, 1, reach * 0.9]], np.float32)
    open_share = cv2.warpAffine(blurred, down, (eye.shape[1], eye.shape[0]))
    light = np.clip((open_share - 0.25) / 0.6, 0.12, 1)[..., None]
    inside = eye > 0
    shaded.irradiance[box][inside] *= (light[inside] * 0.9 + 0.1) * _UNDER_LID_TINT
    shaded.highlight[box][inside] *= np.clip(light[inside] * 1.6 - 0.25, 0.1, 1)
    _wet_line(shaded, box, scale)


def _wet_line(shaded: Shaded, box: tuple[slice, slice], scale: float) -> None:
    """The film of tears along the lower lid mirrors light in a thin line."""
    eye = shaded.eye[box]
    thick = max(1, round(_TEARS_CM * scale))
    below = np.zeros_like(eye)
    below[:-thick] = eye[thick:]
    line = (eye > 0) & (below <= 0)
    shaded.highlight[box][line] += _TEARS * shaded.irradiance[box][line]


def scatter(shaded: Shaded, scale: float) -> None:
    """Blur irradiance within the skin, red furthest (d'Eon and Luebke, GPU Gems 3, chapter 14).

    Blocks of two by two pixels, which make one pixel of the picture in the end, are blurred as one.
    """
    size = len(shaded.skin) // 2
    light, weight = np.empty((size, size, 3), np.float32), np.empty((size, size), np.float32)
    _gather_skin(shaded.irradiance, shaded.skin, light, weight)
    for channel, reach in enumerate(_SCATTER_CM):
        sigma = reach * scale
        if sigma < _LEAST_SCATTER:
            continue
        spread = cv2.GaussianBlur(np.ascontiguousarray(light[..., channel]), (0, 0), sigma / 2)
        share = cv2.GaussianBlur(weight, (0, 0), sigma / 2)
        _put_skin(spread, share, shaded.skin, channel, shaded.irradiance)


@jit
def _gather_skin(irradiance: Any, skin: Any, light: Any, weight: Any) -> None:
    """Mean light on skin, and share of skin, in each block of two by two pixels."""
    quarter = np.float32(0.25)
    for y in range(weight.shape[0]):
        for x in range(weight.shape[1]):
            red = green = blue = share = np.float32(0)
            for i in range(2 * y, 2 * y + 2):
                for j in range(2 * x, 2 * x + 2):
                    part = skin[i, j] * quarter
                    share += part
                    red += irradiance[i, j, 0] * part
                    green += irradiance[i, j, 1] * part
                    blue += irradiance[i, j, 2] * part
            weight[y, x] = share
            light[y, x, 0], light[y, x, 1], light[y, x, 2] = red, green, blue


@jit
def _put_skin(spread: Any, share: Any, skin: Any, channel: Any, irradiance: Any) -> None:
    least, inside = np.float32(1e-3), np.float32(_INSIDE)
    for y in range(skin.shape[0]):
        for x in range(skin.shape[1]):
            if skin[y, x] > inside:
                blurred = spread[y // 2, x // 2] / max(share[y // 2, x // 2], least)
                irradiance[y, x, channel] = blurred


def compose(shaded: Shaded, owner: NDArray[np.int32], background: Floats) -> Floats:
    """The enlarged picture in linear RGB (H, W, 3): the head before its background.

    Args:
        owner: Triangle at each pixel, -1 for none (H, W).
        background: Linear RGB of the final size, which divides that of the picture.
    """
    picture = np.empty((*owner.shape, 3), np.float32)
    _compose(shaded.irradiance, shaded.albedo, shaded.highlight, owner, background, picture)
    return picture


@jit
def _compose(
    light: Any, albedo: Any, highlight: Any, owner: Any, background: Any, picture: Any
) -> None:
    block = owner.shape[0] // background.shape[0]
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            for k in range(3):
                if owner[y, x] >= 0:
                    picture[y, x, k] = light[y, x, k] * albedo[y, x, k] + highlight[y, x, k]
                else:
                    picture[y, x, k] = background[y // block, x // block, k]


# --- background -----------------------------------------------------------------------------------


def paint_background(background: Background, size: int) -> Floats:
    """Linear RGB (size, size, 3); black behind a person who is cut out."""
    if background.kind in CUT_OUT:
        return np.zeros((size, size, 3), np.float32)
    rng = np.random.default_rng(background.seed)
    axis = np.arange(_BACKGROUND_SIZE) / _BACKGROUND_SIZE
    x, y = np.meshgrid(axis, axis)
    first, second = np.array(background.first), np.array(background.second)
    along = (x - 0.5) * np.cos(background.angle) + (y - 0.5) * np.sin(background.angle)
    share = np.clip(along + 0.5, 0, 1)[..., None]
    picture: NDArray[np.float64] = first + np.zeros((_BACKGROUND_SIZE, _BACKGROUND_SIZE, 3))
    if background.kind in ("gradient", "blur", "bokeh"):
        picture = first * (1 - share) + second * share
    if background.kind == "blur":
        picture = _blurred_room(picture, rng)
    elif background.kind == "bokeh":
        picture = _lights_out_of_focus(picture, rng)
    elif background.kind == "wall":
        edge = (x if rng.random() < 0.6 else y)[..., None] < rng.uniform(0.2, 0.8)
        split = np.where(edge, first, second)
        picture = np.asarray(cv2.GaussianBlur(split, (0, 0), rng.uniform(0.6, 3)))
    falloff = (x - 0.5) ** 2 + (y - 0.45) ** 2
    picture = picture * (1 - background.vignette * 1.5 * falloff[..., None])
    if background.kind in ("blur", "wall"):
        picture += rng.normal(0, 0.012, picture.shape) * rng.random()
    linear = srgb_to_linear(np.clip(picture, 0, 1)).astype(np.float32) * background.gain
    large = cv2.resize(linear, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.maximum(large, np.float32(0))


def _colour(rng: np.random.Generator, low: float) -> tuple[float, float, float]:
    hue, saturation = rng.random() * 360, rng.beta(1.3, 2.5)
    pixel = np.array([[[hue, saturation, rng.uniform(low, 1)]]], np.float32)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _blurred_room(picture: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    for _ in range(rng.integers(4, 14)):
        x, y = (int(v) for v in rng.integers(-10, _BACKGROUND_SIZE, 2))
        width, height = (int(v) for v in rng.integers(8, 40, 2))
        cv2.rectangle(picture, (x, y), (x + width, y + height), _colour(rng, 0.1), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(1.2, 6)))


def _lights_out_of_focus(
    picture: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    for _ in range(rng.integers(4, 14)):
        disc = picture.copy()
        x, y = (int(v) for v in rng.integers(0, _BACKGROUND_SIZE, 2))
        cv2.circle(disc, (x, y), int(rng.integers(2, 7)), _colour(rng, 0.4), -1)
        picture = picture * 0.45 + disc * 0.55
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 1.5)))


# --- camera ---------------------------------------------------------------------------------------


def grain_of(look: Look, size: int) -> Floats:
    """The camera's noise (size, size, 3)."""
    rng = np.random.default_rng(look.seed)
    return rng.standard_normal((size, size, 3), np.float32) * np.float32(look.noise)


def develop(picture: Floats, look: Look, tone: float, grain: Floats) -> NDArray[np.uint8]:
    """Expose, compress highlights, reduce to the final size and add the camera's traces.

    Args:
        picture: Linear RGB, exposed so that the face's mean irradiance is 1.
        tone: Skin depth 0-1; photographers open up for dark skin.
        grain: Noise of the camera, of the size of the result (H, W, 3).
    """
    size = len(grain)
    gain = portrait_exposure(tone) * look.exposure
    out: Floats = np.empty((size, size, 3), np.float32)
    _expose(picture, gain, look.contrast, look.saturation, _CURVE, out)
    if look.blur > 0.2:
        out = np.asarray(
            cv2.GaussianBlur(out, (0, 0), look.blur * max(1.0, size / 128)), np.float32
        )
    developed = np.empty(out.shape, np.uint8)
    _quantise(np.ascontiguousarray(out), grain, developed)
    return developed


@jit
def _quantise(picture: Any, grain: Any, out: Any) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for k in range(3):
                value = picture[y, x, k] + grain[y, x, k]
                value = min(max(value, np.float32(0)), np.float32(1))
                out[y, x, k] = np.uint8(value * np.float32(255) + np.float32(0.5))


@inlined
def _encoded(v: Any, curve: Any, last: Any) -> Any:
    """sRGB value of light whose highlights are compressed."""
    v = v * (1.0 + v * 0.12) / (1.0 + v * 0.30)
    return curve[int(min(max(v, 0.0), 1.0) * last)]


@jit
def _expose(picture: Any, gain: Any, contrast: Any, saturation: Any, curve: Any, out: Any) -> None:
    """Compress highlights, encode as sRGB, average blocks of pixels, set contrast and colour."""
    size = out.shape[0]
    block = picture.shape[0] // size
    last = np.float32(curve.shape[0] - 1)
    scale = np.float32(1.0 / (block * block))
    exposure, contrast = np.float32(gain), np.float32(contrast)
    colour = np.zeros(3, np.float32)
    for y in range(size):
        for x in range(size):
            grey = np.float32(0)
            for k in range(3):
                first = picture[y * block, x * block, k]
                total, alike = np.float32(0), True
                for i in range(block):
                    for j in range(block):
                        alike = alike and picture[y * block + i, x * block + j, k] == first
                if alike:  # most of skin and background, which is looked up once
                    total = _encoded(first * exposure, curve, last) / scale
                else:
                    for i in range(block):
                        for j in range(block):
                            v = picture[y * block + i, x * block + j, k]
                            total += _encoded(v * exposure, curve, last)
                value = (total * scale - np.float32(0.45)) * contrast + np.float32(0.45)
                colour[k] = min(max(value, np.float32(0)), np.float32(1))
                grey += colour[k] * np.float32(1 / 3)
            for k in range(3):
                out[y, x, k] = grey + (colour[k] - grey) * np.float32(saturation)
