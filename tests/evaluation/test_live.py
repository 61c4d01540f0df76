from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from synfer_core import cli
from synfer_core.evaluation import live
from synfer_core.evaluation.control_plan import DISFA
from synfer_core.evaluation.live import Live, Made, Plan
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig


def test_each_person_moves_each_unit_to_each_intensity() -> None:
    recipes = Plan().recipes()
    assert len(recipes) == 3 * 12 * 4 >= 40
    assert [r.aus for r in recipes[:2]] == [{"AU1": 1.0}, {"AU1": 2.25}]
    assert {next(iter(r.aus)) for r in recipes} == set(DISFA)
    assert len({r.identity_seed for r in recipes}) == len({r.seed for r in recipes}) == 3


PLAN = Plan(people=2, units=("AU4", "AU12"), intensities=(1.0, 3.0, 5.0))
ASKED = [next(iter(recipe.aus.values())) for recipe in PLAN.recipes()]


def made(seconds: float, read: list[float]) -> tuple[Made, ...]:
    return tuple(Made(seconds + i / 100, seconds / 2, value) for i, value in enumerate(read))


def test_the_figures_compare_drafts_with_whole_images() -> None:
    still = [value if i % 6 > 2 else 0.0 for i, value in enumerate(ASKED)]  # AU4 stays still
    figures = Live(PLAN, made(0.4, still), made(2.0, ASKED)).to_dict()
    assert figures["moves"] == 12
    assert figures["draft_seconds_median"] == pytest.approx(0.455)
    assert figures["draft_seconds_p95"] == pytest.approx(0.5045)
    assert figures["processor_share"] == pytest.approx(0.2)
    ranks = figures["spearman"]
    assert ranks["aus"]["AU4"] == {"draft": 0.0, "refined": 1.0, "draft_with_refined": 0.0}
    assert ranks["aus"]["AU12"]["draft_with_refined"] == pytest.approx(1.0)
    assert (ranks["draft_median"], ranks["ratio"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert ranks["least_ratio"] == 0.0


def test_no_ratio_is_made_of_images_that_show_nothing() -> None:
    figures = Live(PLAN, made(0.4, ASKED), made(2.0, [1.0] * 12)).to_dict()
    assert figures["spearman"]["ratio"] is None
    assert figures["spearman"]["least_ratio"] is None
    assert any("ratio none" in line for line in live.lines(figures))


@pytest.fixture(scope="module")
def reading_model(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("read")
    shutil.copytree(tiny_model_folder, folder, dirs_exist_ok=True)
    torch.manual_seed(1)
    small = ClassifierConfig("cnn", 32, widths=(8, 8, 8, 8), expressions=False)
    classifier.save(Classifier(small), folder / "au-reader.safetensors", "au-reader")
    return folder


def test_the_command_times_drafts_beside_whole_images(
    reading_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "live.json"
    few = ["--people", "1", "--units", "AU4", "AUL12", "--intensities", "1", "5"]
    arguments = ["bench", "live", "--models", str(reading_model), *few, "--json", str(target)]
    assert cli.main(arguments) == 0
    figures = json.loads(target.read_text())
    assert figures["moves"] == 4
    assert 0 < figures["draft_seconds_median"] <= figures["draft_seconds_p95"]
    assert 0 < figures["processor_share"] < 1, "3 steps are less work than 20"
    assert (figures["draft_steps"], figures["steps"]) == (3, 20)
    assert figures["machine"]["cores"] >= 1
    said = capsys.readouterr().out
    assert "3 steps, 4 moves" in said
    assert "AUL12: Spearman" in said
    assert "machine: " in said


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--people", "0"], "--people"),
        (["--intensities", "6"], "--intensities"),
        (["--units", "AU99"], "AU99"),
        ([], "au-reader.safetensors"),
    ],
)
def test_what_cannot_be_timed_is_named(
    tiny_model_folder: Path,
    arguments: list[str],
    field: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["bench", "live", "--models", str(tiny_model_folder), *arguments]) == 2
    assert field in capsys.readouterr().err
