"""``synfer morph`` on a tiny model."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from synfer_core.cli import main
from synfer_core.report import read_recipe

Lines = pytest.CaptureFixture[str]

SPEC = "apex: 6C+L12D\nrecipe: {identity_seed: 4, steps: 2}\nframes: 3\nfps: 10\n"


def morph(models: Path, out: Path, *words: str) -> int:
    return main(["morph", *words, "--models", str(models), "--out", str(out)])


def test_options_and_a_specification_give_the_same_frames(
    tiny_model_folder: Path, tmp_path: Path, capsys: Lines
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    assert morph(tiny_model_folder, tmp_path / "a", str(spec)) == 0
    said = capsys.readouterr()
    assert "3 frames, 0.2 s" in said.out
    assert "largest jump" in said.out
    assert "no identity reader" in said.out
    assert "making 3/3" in said.err
    words = "--facs 6C+L12D --identity-seed 4 --steps 2 --frames 3 --fps 10"
    assert morph(tiny_model_folder, tmp_path / "b.zip", *words.split()) == 0
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        for name in ("frames/001.png", "frames.csv", "morph.webp", "morph.gif"):
            assert file.read(name) == (tmp_path / "a" / name).read_bytes()
    recipe = read_recipe((tmp_path / "a" / "frames" / "001.png").read_bytes())
    assert recipe.aus == {"AU6": 1.5, "AUL12": 2.0}
    assert {path.name for path in tmp_path.iterdir()} == {"spec.yaml", "a", "b.zip"}


def test_marks_may_be_left_out_and_frames_spaced(
    tiny_model_folder: Path, tmp_path: Path, capsys: Lines
) -> None:
    words = "--au AU4=3.5 --start 12C --steps 2 --frames 3 --even --easing smooth --no-watermark"
    assert morph(tiny_model_folder, tmp_path / "a", *words.split()) == 0
    assert "at equal moments it would be" in capsys.readouterr().out
    spec = json.loads((tmp_path / "a" / "continuum.json").read_text())
    assert (spec["apex"], spec["start"], spec["even"]) == ({"AU4": 3.5}, {"AU12": 3.0}, True)
    assert spec["curve"]["easing"] == "smooth"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--facs: say once"),
        ("--facs 12D --au AU12=4", "--facs: say once"),
        ("--facs 12D --frames 1", "frames"),
        ("--facs 12D --course whole --even", "even: a whole course"),
        ("spec.yaml --frames 3", "--frames: does not go with a specification"),
        ("absent.yaml", "cannot read"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(
    tmp_path: Path, capsys: Lines, words: str, message: str
) -> None:
    assert morph(tmp_path / "absent", tmp_path / "a", *words.split()) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
