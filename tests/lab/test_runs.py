from __future__ import annotations

import json
from pathlib import Path

import pytest

from synfer_core.errors import DataError, RequestError
from synfer_core.lab import runs
from synfer_core.lab.runs import Run


def test_a_run_says_what_it_is_and_when_it_is_over(tmp_path: Path) -> None:
    run = Run.begin(tmp_path / "a/run", "supervised", "A title", {"seed": 1})
    assert runs.read(run.folder).ended is None
    run.write_json("figures.json", {"accuracy": 1})
    run.end(("figures.json",))
    about = json.loads((run.folder / "run.json").read_text())
    assert (about["kind"], about["title"]) == ("supervised", "A title")
    assert about["figures"] == ["figures.json"]
    assert about["started"] <= about["ended"]
    assert about["ended"].endswith("Z")


def test_folders_of_other_things_are_refused(tmp_path: Path) -> None:
    Run.begin(tmp_path / "run", "scaling", "", {})
    run = Run.begin(tmp_path / "run", "scaling", "", {})
    with pytest.raises(RequestError, match="holds a scaling run"):
        Run.begin(tmp_path / "run", "test", "", {})
    run.end(())
    with pytest.raises(RequestError, match="holds a scaling run"):
        Run.begin(tmp_path / "run", "scaling", "", {})
    assert Run.begin(tmp_path / "run", "scaling", "", {}, again=True).about.ended is None
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    with pytest.raises(RequestError, match="is there already"):
        Run.begin(tmp_path / "other", "test", "", {})


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run of the lab"):
        runs.read(tmp_path)
    (tmp_path / "run.json").write_text('{"kind": "test", "colour": 1}')
    with pytest.raises(DataError, match="damaged"):
        runs.read(tmp_path)
