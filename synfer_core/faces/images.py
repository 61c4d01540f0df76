"""Reading image files that strangers made: judged by their content, with limits, never a crash."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synfer_core.errors import ImageError

MAX_BYTES = 25_000_000
MAX_PIXELS = 40_000_000
MAX_SIDE = 10_000
MIN_SIDE = 32

_KINDS = "a PNG, JPEG or WebP image"
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"RIFF", "WEBP"))
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path) -> NDArray[np.uint8]:
    """The image in a file, upright, as (H, W, 3) RGB.

    Raises:
        ImageError: See `decode_image`; also where the file cannot be read.
    """
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file, of one that is too large only so many that it shows.

    Raises:
        ImageError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}", field=str(path)) from error


def decode_image(data: bytes, field: str = "image", *, on_white: bool = True) -> NDArray[np.uint8]:
    """The image in the bytes of a PNG, JPEG or WebP file, upright, as (H, W, 3) RGB.

    Transparent parts become white, or with `on_white` false keep the colours that are stored for
    them; 16-bit greys keep their upper eight bits, and the orientation
    in the EXIF data is applied.

    Raises:
        ImageError: The bytes are another kind of file, are damaged, hold several frames, or exceed
            25 MB, 40 megapixels or 10,000 pixels on a side; or a side has fewer than 32 pixels.
    """
    if len(data) > MAX_BYTES:
        raise ImageError("file is too large", field=field, allowed=f"at most {MAX_BYTES:,} bytes")
    kind = _kind(data, field)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _check_shape(image, field)
            image.load()
            return _upright(image, on_white)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(field, None) from error
    except _DAMAGE as error:
        raise ImageError("is damaged or cut short", field=field, allowed=_KINDS) from error


def _kind(data: bytes, field: str) -> str:
    for magic, kind in _MAGIC:
        if data.startswith(magic) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            return kind
    raise ImageError("is not an image of a kind known here", field=field, allowed=_KINDS)


def _check_shape(image: Image.Image, field: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_many_pixels(field, f"{width} x {height}")
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"is only {width} x {height} pixels", field=field, allowed=f"{MIN_SIDE} on each side"
        )
    # A phone's JPEG may carry a second picture (MPO); its first is the photo.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise ImageError("is animated", field=field, allowed="a single still image")


def _too_many_pixels(field: str, size: str | None) -> ImageError:
    return ImageError(
        f"has too many pixels{f' ({size})' if size else ''}",
        field=field,
        allowed=f"at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} on a side",
    )


def _upright(image: Image.Image, on_white: bool) -> NDArray[np.uint8]:
    turn = _TURNS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    rgb = _as_rgb(image, on_white)
    return np.array(rgb if turn is None else rgb.transpose(turn))


def _as_rgb(image: Image.Image, on_white: bool) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit greys to white instead of scaling them.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    if not on_white:
        return layer.convert("RGB")
    return _on_white(layer)


def put_on_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with alpha (H, W, 4) as `decode_image` reads it off a file (H, W, 3)."""
    return np.array(_on_white(Image.fromarray(image)))


def _on_white(layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
