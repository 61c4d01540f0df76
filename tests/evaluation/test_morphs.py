"""Continua of drawn faces, measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synfer_core.cli import main
from synfer_core.evaluation.morphs import Plan, measure
from synfer_core.facs import PROTOTYPES
from tests.stimuli.drawn import TOOLS, tools


def test_each_continuum_is_another_person_and_the_next_expression() -> None:
    specs = Plan(8, 5).specs()
    assert [spec.apex for spec in specs[:7]] == [dict(p) for p in list(PROTOTYPES.values())[1:]]
    assert specs[7].apex == specs[0].apex
    assert len({spec.recipe["identity_seed"] for spec in specs}) == 8
    assert all(spec.even and spec.frames == 5 for spec in specs)


def test_jumps_and_people_are_measured() -> None:
    steps: list[tuple[int, int]] = []
    seen = measure(tools(threshold=0.9999), Plan(2, 4), tell=lambda *step: steps.append(step))
    assert steps == [(n, 16) for n in range(1, 17)]
    figures = seen.to_dict()
    ratios = sorted(morph.evenness.ratio for morph in seen.morphs)
    assert figures["ratio"]["least"] == pytest.approx(ratios[0], abs=1e-4)
    assert figures["ratio"]["most"] == pytest.approx(ratios[1], abs=1e-4)
    before = [morph.unspaced.ratio for morph in seen.morphs if morph.unspaced]
    assert figures["ratio_at_equal_moments"]["most"] == pytest.approx(max(before), abs=1e-4)
    assert figures["flagged_frames"] == sum(len(morph.flagged) for morph in seen.morphs) > 0
    assert "of 2 continua" in seen.lines()[-1]


def test_without_an_identity_reader_there_is_no_similarity() -> None:
    seen = measure(TOOLS, Plan(1, 3), tell=lambda *_: None)
    assert seen.to_dict()["lowest_similarity"] is None
    assert seen.lines()[-1] == "there is no drift threshold"


def test_the_command_writes_the_figures(
    tiny_model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "morphs.json"
    words = ["eval", "morphs", "--continua", "0", "--models", str(tiny_model_folder)]
    assert main(words) == 2
    words[3] = "1"
    assert main([*words, "--frames", "2", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["frames"] == 2
    assert "1 continua, 2 frames" in capsys.readouterr().out
