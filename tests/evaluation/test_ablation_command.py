"""``synfer eval ablation`` on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from synfer_core import cli
from synfer_core.models import attributes, classifier
from synfer_core.models.attributes import AttributeConfig, AttributeReader
from synfer_core.models.classifier import Classifier
from synfer_core.models.guides import FILES
from tests.evaluation.test_semantic_command import NET, folder  # noqa: F401
from tests.faces.photo import needs_landmarker


@pytest.fixture
def models(folder: Path) -> Path:  # noqa: F811
    """The tiny model with gauges, both judges of attributes and expressions, and both guides."""
    torch.manual_seed(1)
    classifier.save(Classifier(NET), folder / "judge-b.safetensors", "judge")
    classifier.save(Classifier(NET), folder / "classifier.safetensors", "classifier")
    looks = AttributeReader(AttributeConfig(32, widths=(8, 12), depths=(1, 1)))
    attributes.save(looks, folder / "attributes.safetensors")
    return folder


def run(models: Path, tmp_path: Path, *options: str) -> Any:
    figures = tmp_path / "a.json"
    usual = ["--models", str(models), "--people", "2", "--steps", "3", "--no-exact"]
    assert cli.main(["eval", "ablation", *usual, *options, "--json", str(figures)]) == 0
    return json.loads(figures.read_text())


@needs_landmarker
def test_ablation_writes_figures_and_a_sheet(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, kept = tmp_path / "a.jpg", tmp_path / "kept"
    rows = ["--rows", "+paper", "+semantic", "base"]
    options = [*rows, "--keep", str(kept), "--sheet", str(sheet)]
    found = run(models, tmp_path, *options)
    assert list(found["rows"]) == ["base", "+semantic", "+paper"]
    assert None not in found["rows"].values()
    assert set(found["gauges_sha256"]) >= {"au-reader", "judge-a", "judge-b", "identity"}
    assert found["spaces"]["diversity"].startswith("attributes: ")
    assert found["spaces"]["frechet"].startswith("judge-a: ")
    assert found["exact"] is None
    assert len(list(kept.iterdir())) == 48
    assert sheet.stat().st_size > 1000
    said = capsys.readouterr()
    assert "48/48 images" in said.err
    assert "| row | accuracy.a | accuracy.b | accuracy.mean |" in said.out
    again = run(models, tmp_path, "--rows", "base", "--keep", str(kept))
    assert again["rows"]["base"] == found["rows"]["base"]
    assert len(list(kept.iterdir())) == 48, "none is made again"


@needs_landmarker
def test_without_a_guide_its_row_is_left_out_and_said(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / FILES["image"]).unlink()
    (models / "attributes.safetensors").unlink()
    found = run(models, tmp_path, "--rows", "base", "+semantic")
    assert found["rows"]["+semantic"] is None
    assert found["spaces"]["diversity"] == found["spaces"]["frechet"]
    assert "+semantic is left out: classifier.safetensors" in capsys.readouterr().out
    bare = ["eval", "ablation", "--models", str(models), "--rows", "+semantic"]
    assert cli.main(bare) == 2
    assert "no row can be made" in capsys.readouterr().err
