"""Finished runs of the lab on the page: which are listed, and what is drawn of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.ui.lab import Lab, lab_html
from app.ui.lab_runs import curves_of, figures_of, run_of, runs_in
from synfer_core.errors import DataError, MissingError
from tests.app.test_ui import check_markup

CSV = """\
source,method,size,real,seeds,accuracy,accuracy_low,accuracy_high,balanced_accuracy
generated,moco,500,False,3,0.5,0.45,0.55,0.4
generated,moco,250,False,3,0.4,-0.1,0.5,0.4
generated,supervised,500,False,1,0.72,0.72,0.72,0.7
photos,supervised,900,True,1,0.81,0.81,0.81,0.8
"""


def run(root: Path, name: str, ended: str | None = "2026-11-25T14:20:00Z", csv: str = CSV) -> Path:
    """A run's folder, with a field that this page knows nothing of."""
    about = {"kind": "scaling", "title": f"Run <{name}>", "started": "x", "ended": ended}
    (root / name).mkdir()
    (root / name / "run.json").write_text(json.dumps({**about, "settings": {}}))
    if csv:
        (root / name / "scaling.csv").write_text(csv)
    figures = {"accuracy": {"value": 0.71234, "n": 1000}, "classes": [1], "good": True}
    (root / name / "figures.json").write_text(json.dumps(figures))
    return root / name


def test_finished_runs_are_listed_the_newest_first(tmp_path: Path) -> None:
    run(tmp_path, "old", "2026-01-01T00:00:00Z")
    run(tmp_path, "new")
    run(tmp_path, "running", None)
    (tmp_path / "notes").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/run.json").write_text("{")
    assert [one.name for one in runs_in(tmp_path)] == ["new", "old"]
    assert Lab(tmp_path).list()["runs"][0] == {
        "name": "new",
        "title": "Run <new> (scaling, 2026-11-25 14:20)",
    }
    assert runs_in(tmp_path / "absent") == []
    for name in ("running", "../new", None, ""):
        with pytest.raises(MissingError):
            run_of(tmp_path, name)


def test_a_run_is_drawn_with_its_table(tmp_path: Path) -> None:
    place = run(tmp_path, "new")
    moco, supervised, real = curves_of(place)
    assert [(point.size, point.low) for point in moco.points] == [(250, 0.0), (500, 0.45)]
    assert (supervised.real, real.real, real.name) == (False, True, "photos, supervised")
    assert figures_of(place) == [("accuracy, value", "0.7123"), ("accuracy, n", "1,000")]
    drawn = Lab(tmp_path).read({"name": "new"})["html"]
    check_markup(drawn)
    assert drawn.count("<polyline") == 2
    assert drawn.count('<path class="level m2"') == 1
    assert "Run &lt;new&gt;" in drawn
    assert "generated, MoCo v3 from 40.0% at 250 to 50.0% at 500" in drawn
    assert "<td>45.0% to 55.0%</td>" in drawn


def test_a_run_without_curves_shows_its_figures(tmp_path: Path) -> None:
    run(tmp_path, "bare", csv="")
    drawn = Lab(tmp_path).read({"name": "bare"})["html"]
    assert "<svg" not in drawn
    assert "accuracy, value" in drawn


@pytest.mark.parametrize(
    "csv",
    [
        "method,size\nmoco,3\n",
        CSV.replace("0.45", "x"),
        CSV.replace("0.45", "nan"),
        CSV.replace("500", "0"),
        CSV + "generated,moco,750\n",
    ],
)
def test_a_damaged_table_is_told(tmp_path: Path, csv: str) -> None:
    place = run(tmp_path, "new", csv=csv)
    with pytest.raises(DataError):
        curves_of(place)
    assert Lab(tmp_path).read({"name": "new"})["error"]["field"] == "runs"


def test_the_empty_state_says_how_to_make_a_run(tmp_path: Path) -> None:
    for root in (None, tmp_path):
        check_markup(lab_html(root))
        assert "synfer lab scaling" in lab_html(root)
    assert "SYNFER_STUDIO_RUNS" in lab_html(None)
    assert Lab(None).list() == {"runs": []}
    assert "error" in Lab(None).read({"name": "a"})
