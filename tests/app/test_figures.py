from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.figures import NAME, Figures
from synfer_core.errors import WeightsError
from synfer_core.synthesizer import DEFAULT_FOLDER

OURS, THEIRS = "a" * 64, "b" * 64


def figures(**changes: Any) -> dict[str, Any]:
    """A small ``figures.json``, with some of what the studio does not show."""
    interval = {"value": 0.81, "low": 0.74, "high": 0.88}
    control = {
        "weights_sha256": OURS,
        "images": 300,
        "aus": {
            "AU12": {"spearman": interval, "error": interval, "reader_r": 0.93},
            "AU4": {"spearman": {**interval, "value": 0.39}, "reader_r": None},
        },
        "crosstalk_mean": interval,
    }
    feranno = {"weights_sha256": OURS, "accuracy": {**interval, "value": 0.91}, "ece": 0.034}
    return {"control": control, "attention": {"any": 1}, "feranno": feranno, **changes}


def written(folder: Path, content: object) -> Path:
    (folder / NAME).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_what_the_commands_write_is_read(tmp_path: Path) -> None:
    found = Figures.load(written(tmp_path, figures()))
    assert found.control is not None
    assert found.control.aus is not None
    assert found.control.aus["AU12"].spearman.low == 0.74
    assert found.control.aus["AU4"].reader_r is None
    assert found.feranno is not None
    assert (found.feranno.accuracy.value, found.feranno.ece.value) == (0.91, 0.034)
    assert found.feranno.ece.low is None


def test_figures_count_for_the_weights_they_were_taken_from(tmp_path: Path) -> None:
    mixed = figures()
    mixed["feranno"]["weights_sha256"] = THEIRS
    found = Figures.load(written(tmp_path, mixed))
    assert found.of(OURS).feranno is None
    assert found.of(OURS).control == found.control
    assert found.of(THEIRS).control is None
    assert found.of("c" * 64) == Figures()


def test_none_are_no_error(tmp_path: Path) -> None:
    assert Figures.load(tmp_path) == Figures()
    assert Figures.load(written(tmp_path, {"attention": {}})) == Figures()


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("{", "the file"),
        (figures(feranno={"weights_sha256": OURS, "accuracy": 0.9}), "feranno.ece"),
        (figures(feranno={"weights_sha256": OURS, "accuracy": True, "ece": 0.1}), "accuracy"),
        (figures(control={"weights_sha256": "1", "images": 1, "aus": {}}), "weights_sha256"),
    ],
)
def test_damaged_figures_are_named(tmp_path: Path, content: object, place: str) -> None:
    with pytest.raises(WeightsError, match=place) as caught:
        Figures.load(written(tmp_path, content))
    assert caught.value.field == NAME


def test_those_that_ship_can_be_read() -> None:
    shipped = Figures.load(DEFAULT_FOLDER)
    assert (DEFAULT_FOLDER / NAME).exists() == (shipped != Figures())
