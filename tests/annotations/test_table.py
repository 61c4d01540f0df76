from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synfer_core.annotations.reading import Failed, Outcome, Read
from synfer_core.annotations.table import STYLES, Writer
from synfer_core.errors import ImageError
from synfer_core.faces.landmarks import Face, landmarker_name
from synfer_core.faces.second_opinion import NO_FACE, SecondOpinion
from synfer_core.faces.sixty_eight import INDICES
from synfer_core.facs import AU_SLOTS
from synfer_core.report import Annotation, AttentionMaps, AUReading, Label, Verdict

AUS = {**dict.fromkeys(AU_SLOTS, 0.0), "AUL12": 3.0, "AUR12": 2.0, "AU28": 1.0, "AUL43": 0.8}
POINTS = np.stack([np.arange(478), 1000 + 2 * np.arange(478)], axis=1).astype(np.float32)
FACE = Face(POINTS, {})
LABEL = Label((0.1, 0.5, 0.05, 0.05, 0.1, 0.05, 0.05, 0.1), "FERAnno 1")
VERDICT = Verdict("relabelled", "happiness", "fear", 0.8, ())
SEEN = SecondOpinion(AUReading({"AUL12": 2.5, "AU26": 1.25}, "mediapipe 1, map 1"), face=FACE)
FAILED = Failed("b.png", ImageError("is damaged", field="b.png", allowed="a PNG"))


def read(**fields: Any) -> Read:
    made = Annotation(
        np.zeros((8, 8, 3), np.uint8), LABEL, (AUReading(AUS, "au-reader 1"),), AttentionMaps(),
        ("A note.",), verdict=VERDICT,
    )  # fmt: skip
    return replace(Read("a, b.png", made, SEEN, FACE, "fear"), **fields)


def unread() -> Read:
    """By a model without readers, on a machine without MediaPipe."""
    bare = Annotation(np.zeros((8, 8, 3), np.uint8), None, (), AttentionMaps())
    return Read("a.png", bare, NO_FACE, None)


def table(style: str, *outcomes: Outcome) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    writer = Writer(file, STYLES[style])
    for outcome in outcomes:
        writer.write(outcome)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


def test_openface_has_its_columns_in_its_order() -> None:
    units = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26]
    columns = STYLES["openface"].columns
    assert columns[:5] == ("frame", "face_id", "timestamp", "confidence", "success")
    points = columns[5 : 5 + 136]
    assert (points[0], points[67], points[68], points[-1]) == ("x_0", "x_67", "y_0", "y_67")
    assert columns[141:] == (
        *(f"AU{n:02d}_r" for n in (*units, 45)),
        *(f"AU{n:02d}_c" for n in (*units, 28, 45)),
        *("file", "error", "au_reader", "landmark_reader"),
    )


def test_openface_rows() -> None:
    first, second = table("openface", read(), FAILED)
    assert (first["frame"], first["success"], first["file"]) == ("1", "1", "a, b.png")
    assert (first["AU12_r"], first["AU12_c"]) == ("2.5", "1")
    assert (first["AU45_r"], first["AU45_c"]) == ("0.4", "0"), "closed eyes are 43 here"
    assert first["AU28_c"] == "1", "A is where presence begins"
    assert (first["x_0"], first["y_67"]) == (f"{INDICES[0]}.0", f"{1000 + 2 * INDICES[67]}.0")
    assert (first["timestamp"], first["confidence"]) == ("", ""), "nobody measures them"
    assert (first["au_reader"], first["landmark_reader"]) == ("au-reader 1", landmarker_name())
    assert (second["frame"], second["success"], second["AU12_r"]) == ("2", "0", "")
    assert second["error"] == "is damaged (allowed: a PNG)"


def test_pyfeat_rows() -> None:
    columns = STYLES["pyfeat"].columns
    assert columns[:6] == (
        *("frame", "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    )
    assert columns[columns.index("AU43") + 1 :][:7] == (
        *("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
    )
    first, second = table("pyfeat", read(), FAILED)
    assert (first["AU12"], first["AU28"], first["AU11"]) == ("0.5", "0.2", "")
    assert (first["happiness"], first["contempt"]) == ("0.5", "0.1")
    assert (first["FaceRectX"], first["FaceRectHeight"]) == ("0.0", "954.0")
    assert (first["input"], first["label_reader"]) == ("a, b.png", "FERAnno 1")
    assert (second["input"], second["AU12"]) == ("b.png", "")


def test_own_rows_have_sides_both_readers_and_the_verdict() -> None:
    first, second = table("synfer", read(), FAILED)
    assert (first["AUL12"], first["AUR12"], first["mediapipe_AUL12"]) == ("3.0", "2.0", "2.5")
    assert first["mediapipe_AUR12"] == "", "MediaPipe said nothing of it"
    assert (first["label"], first["p_happiness"]) == ("happiness", "0.5")
    assert (first["said"], first["verdict"]) == ("fear", "relabelled")
    assert first["facs"] == "L12C+R12B+28A+L43A"
    assert first["mediapipe_reader"] == "mediapipe 1, map 1"
    assert (second["ok"], second["label"]) == ("0", "")


@pytest.mark.parametrize("style", STYLES)
def test_what_nobody_reads_stays_empty(style: str) -> None:
    (row,) = table(style, unread())
    filled = {name for name, value in row.items() if value}
    assert filled <= {"file", "ok", "frame", "face_id", "success", "input"}
