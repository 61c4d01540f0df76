"""``synfer stimuli`` on a tiny model."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest

from synfer_core.cli import main
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

Lines = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

SPEC = """
identities: [4]
expressions: [happiness]
step: 100
recipe: {steps: 2}
treatment: {align: none, crop: oval, greyscale: true}
"""
IMAGES = ["001_happiness_100_front.png", "001_neutral_000_front.png"]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def stimuli(models: Path, out: Path, *words: str) -> int:
    return main(["stimuli", *words, "--models", str(models), "--out", str(out)])


def test_a_set_is_built_and_made_again_from_its_table_alone(
    tiny_model_folder: Path, spec: Path, tmp_path: Path, capsys: Lines
) -> None:
    assert stimuli(tiny_model_folder, tmp_path / "a", str(spec)) == 0
    said = capsys.readouterr()
    assert "2 images, 0 failed" in said.out
    assert "no identity reader" in said.out
    assert "making 2/2" in said.err
    table = tmp_path / "a" / "stimuli.csv"
    assert stimuli(tiny_model_folder, tmp_path / "b.zip", "--from-csv", str(table)) == 0
    assert "2 of 2 images have the pixels of the table" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        for name in IMAGES:
            image = (tmp_path / "a" / "images" / name).read_bytes()
            assert file.read(f"images/{name}") == image
    assert {path.name for path in tmp_path.iterdir()} == {"spec.yaml", "a", "b.zip"}


def test_what_differs_from_the_table_is_named(
    tiny_model_folder: Path, spec: Path, tmp_path: Path, capsys: Lines
) -> None:
    assert stimuli(tiny_model_folder, tmp_path / "a", str(spec)) == 0
    table = tmp_path / "a" / "stimuli.csv"
    with table.open() as file:
        first = next(csv.DictReader(file))
    table.write_text(table.read_text().replace(first["pixels_sha256"], "0" * 64))
    capsys.readouterr()
    assert stimuli(tiny_model_folder, tmp_path / "b", "--from-csv", str(table)) == 1
    said = capsys.readouterr()
    assert f"differs: {first['file']}: has {first['pixels_sha256']}" in said.err
    assert "1 of 2 images" in said.out


def test_an_interrupted_run_goes_on(
    tiny_model_folder: Path, spec: Path, tmp_path: Path, capsys: Lines, monkeypatch: Patch
) -> None:
    made: list[Recipe] = []
    plain = Synthesizer.generate

    def interrupted(self: Synthesizer, recipe: Recipe) -> object:
        if len(made) == 1:
            made.append(recipe)
            raise KeyboardInterrupt
        made.append(recipe)
        return plain(self, recipe)

    monkeypatch.setattr(Synthesizer, "generate", interrupted)
    assert stimuli(tiny_model_folder, tmp_path / "a.zip", str(spec)) == 130
    assert "1 images are kept" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"spec.yaml", ".a.zip.made"}
    assert stimuli(tiny_model_folder, tmp_path / "a.zip", str(spec)) == 0
    assert len(made) == 3, "the first image was not made again"
    assert {path.name for path in tmp_path.iterdir()} == {"spec.yaml", "a.zip"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("identities: [1]", "nothing to show"),
        ("expressions: [joy]", "identities: Field required"),
        (SPEC.replace("steps: 2", "weights_sha256: " + "b" * 64), "other weights"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    tiny_model_folder: Path, spec: Path, tmp_path: Path, capsys: Lines, text: str, words: str
) -> None:
    spec.write_text(text)
    assert stimuli(tiny_model_folder, tmp_path / "a", str(spec)) == 2
    assert words in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"spec.yaml"}


def test_a_full_folder_is_refused_before_anything_is_loaded(
    tmp_path: Path, spec: Path, capsys: Lines
) -> None:
    assert stimuli(tmp_path / "absent", tmp_path, str(spec)) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_specification_or_a_table_is_needed(tmp_path: Path, capsys: Lines) -> None:
    with pytest.raises(SystemExit):
        main(["stimuli", "--out", str(tmp_path / "a")])
    assert "required" in capsys.readouterr().err
