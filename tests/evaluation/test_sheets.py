from __future__ import annotations

import io

import numpy as np
from PIL import Image

from synfer_core.evaluation.sheets import contact_sheet


def flat(level: int) -> np.ndarray:
    return np.full((64, 64, 3), level, np.uint8)


def test_images_stand_in_their_cells_with_frames() -> None:
    data = contact_sheet(
        [[flat(0), flat(90)], [flat(180), flat(120)]],
        row_names=["a", "b"],
        column_names=["x", "y"],
        marks=[[(True, "yes"), (False, "no")]] * 2,
    )
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert image.size == (84 + 2 * 68, 20 + 2 * 88)
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert abs(pixels[20 + 32, 84 + 32].mean() - 0) < 6
    assert abs(pixels[20 + 32, 84 + 68 + 32].mean() - 90) < 6
    assert abs(pixels[20 + 88 + 32, 84 + 32].mean() - 180) < 6
    green, red = pixels[19, 84 + 32], pixels[19, 84 + 68 + 32]
    assert green[1] > green[0] + 40
    assert red[0] > red[1] + 40


def test_sheets_without_marks_are_lower() -> None:
    data = contact_sheet([[flat(0)]], row_names=["a"], column_names=["x"])
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (84 + 68, 20 + 68)
