from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from synfer_core import cli
from synfer_core.lab import runs
from tests.lab.conftest import write_photos
from tests.training.tiny import write_faces

SMALL = ("--size", "32")
QUICK = ("--samples", "64", "--batch", "32", *SMALL)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people more than in `shards`, to be tested on."""
    folder = tmp_path_factory.mktemp("others") / "others"
    return write_faces(folder, identities=4, first_identity=50)


def figures(run: Path) -> dict[str, Any]:
    """What a finished run found."""
    about = runs.read(run)
    assert about.ended
    assert all((run / name).is_file() for name in about.figures)
    found: dict[str, Any] = json.loads((run / "figures.json").read_text())
    return found


def test_supervised_trains_tests_and_is_tested_again(
    shards: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    sources = ["--train", str(shards), "--train-split", "train", "--test", str(others)]
    assert cli.main(["lab", "supervised", *sources, *QUICK, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "balanced accuracy" in told
    assert "true / read" in told
    found = figures(out)
    assert found["train"]["images"] == 64
    assert found["test"]["counts"]["fear"] == 4
    assert runs.read(out).kind == "supervised"
    weights = ["--weights", str(out / "recogniser.safetensors"), "--test", str(others), *SMALL]
    assert cli.main(["lab", "test", *weights, "--out", str(tmp_path / "again")]) == 0
    assert figures(tmp_path / "again")["confusion"] == found["confusion"]
    few = ["--shots", "1", "--queries", "2", "--episodes", "5"]
    assert cli.main(["lab", "few-shot", *weights, *few, "--out", str(tmp_path / "few")]) == 0
    assert figures(tmp_path / "few")["episodes"] == 5
    capsys.readouterr()
    assert cli.main(["lab", "supervised", *sources, *QUICK, "--out", str(out)]) == 2
    assert "holds a supervised run" in capsys.readouterr().err


def test_real_faces_are_mixed_in_and_aligned_to(
    shards: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = write_photos(tmp_path / "photos")
    command = ["lab", "supervised", "--train", str(shards), "--test", str(others), *QUICK]
    near = ["--align", str(photos), "--crop", "none"]
    real = ["--real", str(photos), "--mix", "0.5", *near, "--align-by", "both"]
    assert cli.main([*command, *real, "--out", str(tmp_path / "run")]) == 0
    found = figures(tmp_path / "run")
    assert found["train"]["images"] == 80 + 16
    assert found["align"]["synthetic"] == 80
    assert found["align"]["real"]["counts"] == {}
    assert "effective sample size" in capsys.readouterr().out
    assert cli.main([*command, *near, "--out", str(tmp_path / "norms")]) == 0
    assert figures(tmp_path / "norms")["align"].keys() == {"norms", "real"}
    assert cli.main([*command, "--mix", "0.5", "--out", str(tmp_path / "no")]) == 2
    assert "go together" in capsys.readouterr().err


def test_pretraining_and_zero_shot_write_their_runs(
    shards: Path, others: Path, tmp_path: Path
) -> None:
    for part in ("pretrain", "zero-shot"):
        command = ["lab", part, "--train", str(shards), "--test", str(others), *QUICK]
        assert cli.main([*command, "--images", "40", "--out", str(tmp_path / part)]) == 0
        assert figures(tmp_path / part)["train"]["images"] == 40
        assert runs.read(tmp_path / part).kind == part


def test_scaling_writes_picture_table_and_goes_on(
    shards: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["lab", "scaling", "--train", f"renders={shards}", "--test", str(others), *QUICK]
    plan = ["--unit", "32", "--factors", "0.5", "2", "4", "--methods", "supervised", "--seeds", "2"]
    assert cli.main([*command, *plan, "--out", str(out)]) == 0
    assert "left out: 128" in capsys.readouterr().err
    about = runs.read(out)
    assert about.figures == ("scaling.png", "scaling.csv", "scaling.json")
    with (out / "scaling.csv").open() as file:
        assert [row["size"] for row in csv.DictReader(file)] == ["16", "64"]
    cells = {path.name: path.read_bytes() for path in (out / "cells").iterdir()}
    assert len(cells) == 4
    assert cli.main([*command, *plan, "--out", str(out), "--align", str(others)]) == 0
    now = {path.name: path.read_bytes() for path in (out / "cells").iterdir()}
    assert now.items() > cells.items(), "what was made is kept"
    assert sum("-aligned-" in name for name in now) == len(now) - len(cells) == 4


def test_bad_requests_name_the_field(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["lab", "supervised", "--train", str(shards), "--test", str(shards)]
    for options, said in (
        (("--size", "50"), "size"),
        (("--labels", "nowhere.json"), "--labels"),
        (SMALL, "people are also in"),
    ):
        assert cli.main([*both, *options, "--out", str(tmp_path / said)]) == 2
        assert said in capsys.readouterr().err
    same = ["--train", str(shards), str(shards), "--test", str(shards), *SMALL]
    assert cli.main(["lab", "scaling", *same, "--out", str(tmp_path / "same")]) == 2
    assert "NAME=DIR" in capsys.readouterr().err
