"""What `fuzzing` damages, and the readers that get it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from synfer_core.data.aus import Table
from synfer_core.data.spec import DataSet
from synfer_core.faces.images import decode_image
from synfer_core.facs import format_facs, parse_facs
from synfer_core.grids.spec import Grid
from synfer_core.morphs.spec import Continuum
from synfer_core.provenance import reading
from synfer_core.provenance.export import Export
from synfer_core.provenance.marking import Marking
from synfer_core.request import Recipe
from synfer_core.stimuli import table
from synfer_core.stimuli.spec import StimulusSet
from tests import mutating
from tests.fuzzing import Target

IMAGES = frozenset({"image", "provenance"})
"""Targets that read pictures."""

RECIPES = (
    b"{}",
    b'{"version": 1, "text": "a smiling woman", "aus": {"AU12": 4.0, "AUL2": 1.5}, "seed": 7}',
    b'{"facs": "6C", "guidance": {"text": 1.5, "semantic": 1.0}, "expression": "happiness"}',
    b'{"backbone": "facekit", "expression": "fear", "identity_seed": 3, "size": 256}',
    b'{"reference": "sample:ada", "inversion_depth": 0.6, "reference_aus": {"AU4": 1}}',
    b'{"negative_text": "glasses", "scheduler": "ddim", "semantic": {"every": 2}, "au_scale": 1}',
    b'{"backbone": "facekit", "scene": {"background": "#808080", "yaw": 10, "glasses": "none"}}',
)

STIMULI = (
    b"identities: [3, {seed: 4, text: an old man}]\nexpressions: [anger]\nstep: 25\n"
    b"treatment: {crop: oval, greyscale: true, match: histogram}\n",
    b"identities: {count: 4, balance: [sex, skin_tone], first_seed: 40}\n"
    b"expressions: [fear, happiness]\nmixes: {smirk: R12C+R14B}\naction_units: [AU45, AUL12]\n",
    b'{"identities": 3, "expressions": ["happiness"], "recipe": {"text": "a window"}}',
)

DATA_SETS = (
    b"counts: {fear: 2, neutral: 3}\naus: {strength: [0.7, 1.3], jitter: 0.2}\nsemantic: true\n"
    b"people: {count: 4, balance: {sex: [woman], hair: null}}\nverdicts: {by: none}\n",
    b"counts: 8\naus: {source: uniform, units: [AU1, AU12], active: [1, 2]}\nshard: 4\n",
)

GRIDS = (
    b'{"base": {"text": "a man", "seed": 3}, "rows": {"kind": "expression", "values": ["fear"]},'
    b' "columns": {"kind": "identity_seed", "values": [1, 2, 3]}}',
)

CONTINUA = (
    b"apex: 6C+12D\nframes: 11\nfps: 25\ncourse: whole\ncurve: {onset: 0.1, easing: linear}\n"
    b"curves: {AU12: {apex: 0.4}}\n",
    b'{"apex": {"AU12": 4}, "start": {"AU4": 2}, "times": "ms", "recipe": {"identity_seed": 4}}',
)

CODES = tuple(
    code.encode() for code in ("6C+12D", "1C+2C+4B+5D+7B+20C+25B+26B", "L12B+R14C", "R43E")
)


TABLES = (
    b"frame,AU06_r,AU12_r,AU45_c\n1,2.5,4.0,0\n2,0,1.25,1\n",
    b"file;AU1;AUL12;expression\na.png;1,5;3;fear\nb.png;;0;neutral\n",
    b"file,AU06,AU11,AU12\na.png,0.1,0.9,1\n",
)

SET_TABLES = (
    table.to_csv(
        [
            {"file": "a.png", "recipe": '{"seed": 1}', "treatment": '{"size": 64}'},
            {
                "file": "c.png",
                "recipe": '{"facs": "6C", "seed": 2}',
                "treatment": '{"size": 128}',
            },
        ],
        table.NEEDED,
    ),
)


def targets() -> tuple[Target, ...]:
    """All of them."""
    texts: tuple[tuple[str, tuple[bytes, ...], Callable[[bytes], object]], ...] = (
        ("recipe", RECIPES, Recipe.parse_json),
        ("stimulus set", STIMULI, StimulusSet.parse_text),
        ("data set", DATA_SETS, DataSet.parse_text),
        ("grid", GRIDS, Grid.parse_text),
        ("morph", CONTINUA, Continuum.parse_text),
        ("facs", CODES, _read_codes),
        ("measured AUs", TABLES, _read_measured),
        ("table of a set", SET_TABLES, lambda data: _from_file(data, table.read)),
    )
    return (
        Target("image", pictures(), decode_image, mutating.image),
        Target("provenance", pictures(), reading.read, mutating.image),
        *(Target(name, seeds, read, mutating.text) for name, seeds, read in texts),
    )


def _from_file(data: bytes, read: Callable[[Path], object]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "given"
        place.write_bytes(data)
        return read(place)


def _read_measured(data: bytes) -> object:
    return _from_file(data, lambda place: Table.read(place, usual=5.0))


def _read_codes(data: bytes) -> str:
    return format_facs(parse_facs(data.decode("utf-8", "replace")))


@cache
def pictures() -> tuple[bytes, ...]:
    """Small pictures of every kind that is read, one with a recipe and metadata in it."""
    return (*_plain(), _exported())


def _plain() -> Iterator[bytes]:
    rng = np.random.default_rng(5)
    pixels = np.kron(rng.integers(0, 256, (5, 5, 4), np.uint8), np.ones((8, 8, 1), np.uint8))
    rgba = Image.fromarray(pixels)
    rgb = rgba.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield from (_saved(rgba.convert(mode), "PNG") for mode in ("RGB", "RGBA", "L", "LA", "1"))
    yield _saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG")
    yield _saved(rgb.quantize(16), "PNG", transparency=3)
    yield _saved(rgb, "PNG", exif=exif, icc_profile=b"no profile")
    yield _saved(rgb, "JPEG", exif=exif)
    yield _saved(rgb, "JPEG", progressive=True)
    yield from (_saved(rgb.convert(mode), "JPEG") for mode in ("L", "CMYK"))
    yield _saved(rgba, "WEBP", lossless=True, exif=exif)
    yield _saved(rgb, "WEBP", quality=40)
    yield from (_saved(rgb.convert(mode), "BMP") for mode in ("RGB", "L", "P"))
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        yield _saved(rgb, "TIFF", compression=compression)
    yield _saved(rgba, "TIFF", exif=exif)
    yield _saved(rgba, "AVIF", exif=exif)
    yield _saved(rgb, "AVIF", quality=40)


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _exported() -> bytes:
    """A picture as this program writes one; it is large enough for a watermark."""
    pixels = np.full((64, 64, 3), 120, np.uint8)
    return Export.of(pixels, Recipe.parse_json(RECIPES[1]), Marking()).to_png()
