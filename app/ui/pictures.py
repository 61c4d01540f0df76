"""Pictures as URLs that carry them along: previews, results, heat maps. Pure functions."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_HEAT_SIDE = 128
# Colours of the plasma map (van der Walt and Smith 2015) at equal distances.
_PLASMA = np.array(
    [(13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33)], dtype=np.float32
)


def data_url(data: bytes, kind: str) -> str:
    """Bytes as a URL that needs no request and that no other user can open."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def preview_url(image: NDArray[np.uint8]) -> str:
    """A (H, W, 3) picture, or (H, W, 4) with alpha, as a small WebP."""
    return data_url(_encode(Image.fromarray(image), "WEBP", quality=82), "webp")


def jpeg_url(image: NDArray[np.uint8]) -> str:
    """A (H, W, 3) picture as a small JPEG."""
    return data_url(_encode(Image.fromarray(image), "JPEG", quality=80), "jpeg")


def png(image: NDArray[np.uint8]) -> bytes:
    """A (H, W, 3) picture as PNG."""
    return _encode(Image.fromarray(image), "PNG")


def heat_url(heat: NDArray[np.float32]) -> str:
    """A (h, w) map in 0-1 as a see-through picture: where it is 0, the face shows."""
    return data_url(_encode(_heat(heat), "WEBP", quality=75), "webp")


def heat_png(heat: NDArray[np.float32]) -> bytes:
    """The same as PNG."""
    return _encode(_heat(heat), "PNG")


def _heat(heat: NDArray[np.float32]) -> Image.Image:
    values = np.clip(np.nan_to_num(np.asarray(heat, dtype=np.float32)), 0.0, 1.0)
    smooth = Image.fromarray(values).resize((_HEAT_SIDE, _HEAT_SIDE), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(smooth), 0.0, 1.0)
    place = strength * (len(_PLASMA) - 1)
    channels = [np.interp(place, range(len(_PLASMA)), _PLASMA[:, c]) for c in range(3)]
    pixels = np.stack([*channels, 255.0 * np.sqrt(strength)], axis=-1).round().astype(np.uint8)
    return Image.fromarray(pixels)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
