from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from synfer_core.errors import ImageError
from synfer_core.provenance.export import RECIPE_KEY, Export
from synfer_core.provenance.marking import PLAIN, Marking
from synfer_core.provenance.metadata import XMP_KEY, Origin, to_xmp
from synfer_core.provenance.reading import read
from synfer_core.request import Recipe
from tests.provenance.pictures import faces

RECIPE = Recipe.parse({"text": "a w\u00f6man", "aus": {"AU12": 3.5}, "seed": 9})
MARKED = Export.of(faces()[2], RECIPE, Marking())


def png(**texts: str) -> bytes:
    """The marked picture with other text chunks."""
    info, buffer = PngInfo(), io.BytesIO()
    for key, text in texts.items():
        info.add_itxt({"recipe": RECIPE_KEY, "xmp": XMP_KEY}[key], text)
    Image.fromarray(MARKED.pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def test_all_of_it_is_read_back_and_agrees() -> None:
    found = read(MARKED.to_png())
    assert found.recipe == RECIPE
    assert found.origin == MARKED.origin
    assert (found.recipe_agrees, found.pixels_agree, found.tag_agrees) == (True, True, True)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert Recipe.parse(told["recipe"]) == RECIPE
    assert told["watermark"]["bits_agreeing"] == 48


def test_an_unmarked_picture_says_that_it_is() -> None:
    found = read(Export.of(faces()[2], RECIPE, PLAIN).to_png())
    assert (found.watermark.found, found.tag_agrees) == (False, None)
    assert found.pixels_agree
    assert found.origin
    assert found.origin.watermark == "none"


def test_changed_pixels_and_a_changed_recipe_show() -> None:
    other = replace(MARKED, recipe=RECIPE.model_copy(update={"seed": 10}))
    found = read(other.to_png())
    assert (found.recipe_agrees, found.pixels_agree, found.tag_agrees) == (False, True, False)
    pixels = MARKED.pixels.copy()
    pixels[40, 40] ^= 1
    found = read(replace(MARKED, pixels=pixels).to_png())
    assert (found.recipe_agrees, found.pixels_agree, found.tag_agrees) == (True, False, True)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_kinds_of_file_keep_watermark_and_packet(kind: str) -> None:
    buffer = io.BytesIO()
    packet = to_xmp(MARKED.origin).encode()
    Image.fromarray(MARKED.pixels).save(buffer, kind, quality=80, xmp=packet)
    found = read(buffer.getvalue())
    assert found.origin == MARKED.origin
    assert (found.recipe, found.recipe_agrees, found.pixels_agree) == (None, None, False)
    assert found.tag_agrees, "by the hash in the packet"


def test_a_file_that_lost_its_metadata_still_has_its_watermark() -> None:
    found = read(png())
    assert (found.origin, found.recipe) == (None, None)
    assert found.watermark.found
    assert found.tag_agrees is None


def test_a_picture_from_elsewhere_says_nothing() -> None:
    buffer = io.BytesIO()
    Image.fromarray(faces()[0]).save(buffer, "PNG")
    found = read(buffer.getvalue())
    assert (found.origin, found.recipe, found.recipe_error) == (None, None, None)
    assert not found.watermark.found


@pytest.mark.parametrize("text", ['{"version": 2}', "no json", '{"new_field": 1}'])
def test_a_recipe_of_another_version_is_named_and_hashed(text: str) -> None:
    found = read(png(recipe=text))
    assert found.recipe is None
    assert found.recipe_error
    assert found.recipe_sha256
    assert found.tag_agrees is False


def test_another_program_may_have_written_the_packet() -> None:
    found = read(png(xmp=to_xmp(Origin(tool="Painter 3"))))
    assert found.origin == Origin(tool="Painter 3")
    assert found.pixels_agree is None


def test_what_is_no_image_is_an_error() -> None:
    with pytest.raises(ImageError, match=r"a\.png: is not an image"):
        read(b"text", "a.png")
    with pytest.raises(ImageError, match="damaged"):
        read(MARKED.to_png()[:2000])


def test_transparency_counts_as_changed_pixels() -> None:
    buffer = io.BytesIO()
    image = Image.fromarray(
        np.dstack([MARKED.pixels, np.full(MARKED.pixels.shape[:2], 90, np.uint8)])
    )
    info = PngInfo()
    info.add_itxt(XMP_KEY, to_xmp(MARKED.origin))
    image.save(buffer, "PNG", pnginfo=info)
    assert read(buffer.getvalue()).pixels_agree is False
