from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core.cli import main
from synfer_core.provenance.export import Export
from synfer_core.provenance.marking import PLAIN, Marking
from synfer_core.provenance.reading import read
from synfer_core.request import Recipe
from tests.provenance.pictures import faces

Lines = pytest.CaptureFixture[str]
RECIPE = Recipe(seed=5, weights_sha256="ab" * 32)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A marked and an unmarked picture, one of unknown origin, and one that is none."""
    for name, marking in {"marked": Marking(label=True), "plain": PLAIN}.items():
        data = Export.of(faces()[0], RECIPE, marking).to_png()
        (tmp_path / f"{name}.png").write_bytes(data)
    Image.open(tmp_path / "marked.png").save(tmp_path / "stripped.jpg", quality=75)
    Image.fromarray(faces()[1]).save(tmp_path / "photo.png")
    (tmp_path / "text.png").write_text("I am a text\n")
    return tmp_path


def test_all_that_is_known_is_printed(files: Path, capsys: Lines) -> None:
    assert main(["provenance", str(files / "marked.png")]) == 0
    printed = capsys.readouterr().out
    assert "says it is from SynFER Studio" in printed
    assert "trainedAlgorithmicMedia" in printed
    assert printed.count("as the metadata says") == 2
    assert "found, 48 of 48 bits agree; its tag is the recipe's" in printed
    assert "visible label: AI-generated" in printed
    assert f"weights: SHA-256 {'ab' * 32}" in printed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain.png", "by chance; the metadata says none"),
        ("stripped.jpg", "its metadata does not say where it is from"),
        ("photo.png", "nothing says where it is from"),
    ],
)
def test_what_is_missing_is_said(files: Path, capsys: Lines, name: str, words: str) -> None:
    assert main(["provenance", str(files / name)]) == 0
    assert words in capsys.readouterr().out


def test_what_does_not_agree_is_said(files: Path, capsys: Lines) -> None:
    export = Export.of(faces()[0], RECIPE, Marking())
    forged = replace(export, recipe=Recipe(seed=6), pixels=np.flipud(export.pixels))
    (files / "forged.png").write_bytes(forged.to_png())
    other = replace(export, recipe=Recipe(seed=6))
    (files / "other.png").write_bytes(other.to_png())
    assert main(["provenance", str(files / "forged.png"), str(files / "other.png")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("NOT what the metadata says") == 3
    assert "none, " in printed
    assert "its tag is of ANOTHER recipe" in printed


def test_one_object_for_each_file(files: Path, capsys: Lines) -> None:
    names = ["marked.png", "text.png", "absent.png", "photo.png"]
    assert main(["provenance", *[str(files / name) for name in names], "--json"]) == 1
    captured = capsys.readouterr()
    entries = [json.loads(line) for line in captured.out.splitlines()]
    assert [entry["ok"] for entry in entries] == [True, False, False, True]
    assert entries[0]["recipe"]["seed"] == 5
    assert entries[0]["watermark"]["tag_agrees"] is True
    assert entries[3]["origin"] is None
    assert captured.err.count("error: ") == 2


@pytest.mark.parametrize("name", ["text.png", "absent.png"])
def test_one_file_that_cannot_be_read(files: Path, capsys: Lines, name: str) -> None:
    assert main(["provenance", str(files / name)]) == 2
    assert f"error: {files / name}: " in capsys.readouterr().err


def test_generate_marks_and_can_leave_it_out(tmp_path: Path, tiny_model_folder: Path) -> None:
    found = {}
    for name, options in {"a": [], "b": ["--no-watermark"], "c": ["--label"]}.items():
        out = tmp_path / f"{name}.png"
        given = ["--seed", "3", "--steps", "2", "--models", str(tiny_model_folder), *options]
        assert main(["generate", *given, "--out", str(out), "--report", f"{out}.json"]) == 0
        found[name] = read(out.read_bytes())
        told = json.loads(Path(f"{out}.json").read_text())
        origin = found[name].origin
        assert origin
        assert told["image_sha256"] == origin.image_sha256
    assert len({f.origin.image_sha256 for f in found.values() if f.origin}) == 1
    assert (found["a"].tag_agrees, found["c"].tag_agrees) == (True, True)
    assert not found["b"].watermark.found
    assert found["b"].origin
    assert found["b"].pixels_sha256 == found["b"].origin.image_sha256


def test_a_batch_is_marked_alike(tmp_path: Path, tiny_model_folder: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"seed": 1, "steps": 1}\n')
    given = ["--batch", str(tmp_path / "r.jsonl"), "--models", str(tiny_model_folder)]
    for folder, options in {"a": [], "b": ["--no-watermark"]}.items():
        assert main(["generate", *given, "--out", str(tmp_path / folder), *options]) == 0
    marked, plain = (read((tmp_path / f / "000000.png").read_bytes()) for f in "ab")
    assert (marked.watermark.found, plain.watermark.found) == (True, False)
    entry = json.loads((tmp_path / "a" / "manifest.jsonl").read_text())
    assert entry["image_sha256"] == plain.pixels_sha256 != marked.pixels_sha256


def test_an_edit_of_a_marked_face_gets_a_mark_of_its_own(
    tmp_path: Path, tiny_model_folder: Path
) -> None:
    face, out = tmp_path / "face.png", tmp_path / "out.png"
    models = ["--models", str(tiny_model_folder)]
    assert main(["generate", "--au", "AU12=3", "--steps", "2", *models, "--out", str(face)]) == 0
    assert main(["edit", str(face), "--au", "AU4=3", *models, "--out", str(out)]) == 0
    found = read(out.read_bytes())
    assert found.tag_agrees
    assert found.origin
    assert found.origin.term == "compositeWithTrainedAlgorithmicMedia"
    assert found.recipe
    assert found.recipe.reference_aus == {"AU12": 3.0}
    assert np.asarray(Image.open(out)).shape == (128, 128, 3)
