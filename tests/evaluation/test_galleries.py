from __future__ import annotations

import io

import pytest
from PIL import Image

from synfer_core.evaluation import generator_commands
from synfer_core.evaluation.galleries import GALLERIES
from tests.evaluation.painted import SIZE, Painter


def test_the_command_line_knows_the_sheets() -> None:
    assert tuple(GALLERIES) == generator_commands.SHEETS


@pytest.mark.parametrize(
    ("kind", "rows", "columns", "images"),
    [("random", 6, 8, 48), ("expressions", 8, 8, 64), ("aus", 11, 10, 89)],
)
def test_sheets_show_what_they_say(kind: str, rows: int, columns: int, images: int) -> None:
    gallery = GALLERIES[kind]("painted", 20)
    told: list[tuple[int, int]] = []
    data = gallery.draw(Painter().paint, lambda *now: told.append(now))
    assert told[-1] == (images, images)
    with Image.open(io.BytesIO(data)) as sheet:
        assert sheet.size == (84 + columns * (SIZE + 4), 20 + rows * (SIZE + 4))


def test_recipes_differ_between_backbones_in_the_backbone_alone() -> None:
    for kind, gallery in GALLERIES.items():
        ours, exact = gallery("builtin", 20), gallery("facekit", 20)
        for row, other in zip(ours.rows, exact.rows, strict=True):
            renamed = [r.model_copy(update={"backbone": "facekit"}) for r in row]
            assert renamed == list(other), kind


def test_units_rise_from_absent_to_the_maximum() -> None:
    first = GALLERIES["aus"]("builtin", 20).rows[0]
    assert [r.aus["AU1"] for r in first[:5]] == [0, 1.25, 2.5, 3.75, 5]
    assert [r.aus["AU2"] for r in first[5:]] == [0, 1.25, 2.5, 3.75, 5]
    assert sum(first[4].aus.values()) == 5
