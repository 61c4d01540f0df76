from __future__ import annotations

import json
from pathlib import Path

import pytest

from synfer_core import cli
from synfer_core.data import manifest
from synfer_core.data.manifest import MANIFEST

RECIPE = """
title: Tiny set
counts: {happiness: 2, neutral: 1}
people: {balance: [sex, glasses]}
recipe: {steps: 2}
verdicts: {by: none}
distance: null
shard: 2
"""


@pytest.fixture(scope="module")
def built(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set made by the command, with a tiny model."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "set.yaml").write_text(RECIPE)
    assert _build(folder, tiny_model_folder, "--json", str(folder / "outcome.json")) == 0
    return folder


def _build(folder: Path, models: Path, *options: str) -> int:
    out = ["--out", str(folder / "set"), "--models", str(models)]
    return cli.main(["data", "build", str(folder / "set.yaml"), *out, *options])


def test_a_set_is_built_and_checked(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = json.loads((built / "outcome.json").read_text())
    assert outcome == {"made": 3, "rejected": 0, "failed": 0, "duplicates": 0, "faults": {}}
    assert cli.main(["data", "verify", str(built / "set")]) == 0
    assert "3 images: as they were made" in capsys.readouterr().out
    records = list(manifest.read(built / "set" / MANIFEST))
    assert all(record.recipe["weights_sha256"] == record.model_sha256 for record in records)
    assert {record.cell["glasses"] for record in records} == {"none", "thin"}
    card = (built / "set/README.md").read_text()
    assert records[0].model_sha256 in card
    assert "Tiny set" in card


def test_the_same_command_finds_nothing_to_do(
    built: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _build(built, tiny_model_folder) == 0
    assert "3 images, 0 rejected" in capsys.readouterr().out


def test_a_changed_set_is_told(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extra = built / "set/extra.txt"
    extra.touch()
    assert cli.main(["data", "verify", str(built / "set"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["extra"] == ["extra.txt"]
    extra.unlink()


def test_a_set_is_exported(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert cli.main(["data", "export", str(built / "set"), "--to", "webdataset", "--out", out]) == 0
    assert "3 images" in capsys.readouterr().out


@pytest.mark.parametrize("by", ["feranno", "experts"])
def test_nobody_judges_who_is_not_there(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    (tmp_path / "set.yaml").write_text(RECIPE.replace("by: none", f"by: {by}"))
    assert _build(tmp_path, tiny_model_folder) == 2
    assert "verdicts.by" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_what_a_large_set_would_cost(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "estimate", "--seconds", "0.36", "--acceptance", "0.5", "--price", "2"]
    assert cli.main([*command, "--images", "1000000", "--efficiency", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2,000,000 to be made" in lines[0]
    assert lines[1].split() == ["1", "worker(s):", "200.0", "h", "8.3", "days", "cost", "400.00"]
    assert lines[3].split() == ["64", "worker(s):", "3.1", "h", "0.1", "days", "cost", "400.00"]
    assert cli.main([*command, "--duplicates", "1"]) == 2
    with pytest.raises(SystemExit):
        cli.main(["data", "estimate", "--seconds", "0"])
