from __future__ import annotations

import json
from pathlib import Path

import pytest

from synfer_core.cli import main
from synfer_core.errors import ModelError
from synfer_core.grids.sheet import read_grid
from synfer_core.provenance.reading import read
from synfer_core.reference.backbone import ReferenceBackbone

SPEC = {
    "base": {"steps": 2, "facs": ""},
    "rows": {"kind": "units", "values": ["AU4", "AU12"]},
    "columns": {"kind": "intensity", "values": [0, 5]},
}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "grid.json"
    file.write_text(json.dumps(SPEC))
    return file


def test_a_grid_is_made_and_made_again_from_its_sheet(
    spec: Path, tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet, cells = tmp_path / "sheet.png", tmp_path / "cells"
    models = ["--models", str(tiny_model_folder)]
    assert main(["grid", str(spec), "--out", str(sheet), "--cells", str(cells), *models]) == 0
    names = sorted(path.name for path in cells.iterdir())
    assert names == ["r01_c01.png", "r01_c02.png", "r02_c01.png", "r02_c02.png", "recipes.jsonl"]
    lines = (cells / "recipes.jsonl").read_text().splitlines()
    assert json.loads(lines[3])["aus"] == {"AU12": 5.0}
    assert read((cells / "r02_c02.png").read_bytes()).tag_agrees

    again = tmp_path / "again.png"
    assert main(["grid", str(sheet), "--out", str(again), *models]) == 0
    assert again.read_bytes() == sheet.read_bytes()
    found = read_grid(sheet.read_bytes())
    assert found
    assert len(found.cells) == 4


def test_a_cell_that_fails_is_left_blank(
    spec: Path,
    tmp_path: Path,
    tiny_model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = ReferenceBackbone.stream

    def failing(self: ReferenceBackbone, recipe: object) -> object:
        if getattr(recipe, "aus", {}).get("AU4") == 5.0:
            raise ModelError("is not a number")
        return stream(self, recipe)  # type: ignore[arg-type]

    monkeypatch.setattr(ReferenceBackbone, "stream", failing)
    out = tmp_path / "sheet.png"
    assert main(["grid", str(spec), "--out", str(out), "--models", str(tiny_model_folder)]) == 1
    said = capsys.readouterr()
    assert "error: AU4 brow lowerer, intensity 5: is not a number" in said.err
    assert "3 faces, 1 failed" in said.out


@pytest.mark.parametrize(
    ("out", "spec_text", "words"),
    [
        ("sheet.jpg", None, "not a PNG name"),
        ("sheet.png", "rows: [", "cannot be read as YAML or JSON"),
        ("sheet.png", json.dumps({**SPEC, "base": {"size": 100}}), "cannot be made"),
    ],
)
def test_what_is_wrong_is_said(
    out: str,
    spec_text: str | None,
    words: str,
    spec: Path,
    tmp_path: Path,
    tiny_model_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if spec_text is not None:
        spec.write_text(spec_text)
    arguments = ["grid", str(spec), "--out", str(tmp_path / out)]
    assert main([*arguments, "--models", str(tiny_model_folder)]) == 2
    assert words in capsys.readouterr().err


def test_a_picture_without_a_grid_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(b"text")
    assert main(["grid", str(file), "--out", str(tmp_path / "a.png")]) == 2
    assert "carries no grid" in capsys.readouterr().err
