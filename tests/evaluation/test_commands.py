from __future__ import annotations

import json
from pathlib import Path

import pytest

from synfer_core import cli


def test_latency_writes_the_figures_others_rely_on(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "latency.json"
    arguments = ["--models", str(tiny_model_folder), "--runs", "1", "--no-peer"]
    assert cli.main(["bench", "latency", *arguments, "--json", str(target)]) == 0
    figures = json.loads(target.read_text())
    expected = {"image_seconds_median", "report_seconds_median", "peer_image_seconds", "stages"}
    assert expected <= set(figures)
    assert "denoising" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["bench", "latency", "--runs", "0"], "--runs"),
        (["bench", "render", "--seconds", "0"], "--seconds"),
        (["bench", "render", "--sizes", "8"], "--sizes"),
        (["eval", "first-light", "--identities", "0"], "--identities"),
        (["eval", "first-light", "--json", "/nowhere/at/all.json"], "all.json"),
    ],
)
def test_bad_options_are_named(
    arguments: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert field in message


def test_no_judges_is_said_before_anything_is_made(
    tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "first-light", "--models", str(tiny_model_folder)]) == 2
    assert "no judge here" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["eval"], ["bench"], ["eval", "first-light"]])
def test_help_shows_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([*command, "--help"])
    assert stop.value.code == 0
    assert "synfer eval" in capsys.readouterr().out or command[0] == "bench"
