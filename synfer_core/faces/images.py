"""Reading image files that strangers made: judged by their content, with limits, never a crash."""

from __future__ import annotations

import ctypes
import ctypes.util
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from synfer_core.errors import ImageError, SynferError

MAX_BYTES = 25_000_000
MAX_PIXELS = 40_000_000
MAX_SIDE = 10_000
MIN_SIDE = 32

KINDS = ("PNG", "JPEG", "WebP", "BMP", "TIFF", "AVIF")
"""Kinds of pictures that are read, as people call them."""

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif"})
"""Usual endings of their names."""

_KINDS = f"a {', '.join(KINDS[:-1])} or {KINDS[-1]} image"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"RIFF", "WEBP"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_END_OF_JPEG = b"\xff\xd9"
_UNKNOWN = "is not an image of a kind known here"
_BITS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners fill of a grey."""
_WHITE_IS_ZERO = (262, 0)
"""A TIFF's tag for how its greys count, and the value where they count from white."""
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


@contextmanager
def decoding(field: str, allowed: str | None = None) -> Iterator[None]:
    """Whatever a decoder raises in here is one error that names the picture.

    Args:
        field: What the picture is called.
        allowed: What would be read.

    Raises:
        ImageError: In place of all that is not of this program's errors.
    """
    try:
        yield
    except SynferError as error:
        error.field = error.field or field
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(field, None) from error
    except Exception as error:  # damaged files raise whatever their decoder trips on
        raise ImageError(
            "is damaged or cut short", field=field, allowed=allowed or _KINDS
        ) from error


@contextmanager
def opened(data: bytes, field: str = "image", kind: str | None = None) -> Iterator[Image.Image]:
    """A picture as Pillow reads it, loaded whole.

    Args:
        data: Bytes of its file.
        field: What errors call it.
        kind: The one kind, as Pillow calls it, that is read; None judges it by its content.

    Raises:
        ImageError: See `decode_image`.
    """
    with decoding(field, kind and f"a {kind} image"):
        kind = kind or _kind(data, field)
        _silence_libtiff()
        with _loaded(data, kind, field) as image:
            yield image


def _loaded(data: bytes, kind: str, field: str) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=[kind])
    _check_shape(image, field)
    try:
        image.load()
    except OSError:
        whole = _with_end(data, field) if kind == "JPEG" else None
        if whole is None:
            raise
        return _loaded(whole, kind, field)
    return image


def decode_image(data: bytes, field: str = "image", *, on_white: bool = True) -> NDArray[np.uint8]:
    """The image in the bytes of a file of one of `KINDS`, upright, as (H, W, 3) RGB.

    Transparent parts become white, or with `on_white` false keep the colours that are stored for
    them; the orientation in the EXIF data is applied. Greys of more than 8 bits keep the upper
    eight of as many bits as the picture uses: a camera's 12 bits in a file of 16 are not dark. A
    JPEG that only lacks its end marker is read.

    Raises:
        ImageError: The bytes are another kind of file, are damaged, hold several frames, or exceed
            25 MB, 40 megapixels or 10,000 pixels on a side; or a side has fewer than 32 pixels.
    """
    if len(data) > MAX_BYTES:
        raise ImageError("file is too large", field=field, allowed=f"at most {MAX_BYTES:,} bytes")
    with opened(data, field) as image:
        return _upright(image, on_white)


def _with_end(data: bytes, field: str) -> bytes | None:
    """The JPEG with the end marker that it lacks; None where more than that is missing.

    What is missing shows: with other bytes in its place the picture is another.
    """
    stem = data.removesuffix(_END_OF_JPEG).removesuffix(b"\xff")
    whole, other = stem + _END_OF_JPEG, stem + b"\x55" * 64 + _END_OF_JPEG
    if whole == data:
        return None
    try:
        same = np.array_equal(decode_image(whole, field), decode_image(other, field))
    except ImageError:
        return None
    return whole if same else None


@cache
def _silence_libtiff() -> None:
    """Keep the library's own complaints off the terminal: they name no file."""
    beside = Path(Image.__file__).parent.parent / "pillow.libs"
    found = next(iter(sorted(beside.glob("libtiff*"))), None)
    name = str(found) if found else ctypes.util.find_library("tiff")
    if name and features.check("libtiff"):
        library = ctypes.CDLL(name)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


def _kind(data: bytes, field: str) -> str:
    for magic, kind in _MAGIC:
        if data.startswith(magic) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            return kind
    brands = data[8:64] if data[4:8] == b"ftyp" else b""
    if b"avif" in brands and features.check("avif"):
        return "AVIF"
    what = "is a HEIC image, which cannot be read here" if b"hei" in brands else _UNKNOWN
    raise ImageError(what, field=field, allowed=_KINDS)


def _check_shape(image: Image.Image, field: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_many_pixels(field, f"{width} x {height}")
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"is only {width} x {height} pixels",
            field=field,
            allowed=f"at least {MIN_SIDE} on each side",
        )
    # A phone's JPEG may carry a second picture (MPO); its first is the photo.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        what = "holds several pictures" if image.format == "TIFF" else "is animated"
        raise ImageError(what, field=field, allowed="a single still image")


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
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.mode == "F":
        raise ImageError("holds fractions", allowed="8 or 16 bits a colour")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    if not on_white:
        return layer.convert("RGB")
    return _on_white(layer)


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Greys (H, W) of up to 16 bits in 8: Pillow would clip them to white.

    How many bits a camera filled, no file says; the brightest pixel does.
    """
    greys = np.asarray(image).astype(np.int64)
    brightest = int(greys.max())
    if brightest >= 1 << _BITS[-1] or greys.min() < 0:
        raise ImageError("has greys of 32 bits", allowed="8 or 16 bits a colour")
    bits = next(bits for bits in _BITS if brightest < 1 << bits)
    tag, value = _WHITE_IS_ZERO
    if image.format == "TIFF" and getattr(image, "tag_v2", {}).get(tag) == value:
        greys = (1 << bits) - 1 - greys
    return (greys >> (bits - 8)).astype(np.uint8)


def put_on_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with alpha (H, W, 4) as `decode_image` reads it off a file (H, W, 3)."""
    return np.array(_on_white(Image.fromarray(image)))


def _on_white(layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
