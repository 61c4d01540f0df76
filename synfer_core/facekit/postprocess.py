"""From shaded buffers to a picture: light under the skin, background, tone curve, camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.jit import jit
from synfer_core.facekit.palette import linear_to_srgb, srgb_to_linear
from synfer_core.facekit.scene import Background, Look
from synfer_core.facekit.shading import Shaded

Floats = NDArray[np.float32]

_SCATTER_CM = (0.22, 0.10, 0.06)  # how far red, green and blue light spreads in skin
_UNDER_LID_TINT = np.array([1.12, 1.086, 1.075], np.float32)
_BACKGROUND_SIZE = 64
_CURVE_STEPS = 4096
_CURVE = linear_to_srgb(np.linspace(0, 1, _CURVE_STEPS)).astype(np.float32)


def shade_under_lids(shaded: Shaded, scale: float) -> None:
    """Darken the eyeball towards the lids, mostly under the upper one (scale: pixels a cm)."""
    rows, columns = np.nonzero(shaded.eye)
    if not len(rows):
        return
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


def scatter(shaded: Shaded, scale: float) -> None:
    """Blur irradiance within the skin, red furthest (d'Eon and Luebke, GPU Gems 3, chapter 14)."""
    inside = shaded.skin > 0.6
    for channel, reach in enumerate(_SCATTER_CM):
        sigma = reach * scale
        if sigma < 0.45:
            continue
        light = cv2.GaussianBlur(shaded.irradiance[..., channel] * shaded.skin, (0, 0), sigma)
        weight = cv2.GaussianBlur(shaded.skin, (0, 0), sigma)
        blurred = light / np.maximum(weight, np.float32(1e-3))
        np.copyto(shaded.irradiance[..., channel], blurred, where=inside)


def compose(shaded: Shaded, covered: NDArray[np.bool_], background: Floats) -> Floats:
    """The picture in linear RGB (H, W, 3): the head before its background."""
    picture = shaded.irradiance * shaded.albedo
    picture += shaded.highlight
    np.copyto(picture, background, where=~covered[..., None])
    return picture


# --- background -----------------------------------------------------------------------------------


def paint_background(background: Background, size: int) -> Floats:
    """Linear RGB (size, size, 3)."""
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


def develop(picture: Floats, look: Look, tone: float, size: int) -> NDArray[np.uint8]:
    """Expose, compress highlights, reduce to the final size and add the camera's traces.

    Args:
        picture: Linear RGB, exposed so that the face's mean irradiance is 1.
        tone: Skin depth 0-1; photographers open up for dark skin.
        size: Pixels on a side of the result.
    """
    gain = (0.68 + 0.52 * tone) * look.exposure
    out: Floats = np.empty((size, size, 3), np.float32)
    _expose(picture, gain, look.contrast, look.saturation, _CURVE, out)
    if look.blur > 0.2:
        out = np.asarray(
            cv2.GaussianBlur(out, (0, 0), look.blur * max(1.0, size / 128)), np.float32
        )
    rng = np.random.default_rng(look.seed)
    out += rng.standard_normal(out.shape, np.float32) * np.float32(look.noise)
    return np.asarray(np.clip(out, 0, 1) * 255 + 0.5, np.uint8)


@jit
def _expose(picture: Any, gain: Any, contrast: Any, saturation: Any, curve: Any, out: Any) -> None:
    """Compress highlights, encode as sRGB, average blocks of pixels, set contrast and colour."""
    size = out.shape[0]
    block = picture.shape[0] // size
    last = curve.shape[0] - 1
    scale = np.float32(1.0 / (block * block))
    exposure, contrast = np.float32(gain), np.float32(contrast)
    colour = np.zeros(3, np.float32)
    for y in range(size):
        for x in range(size):
            grey = np.float32(0)
            for k in range(3):
                total = np.float32(0)
                for i in range(block):
                    for j in range(block):
                        v = picture[y * block + i, x * block + j, k] * exposure
                        v = v * (1 + v * np.float32(0.12)) / (1 + v * np.float32(0.30))
                        total += curve[int(min(max(v, np.float32(0)), np.float32(1)) * last)]
                value = (total * scale - np.float32(0.45)) * contrast + np.float32(0.45)
                colour[k] = min(max(value, np.float32(0)), np.float32(1))
                grey += colour[k] * np.float32(1 / 3)
            for k in range(3):
                out[y, x, k] = grey + (colour[k] - grey) * np.float32(saturation)
