from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core import cli
from synfer_core.evaluation import provenance
from synfer_core.evaluation.provenance import FATES, Reads, Survival
from synfer_core.provenance import watermark
from synfer_core.request import Recipe

Lines = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def survival() -> Survival:
    made = provenance.built_in()[:3]
    noise = np.random.default_rng(0).integers(90, 160, (128, 128, 3), np.uint8)
    return Survival(
        (
            provenance.trial("faces", made),
            provenance.trial("noise", [(Recipe(seed=1), noise)]),
        )
    )


def test_marks_are_read_after_every_fate_but_cropping(survival: Survival) -> None:
    faces = survival.trials[0]
    assert set(faces.after) == set(faces.without) == set(FATES)
    for fate in ("PNG", "JPEG 90", "JPEG 75", "JPEG 60", "half the size", "half and back"):
        assert faces.after[fate].right.all(), fate
    for fate in ("2 % cropped off each side", "5 % cropped off each side"):
        assert not faces.after[fate].right.any(), fate


def test_nothing_is_found_where_nothing_was_put(survival: Survival) -> None:
    wrong = survival.to_dict()["false_positives"]
    assert (wrong["pictures"], wrong["looks"]) == (4, 4 * len(FATES))
    assert wrong["found"] == 0
    assert wrong["bits_most"] < watermark.ENOUGH


def test_the_figures_are_complete_json(survival: Survival) -> None:
    figures = json.loads(json.dumps(survival.to_dict(), allow_nan=False))
    faces = figures["trials"][0]
    assert (faces["images"], faces["size"]) == (3, 512)
    assert 47.5 < faces["psnr_least"] <= faces["psnr_mean"] < 52
    assert faces["marked"]["PNG"] == {
        "found": 3,
        "right_tag": 3,
        "bits_mean": 48,
        "bits_least": 48,
        "bits_most": 48,
    }


def test_a_mark_with_another_tag_is_found_but_not_right() -> None:
    image = watermark.embed(provenance.built_in()[0][1], 5)
    reads = Reads.of([image, image], [5, 6])
    assert reads.found.tolist() == [True, True]
    assert reads.right.tolist() == [True, False]


def test_the_sheet_shows_three_pictures_a_row(survival: Survival) -> None:
    with Image.open(io.BytesIO(survival.sheet())) as sheet:
        assert sheet.size[0] > 3 * 256
        assert sheet.size[1] > 2 * 256


def test_fates_do_what_their_names_say() -> None:
    image = provenance.built_in()[0][1]
    assert FATES["half the size"](image).shape == (256, 256, 3)
    assert FATES["half and back"](image).shape == image.shape
    assert FATES["5 % cropped off each side"](image).shape == (460, 460, 3)
    assert FATES["15 % darker"](image).mean() == pytest.approx(0.85 * image.mean(), abs=1)


def test_the_command_prints_a_table(tmp_path: Path, capsys: Lines) -> None:
    target, sheet = tmp_path / "p.json", tmp_path / "p.jpg"
    words = ["--renders", "0", "--generated", "0", "--json", str(target), "--sheet", str(sheet)]
    assert cli.main(["eval", "provenance", *words]) == 0
    printed = capsys.readouterr().out
    assert "| JPEG 75 | 8 (48.0) |" in printed
    assert "unmarked: 0 found in" in printed
    assert json.loads(target.read_text())["trials"][0]["images"] == 8
    assert sheet.is_file()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--renders", "-1"], "--renders"),
        (["--generated", "-1"], "--generated"),
        (["--json", "/nowhere/at/all.json"], "all.json"),
    ],
)
def test_bad_options_are_named(options: list[str], field: str, capsys: Lines) -> None:
    assert cli.main(["eval", "provenance", *options]) == 2
    assert field in capsys.readouterr().err


def test_generated_faces_are_marked_with_their_own_recipes(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "p.json"
    words = ["--renders", "0", "--generated", "2", "--models", str(tiny_model_folder)]
    assert cli.main(["eval", "provenance", *words, "--json", str(target)]) == 0
    generated = json.loads(target.read_text())["trials"][1]
    assert (generated["name"], generated["images"], generated["size"]) == ("generated", 2, 128)
    assert generated["marked"]["JPEG 90"]["right_tag"] == 2
