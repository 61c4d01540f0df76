"""What readers see against what was asked for, on drawn faces whose readings are known."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synfer_core.faces.blendshapes import GAUGES, JAW_SHAPE, SIDES, reader_name
from synfer_core.faces.landmarks import Face
from synfer_core.report import Pixels
from synfer_core.stimuli import confusion
from synfer_core.stimuli.opinions import Opinions
from tests.stimuli import sets
from tests.stimuli.drawn import find_eyes, tools

SMILE = {"identities": [1, 8], "expressions": ["happiness"], "mixes": {}, "step": 50}


def blendshapes(smile: float) -> dict[str, float]:
    names = [
        gauge.shape.replace("*", side)
        for gauge in GAUGES
        for side in (SIDES.values() if "*" in gauge.shape else [""])
    ]
    smiles = {f"mouthSmile{side}": smile for side in SIDES.values()}
    return {**dict.fromkeys(names, 0.0), JAW_SHAPE: 0.0, **smiles}


def watcher(image: Pixels) -> list[Face]:
    """Sees the drawn mouth open as a smile, and no face at all in person 8."""
    lips = np.abs(image[46:60, 22:42].astype(int) - (90, 30, 30)).max(-1) < 15
    red = int(lips.sum())
    if image[32:36, 12:18, 2].mean() > 150:
        return []
    return [Face(np.zeros((478, 2), np.float32), blendshapes(0.8 if red > 150 else 0.0))]


def written(**fields: Any) -> tuple[Any, dict[str, bytes]]:
    seeing = replace(tools(detect=find_eyes), opinions=Opinions(None, watcher))
    return sets.written(seeing, **{**SMILE, **fields})


def rows(files: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files["confusion.csv"].decode())))


def test_every_reader_is_counted_by_expression_and_intensity() -> None:
    _, files = written()
    found = {(row["reader"], row["asked"], row["intensity"]): row for row in rows(files)}
    assert {reader for reader, *_ in found} == {"FERAnno", "AU rules", "MediaPipe"}
    for row in found.values():
        counted = sum(int(row[name]) for name in (*confusion.EXPRESSIONS, "unread"))
        assert counted == int(row["images"]) == 2
    always_neutral = found["FERAnno", "happiness", "100"]
    assert (always_neutral["neutral"], always_neutral["as_asked"]) == ("2", "0.0")
    assert found["FERAnno", "neutral", "0"]["as_asked"] == "1.0"
    assert found["AU rules", "happiness", "100"]["as_asked"] == "1.0"
    assert found["AU rules", "happiness", "100"]["reader_version"] == "au-reader 1"
    outsider = found["MediaPipe", "happiness", "100"]
    assert (outsider["happiness"], outsider["unread"]) == ("1", "1")
    assert outsider["reader_version"] == reader_name()


def test_what_is_no_expression_has_no_share() -> None:
    _, files = written(expressions=[], mixes={"smirk": "R12C"})
    for row in rows(files):
        assert (row["as_asked"] == "") == (row["asked"] == "smirk")


def test_the_picture_is_a_picture_and_the_documents_say_who_read() -> None:
    record, files = written()
    with Image.open(io.BytesIO(files["confusion.png"])) as picture:
        assert min(picture.size) > 300
    assert record.confusion == files["confusion.png"]
    methods, sheet = files["methods.md"].decode(), files["datasheet.md"].decode()
    assert "read as asked for by FERAnno 0%, AU rules 100%, MediaPipe 50%." in methods
    assert "MediaPipe learned from photographs" in sheet
    assert "which made this very set" not in sheet


def test_who_is_missing_is_said() -> None:
    without = replace(
        tools(detect=find_eyes), opinions=Opinions(None, None, {"mediapipe": "It is not here."})
    )
    record, files = sets.written(without, **SMILE)
    assert "MediaPipe did not read this set: It is not here." in files["datasheet.md"].decode()
    assert "mediapipe" not in confusion.readers(record.rows)


@pytest.mark.parametrize("name", ["feranno", "au_rules"])
def test_each_reading_is_in_the_table(name: str) -> None:
    record, _ = written()
    assert all(row[confusion.LABELS[name]] for row in record.rows)
