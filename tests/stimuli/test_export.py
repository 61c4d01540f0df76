from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core.errors import ModelError
from synfer_core.report import read_recipe
from synfer_core.stimuli.making import Step
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.stimuli.table import COLUMNS
from tests.stimuli import sets
from tests.stimuli.drawn import find_eyes, tools

DOCUMENTS = {
    "stimuli.csv",
    "conditions.csv",
    "jspsych_preload.json",
    "methods.md",
    "datasheet.md",
    "specification.json",
    "contact_sheet.jpg",
    "confusion.csv",
    "confusion.png",
}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_a_set_has_images_table_and_documents() -> None:
    steps: list[Step] = []
    record, files = sets.written(steps=steps)
    images = {name for name in files if name.startswith("images/")}
    assert set(files) - images == DOCUMENTS
    assert len(images) == len(record.rows) == 10
    assert [step.stage for step in steps] == ["making"] * 10 + ["writing"] * 10
    for row in rows(files["stimuli.csv"]):
        pixels = np.array(Image.open(io.BytesIO(files[f"images/{row['file']}"])).convert("RGB"))
        assert pixels.shape == (80, 80, 3)
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == row["pixels_sha256"]


def test_the_table_tells_all() -> None:
    _, files = sets.written(tools(detect=find_eyes, threshold=0.9))
    table = rows(files["stimuli.csv"])
    assert tuple(table[0]) == tuple(COLUMNS)
    neutral, half = table[0], table[1]
    assert (neutral["expression"], neutral["intensity"], neutral["facs"]) == ("neutral", "0", "")
    assert (half["subject"], half["expression"], half["intensity"]) == ("1", "happiness", "50")
    assert half["facs"] == half["measured_facs"].replace("L6B+R6B+L12B+R12B", "6B+12B")
    assert json.loads(half["aus"]) == {"AU6": 1.5, "AU12": 2.0, "AU25": 1.0}
    assert float(half["measured_AUL12"]) == 2.0
    assert (half["p_neutral"], half["label"]) == ("1.0", "neutral")
    assert float(half["identity_similarity"]) > 0.9
    assert (half["identity_threshold"], half["identity_drift"]) == ("0.9", "0")
    assert float(half["eye_tilt"]) == pytest.approx(-5.194, abs=0.01)
    target = json.loads(half["treatment"])["target"]
    assert float(half["luminance_mean_after"]) == pytest.approx(target["mean"], rel=0.01)
    assert half["luminance_mean_before"] != half["luminance_mean_after"]
    assert json.loads(half["recipe"])["weights_sha256"] == half["model_sha256"] == "a" * 64


def test_without_a_gauge_similarity_is_empty() -> None:
    _, files = sets.written()
    assert {row["identity_similarity"] for row in rows(files["stimuli.csv"])} == {""}


def test_images_carry_the_recipe_of_their_face() -> None:
    record, files = sets.written(treatment={"align": "none", "greyscale": True})
    for stimulus in record.stimuli:
        png = files[f"images/{stimulus.file}"]
        assert Image.open(io.BytesIO(png)).mode == "L"
        assert read_recipe(png).action_units == stimulus.recipe.action_units


def test_the_specification_builds_the_set_again(tmp_path: Path) -> None:
    _, files = sets.written()
    path = tmp_path / "specification.json"
    path.write_bytes(files["specification.json"])
    assert StimulusSet.load(path) == sets.spec()


def test_the_same_set_is_the_same_bytes() -> None:
    assert sets.written()[1] == sets.written()[1]


def test_what_fails_is_left_out_and_named() -> None:
    record, files = sets.written(action_units=["AU9"])
    assert [failure.stimulus.file for failure in record.failures] == [
        "001_AU9_100_front.png",
        "002_AU9_100_front.png",
    ]
    assert len(record.rows) == len([name for name in files if name.startswith("images/")]) == 12
    assert "001_AU9_100_front.png: is too hard to draw" in files["datasheet.md"].decode()
    assert "AU9_100" not in files["conditions.csv"].decode()


def test_a_set_in_which_nothing_can_be_matched_is_refused() -> None:
    target = {"mean": 245, "sd": 120}
    with pytest.raises(ModelError, match="cannot be reached"):
        sets.written(
            treatment={"align": "none", "match": "mean_sd", "match_over": "set", "target": target}
        )
