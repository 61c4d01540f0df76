"""``synfer eval control`` and ``synfer eval sheets`` on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from synfer_core import cli
from synfer_core.evaluation import options
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig
from tests.faces.photo import needs_landmarker

NET = ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1))


@pytest.fixture
def folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with an AU reader and a judge."""
    place = Path(shutil.copytree(tiny_model_folder, tmp_path / "models"))
    torch.manual_seed(0)
    classifier.save(Classifier(NET), place / "au-reader.safetensors", "au-reader")
    classifier.save(Classifier(NET), place / "judge-a.safetensors", "judge")
    return place


@needs_landmarker
def test_control_writes_its_figures_and_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = {name: tmp_path / name for name in ("c.json", "sheet.jpg", "crosstalk.png")}
    words = ["--parts", "aus", "--images", "5", "--no-exact", "--json", str(targets["c.json"])]
    words += ["--sheet", str(targets["sheet.jpg"])]
    words += ["--crosstalk", str(targets["crosstalk.png"])]
    reader = (folder / "au-reader.safetensors").rename(tmp_path / "other-reader.safetensors")
    words += ["--au-reader", str(reader)]
    assert cli.main(["eval", "control", "--models", str(folder), *words]) == 0
    figures = json.loads(targets["c.json"].read_text())
    expected = {"images", "weights_sha256", "aus", "median_spearman", "crosstalk_mean"}
    expected |= {"one_sided", "face_found", "expression", "identity", "words", "by_group"}
    assert expected <= set(figures)
    assert figures["images"] == 5
    assert figures["gauges_sha256"].keys() == {"other-reader", "judge-a"}
    assert all(path.stat().st_size > 1000 for path in targets.values())
    said = capsys.readouterr()
    assert "median Spearman" in said.out
    assert "6/6 images" in said.err


def test_sheets_are_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "STEPS", 1)
    words = ["--models", str(folder), "--kinds", "random"]
    assert cli.main(["eval", "sheets", str(tmp_path / "sheets"), *words]) == 0
    assert (tmp_path / "sheets" / "random.jpg").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--images", "4"], "--images"),
        (["--active", "0"], "--active"),
        (["--active-others", "1.5"], "--active-others"),
        (["--parts", "words", "--sheet", "s.jpg"], "--sheet"),
        (["--parts", "words", "--crosstalk", "c.png"], "--crosstalk"),
        (["--json", "/nowhere/at/all.json"], "all.json"),
    ],
)
def test_bad_options_are_named(
    options: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "control", *options]) == 2
    assert field in capsys.readouterr().err


def test_an_unknown_backbone_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--models", str(folder), "--backbone", "no-such"]
    assert cli.main(["eval", "sheets", str(tmp_path), *options]) == 2
    assert "backbone" in capsys.readouterr().err
