from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synfer_core.errors import ImageError
from synfer_core.faces.images import MAX_BYTES, MIN_SIDE, decode_image, decoding, read_image

FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF"]
ORIENTATION = 0x0112


def corners(width: int = 64, height: int = 48) -> Image.Image:
    """Black, with a red top left and a blue bottom right quarter."""
    image = Image.new("RGB", (width, height))
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    image.paste((0, 0, 255), (width // 2, height // 2, width, height))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG of that size with hardly any data behind it."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 1000)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", FORMATS)
def test_reads_each_kind_whatever_its_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(corners(), kind))
    image = read_image(path)
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[8, 8], (255, 0, 0), atol=12)
    np.testing.assert_allclose(image[40, 56], (0, 0, 255), atol=12)


@pytest.mark.parametrize(
    "data", [b"", b"hello, I am no image\n", b"GIF89a" + b"\0" * 50, b"RIFF\x10\0\0\0WAVEfmt "]
)
def test_other_content_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match="kind known here") as caught:
        read_image(path)
    assert caught.value.field == str(path)
    assert caught.value.allowed == "a PNG, JPEG, WebP, BMP, TIFF or AVIF image"


@pytest.mark.parametrize("size", [(50_000, 50_000), (12_000, 9_000), (8_000, 6_000), (10_001, 40)])
def test_too_many_pixels(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="too many pixels") as caught:
        decode_image(png_header(*size))
    assert "40,000,000" in (caught.value.allowed or "")


def test_pillows_own_limit_stays_on() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None


def test_too_small() -> None:
    with pytest.raises(ImageError, match="only 31 x 40"):
        decode_image(encoded(Image.new("RGB", (MIN_SIDE - 1, 40)), "PNG"))


def test_too_many_bytes() -> None:
    with pytest.raises(ImageError, match="file is too large"):
        decode_image(b"\x89PNG\r\n\x1a\n" + bytes(MAX_BYTES))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_short(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(ImageError, match="damaged or cut short"):
        decode_image(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_animated(kind: str) -> None:
    other = Image.new("RGB", (64, 48), "green")
    data = encoded(corners(), kind, save_all=True, append_images=[other])
    with pytest.raises(ImageError, match="animated"):
        decode_image(data)


def test_a_phones_double_jpeg_gives_its_first_picture() -> None:
    data = encoded(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    np.testing.assert_allclose(decode_image(data)[8, 8], (255, 0, 0), atol=12)


def test_cmyk() -> None:
    image = decode_image(encoded(corners().convert("CMYK"), "JPEG"))
    np.testing.assert_allclose(image[8, 8], (255, 0, 0), atol=12)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(mode: str) -> None:
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 20, 40))
    image = decode_image(encoded(clear.convert(mode), "PNG"))
    assert image[20, 10].tolist() == [0, 0, 0]
    assert image[20, 30].tolist() == [255, 255, 255]


def test_sixteen_bit_greys_are_scaled() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(40, 0)
    image = decode_image(encoded(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(image[0, :, 0], ramp[0] >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = corners()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose numbers
    if orientation in undo:
        turned = turned.transpose(Image.Transpose(undo[orientation]))
    image = decode_image(encoded(turned, "PNG", exif=exif))
    np.testing.assert_array_equal(image, np.asarray(corners()))


@pytest.mark.parametrize("name", ["absent.png", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of metadata it cannot read
@given(places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_any_damage_is_read_or_refused(kind: str, places: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(corners(), kind))
    for place, value in places:
        data[place % len(data)] = value
    try:
        image = decode_image(bytes(data))
    except ImageError:
        return
    assert image.ndim == 3


def without_chunk(png: bytes, name: bytes) -> bytes:
    place = png.index(name) - 4
    length = struct.unpack(">I", png[place : place + 4])[0]
    return png[:place] + png[place + length + 12 :]


def test_a_png_without_its_palette_is_damaged() -> None:
    """Pillow trips on it with an AssertionError."""
    data = without_chunk(encoded(corners().convert("P"), "PNG"), b"PLTE")
    with pytest.raises(ImageError, match=r"x\.png: is damaged"):
        decode_image(data, "x.png")


@pytest.mark.parametrize("fault", [AssertionError, KeyError, ZeroDivisionError, MemoryError])
def test_whatever_a_decoder_raises_is_damage(fault: type[Exception]) -> None:
    with pytest.raises(ImageError, match=r"x\.png: is damaged"), decoding("x.png"):
        raise fault


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_marker_is_whole(lost: int, progressive: bool) -> None:
    data = encoded(corners(), "JPEG", progressive=progressive)
    np.testing.assert_array_equal(decode_image(data[:-lost]), decode_image(data))
    with pytest.raises(ImageError, match="damaged"):
        decode_image(data[:-20])


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_greys_keep_the_upper_eight_of_the_bits_that_a_camera_fills(bits: int, kind: str) -> None:
    ramp = np.linspace(0, 2**bits - 1, 64).astype(np.uint16)[None].repeat(40, 0)
    image = decode_image(encoded(Image.fromarray(ramp), kind))
    np.testing.assert_array_equal(image[0, :, 1], ramp[0] >> (bits - 8))


def test_greys_that_count_from_white_are_turned_round() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(40, 0)
    image = decode_image(encoded(Image.fromarray(ramp), "TIFF", tiffinfo={262: 0}))
    np.testing.assert_array_equal(image[0, :, 0], (65535 - ramp[0]) >> 8)


def test_fractions_and_pages_of_a_tiff_are_refused() -> None:
    with pytest.raises(ImageError, match=r"x\.tif: holds fractions"):
        decode_image(encoded(Image.new("F", (40, 40)), "TIFF"), "x.tif")
    pages = encoded(corners(), "TIFF", save_all=True, append_images=[corners()])
    with pytest.raises(ImageError, match="several pictures"):
        decode_image(pages)


def test_heic_is_named() -> None:
    with pytest.raises(ImageError, match="is a HEIC image"):
        decode_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))


def test_libtiff_says_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(corners(), "TIFF", compression="tiff_lzw"))
    data[8:40] = bytes(range(200, 232))
    with pytest.raises(ImageError):
        decode_image(bytes(data))
    assert capfd.readouterr().err == ""
