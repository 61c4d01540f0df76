"""See-through pictures: their alpha in the file, their hash and marks in the colours."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from synfer_core.faces.images import decode_image
from synfer_core.provenance.export import own_colours
from synfer_core.provenance.marking import PLAIN, Marking
from synfer_core.provenance.reading import read
from synfer_core.report import AttentionMaps, Pixels, Result
from synfer_core.request import Recipe, SceneOptions
from tests.provenance.pictures import faces

RECIPE = Recipe(backbone="facekit", seed=4, scene=SceneOptions(background="transparent", yaw=10))


def see_through() -> tuple[Pixels, Pixels]:
    """A face on white, and its alpha: a disc with a soft edge."""
    face = faces()[0].astype(float)
    y, x = np.indices(face.shape[:2]) / len(face) - 0.5
    alpha = np.rint(255 * np.clip((0.45 - np.hypot(x, y)) * 20, 0, 1))
    share = alpha[..., None] / 255
    on_white = np.rint(face * share + 255 * (1 - share))
    return on_white.astype(np.uint8), alpha.astype(np.uint8)


def result() -> Result:
    image, alpha = see_through()
    return Result(RECIPE, image, None, (), AttentionMaps(), {}, alpha=alpha)


def layers(png: bytes) -> tuple[Pixels, Pixels]:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.mode == "RGBA"
        pixels = np.array(picture)
    return pixels[..., :3], pixels[..., 3]


def test_a_file_has_the_alpha_and_looks_on_white_as_the_image() -> None:
    image, alpha = see_through()
    png = result().to_png(PLAIN)
    colours, stored = layers(png)
    assert (stored == alpha).all()
    assert (colours == own_colours(image, alpha)).all()
    assert np.abs(decode_image(png).astype(int) - image).max() <= 1


def test_colours_at_the_edge_are_the_person_s_own() -> None:
    image, alpha = see_through()
    edge = (alpha > 60) & (alpha < 200)
    own = own_colours(image, alpha)[edge].astype(int)
    assert np.abs(own - faces()[0][edge]).max() <= 3
    assert np.abs(image[edge].astype(int) - faces()[0][edge]).max() > 30


@pytest.mark.parametrize("marking", [PLAIN, Marking(), Marking(label=True)])
def test_hash_mark_and_recipe_are_read_back(marking: Marking) -> None:
    found = read(result().to_png(marking))
    assert found.recipe == RECIPE
    assert found.pixels_agree
    assert found.recipe_agrees
    assert found.watermark.found is marking.watermark
    assert found.said.image_sha256 == result().image_sha256


def test_another_alpha_counts_as_changed_pixels() -> None:
    colours, alpha = layers(result().to_png())
    changed = replace(result().export(), pixels=colours, alpha=np.maximum(alpha, 90))
    assert read(changed.to_png()).pixels_agree is False


def test_the_label_s_plate_hides_what_is_behind() -> None:
    _, alpha = layers(result().to_png(Marking(label=True)))
    assert (alpha[-4:, -20:] == 255).all()
    assert (see_through()[1][-4:, -20:] == 0).all()
