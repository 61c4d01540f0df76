"""Contact sheets: images in labelled rows and columns, as one JPEG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_GAP = 4
_HEAD = 20
_MARGIN = 84
_FRAMES = {True: (40, 160, 70), False: (205, 60, 50)}


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    *,
    row_names: Sequence[str],
    column_names: Sequence[str],
    marks: Sequence[Sequence[tuple[bool, str]]] | None = None,
) -> bytes:
    """A JPEG with one image a cell.

    Args:
        rows: Images (S, S, 3), all of one size.
        row_names: Written at the left.
        column_names: Written on top.
        marks: For each cell, a frame (green for true, red for false) and words below.
    """
    size = rows[0][0].shape[0]
    width, height = size + _GAP, size + _GAP + (_HEAD if marks else 0)
    extent = (_MARGIN + width * len(column_names), _HEAD + height * len(row_names))
    sheet = Image.new("RGB", extent, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for column, name in enumerate(column_names):
        draw.text((_MARGIN + column * width, 3), name, "black", font)
    for row, name in enumerate(row_names):
        top = _HEAD + row * height
        draw.text((4, top + 4), name, "black", font)
        for column, image in enumerate(rows[row]):
            left = _MARGIN + column * width
            if marks:
                _mark(draw, (left, top), size, marks[row][column], font)
            sheet.paste(Image.fromarray(image), (left, top))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _mark(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    size: int,
    mark: tuple[bool, str],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, top = corner
    right, words = mark
    draw.rectangle((left - 2, top - 2, left + size + 1, top + size + 1), _FRAMES[right])
    draw.text((left, top + size + 2), words, _FRAMES[right], font)
