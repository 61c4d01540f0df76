"""``synfer eval semantic`` on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from synfer_core import cli
from synfer_core.evaluation import options
from synfer_core.models import classifier, identity_reader
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.guides import IMAGE_FILE
from synfer_core.models.identity_reader import IdentityReader, IdentityReaderConfig
from tests.faces.photo import needs_landmarker

NET = ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1))


@pytest.fixture
def folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with gauges and a classifier to follow."""
    place = Path(shutil.copytree(tiny_model_folder, tmp_path / "models"))
    torch.manual_seed(0)
    classifier.save(Classifier(NET), place / "au-reader.safetensors", "au-reader")
    classifier.save(Classifier(NET), place / "judge-a.safetensors", "judge")
    person = IdentityReader(IdentityReaderConfig(32, widths=(8, 8), depths=(1, 1)))
    identity_reader.save(person, place / "identity.safetensors")
    classifier.save(Classifier(NET), place / IMAGE_FILE, "classifier")
    return place


@needs_landmarker
def test_semantic_writes_figures_and_a_sheet(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(options, "STEPS", 2)
    figures, sheet, plot = (tmp_path / name for name in ("s.json", "s.jpg", "s.png"))
    words = ["--people", "2", "--kinds", "slight", "--acts-on", "text", "aus", "--every", "1"]
    words += ["--tune", "--json", str(figures), "--out", str(sheet), "--plot", str(plot)]
    words += ["--strengths", "0", "2"]
    assert cli.main(["eval", "semantic", "--models", str(folder), *words]) == 0
    found = json.loads(figures.read_text())
    assert found["tuning"]
    assert found["images"] == 14 * 3
    assert [arm["acts_on"] for arm in found["arms"]] == ["text", "aus"]
    assert {arm["classifier"] for arm in found["arms"]} == {"image"}
    assert all("without" in arm["drift"] for arm in found["arms"])
    assert found["gauges_sha256"].keys() == {"au-reader", "judge-a", "identity"}
    assert [curve["strengths"] for curve in found["curves"]] == [[0, 2]] * 2
    assert sheet.stat().st_size > 1000
    assert plot.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr()
    assert "image text 2 at 0.1-0.7/1" in said.out
    assert "42/42 images" in said.err


@needs_landmarker
def test_a_classifier_that_is_not_here_is_named_before_anything_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / IMAGE_FILE).unlink()
    options = ["--models", str(folder), "--people", "2", "--classifiers", "image"]
    assert cli.main(["eval", "semantic", *options]) == 2
    said = capsys.readouterr()
    assert "classifier.safetensors" in said.err
    assert "images" not in said.err
    assert cli.main(["eval", "semantic", "--models", str(folder)]) == 2
    assert "--classifiers" in capsys.readouterr().err
