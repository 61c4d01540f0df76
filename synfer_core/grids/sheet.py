"""A grid as one picture: faces in rows and columns, axes named, the specification in the metadata.

The faces are the unmarked ones; the sheet gets one watermark as a whole, so that it is found in the
sheet as it is, scaled or recompressed. The visible label, where it is asked for, is on each face.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from synfer_core.errors import RequestError
from synfer_core.grids.spec import Grid
from synfer_core.provenance import label, metadata
from synfer_core.provenance.export import WORDS, mark, pixels_sha256, tag_of
from synfer_core.provenance.marking import Marking
from synfer_core.provenance.metadata import Origin
from synfer_core.provenance.png import to_png
from synfer_core.report import carried_text
from synfer_core.request import Recipe

GRID_KEY = "synfer_grid"
"""Name of the PNG text chunk that holds the specification as JSON."""

Pixels = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_GAP, _PAD = 4, 10
_PAPER, _INK, _SOFT, _EMPTY = "white", "#20272b", "#566067", "#ebebeb"
_LETTERS = 9
"""The letters' size is this part of a face's side."""


@dataclass(frozen=True)
class Face:
    """A finished cell.

    Attributes:
        image: (S, S, 3) uint8, without marks.
        recipe: Its recipe, completed.
    """

    image: Pixels
    recipe: Recipe


def png_of(grid: Grid, faces: Mapping[int, Face], marking: Marking) -> bytes:
    """The sheet as PNG, marked, with the specification and its origin in the metadata.

    Args:
        grid: What it shows.
        faces: By the cell's index, all of one size, one at least; missing ones stay blank.
        marking: What is put onto it.

    Raises:
        RequestError: There is no face.
    """
    text = grid.to_json()
    sha256 = metadata.text_sha256(text)
    origin = _origin(sha256, faces)
    shown = {index: face.image for index, face in faces.items()}
    if marking.label:
        words = WORDS[origin.source_type or ""]
        shown = {index: label.draw(image, words) for index, image in shown.items()}
        origin = replace(origin, label=words)
    sheet = draw(grid, shown)
    origin = replace(origin, image_sha256=pixels_sha256(sheet))
    marked, origin = mark(sheet, origin, tag_of(sha256), replace(marking, label=False))
    return to_png(marked, {GRID_KEY: text, metadata.XMP_KEY: metadata.to_xmp(origin)})


def _origin(sha256: str, faces: Mapping[int, Face]) -> Origin:
    """As of its faces; the weights' hash stands there where one made them all."""
    weights = {face.recipe.weights_sha256 for face in faces.values()}
    if not faces:
        raise RequestError("no face was made", field="SPEC", allowed="one face at least")
    origin = metadata.origin_of(next(iter(faces.values())).recipe, "")
    return replace(
        origin,
        recipe_sha256=sha256,
        weights_sha256=weights.pop() if len(weights) == 1 else None,
    )


def read_grid(data: bytes) -> Grid | None:
    """The specification in the bytes of a sheet; None where they carry none.

    Raises:
        RequestError: It carries one that is not valid.
    """
    text = carried_text(data, GRID_KEY)
    return None if text is None else Grid.parse_text(text.encode())


def draw(grid: Grid, images: Mapping[int, Pixels]) -> Pixels:
    """The sheet (H, W, 3): titles of the axes, names of rows and columns, faces.

    Args:
        grid: What it shows.
        images: (S, S, 3) by the cell's index, all of one size, one at least.
    """
    side = next(iter(images.values())).shape[0]
    paper = _Paper.of(grid, side)
    for cell in grid.cells:
        corner = paper.corner(cell.row, cell.column)
        if cell.index in images:
            paper.sheet.paste(Image.fromarray(images[cell.index]), corner)
        else:
            edge = (corner[0] + side - 1, corner[1] + side - 1)
            paper.brush.rectangle((*corner, *edge), _EMPTY)
    return np.array(paper.sheet)


@dataclass(frozen=True)
class _Paper:
    """The sheet with its names, faces still missing.

    Attributes:
        side: Pixels of a face.
        left, top: Where the first face lies.
    """

    sheet: Image.Image
    brush: ImageDraw.ImageDraw
    side: int
    left: int
    top: int

    @classmethod
    def of(cls, grid: Grid, side: int) -> _Paper:
        font = ImageFont.load_default(max(11, side // _LETTERS))
        rows = [_wrapped(name, side, font) for name in grid.rows.names]
        columns = [_wrapped(name, side, font) for name in grid.columns.names]
        line = round(font.getbbox("Ag")[3]) + 2
        head = _width([grid.rows.title, *(text for name in rows for text in name)], font)
        left = head + 2 * _PAD
        top = 3 * _PAD + line * (1 + max(map(len, columns)))
        size = (
            left + len(columns) * (side + _GAP) + _PAD - _GAP,
            top + len(rows) * (side + _GAP) + _PAD - _GAP,
        )
        sheet = Image.new("RGB", size, _PAPER)
        paper = cls(sheet, ImageDraw.Draw(sheet), side, left, top)
        paper.brush.text((left, _PAD), grid.columns.title, _SOFT, font)
        paper.brush.text((_PAD, top - _PAD // 2 - line), grid.rows.title, _SOFT, font)
        for place, lines in enumerate(columns):
            x, _ = paper.corner(0, place)
            y = top - _PAD // 2 - line * len(lines)
            paper._write((x, y), lines, line, font, centred=True)
        for place, lines in enumerate(rows):
            _, y = paper.corner(place, 0)
            y += max(0, (side - line * len(lines)) // 2)
            paper._write((_PAD, y), lines, line, font, centred=False)
        return paper

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Where a face lies."""
        step = self.side + _GAP
        return self.left + column * step, self.top + row * step

    def _write(
        self,
        corner: tuple[int, int],
        lines: Sequence[str],
        height: int,
        font: Font,
        *,
        centred: bool,
    ) -> None:
        for number, text in enumerate(lines):
            x = corner[0] + (self.side - _width([text], font)) // 2 * centred
            self.brush.text((x, corner[1] + number * height), text, _INK, font)


def _wrapped(text: str, width: int, font: Font) -> list[str]:
    """The text in lines that are no wider, as far as words allow."""
    lines: list[str] = []
    for word in text.split():
        if lines and _width([f"{lines[-1]} {word}"], font) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _width(lines: Sequence[str], font: Font) -> int:
    return max(round(font.getbbox(text)[2]) for text in lines)
