from __future__ import annotations

import numpy as np
import pytest

from synfer_core.errors import RequestError
from synfer_core.grids.sheet import Face, draw, png_of, read_grid
from synfer_core.grids.spec import Grid
from synfer_core.provenance.marking import PLAIN, Marking
from synfer_core.provenance.reading import read

GRID = Grid.parse(
    {
        "rows": {"kind": "units", "values": ["AU4", "AU12"]},
        "columns": {"kind": "intensity", "values": [0, 2, 4]},
    }
)


def face(index: int) -> Face:
    rng = np.random.default_rng(index)
    image = rng.integers(40, 200, (64, 64, 3)).astype(np.uint8)
    image[:8, :8] = (index * 40, 10, 250)
    return Face(image, GRID.cells[index].recipe)


FACES = {index: face(index) for index in range(6)}


def test_every_face_stands_in_its_place_and_missing_ones_are_blank() -> None:
    sheet = draw(GRID, {index: one.image for index, one in FACES.items() if index != 4})
    places = [
        tuple(found[0]) if len(found := np.argwhere((sheet == (i * 40, 10, 250)).all(-1))) else None
        for i in range(6)
    ]
    assert places[4] is None
    first, second, below = places[0], places[1], places[3]
    assert first
    assert second
    assert below
    assert (second[0] - first[0], second[1] - first[1]) == (0, 68)
    assert (below[0] - first[0], below[1] - first[1]) == (68, 0)
    assert (sheet[first[0] + 68 + 30, first[1] + 68 + 30] == 235).all()
    assert (sheet[: first[0]] < 128).any(), "columns are named"
    assert (sheet[:, : first[1]] < 128).any(), "rows are named"


def test_the_sheet_carries_grid_origin_and_watermark() -> None:
    data = png_of(GRID, FACES, Marking())
    assert read_grid(data) == GRID
    found = read(data)
    assert (found.recipe, found.recipe_error) == (None, None)
    assert found.tag_agrees
    assert found.pixels_agree
    assert found.said.term == "trainedAlgorithmicMedia"
    assert png_of(GRID, FACES, Marking()) == data


def test_marks_can_be_left_out_and_the_label_is_on_the_faces() -> None:
    plain = read(png_of(GRID, FACES, PLAIN))
    assert not plain.watermark.found
    assert (plain.said.watermark, plain.said.label) == ("none", "none")
    assert plain.said.image_sha256 == plain.pixels_sha256
    labelled = read(png_of(GRID, FACES, Marking(watermark=False, label=True)))
    assert labelled.said.label == "AI-generated"
    assert labelled.pixels_sha256 != plain.pixels_sha256


def test_no_sheet_without_a_face_and_no_grid_in_other_files() -> None:
    with pytest.raises(RequestError):
        png_of(GRID, {}, PLAIN)
    assert read_grid(b"no picture") is None
