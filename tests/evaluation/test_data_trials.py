from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synfer_core.data import manifest
from synfer_core.data.engines import LocalEngine, ProcessEngine
from synfer_core.data.manifest import MANIFEST, Attempt, Record
from synfer_core.data.spec import Verdicts
from synfer_core.errors import DataError, RequestError
from synfer_core.evaluation import data_faults, data_speed
from synfer_core.evaluation.data_distances import distances
from synfer_core.evaluation.data_labels import LabelTrial, Set
from synfer_core.facs import EXPRESSIONS
from tests.data.drawn_set import MADE_BY, DrawnWorkshop, plan


def unjudged(index: int, sure: float = 0.93) -> Record:
    """An exact render that FERAnno read right, as sure as that."""
    label = EXPRESSIONS[index % 8]
    rest = (1 - sure) / 7
    return Record(
        index=index,
        status="made",
        asked=label,
        label=label,
        file=f"{index}.png",
        person=index,
        recipe={"backbone": "facekit"},
        attempts=(Attempt(verdict="unjudged"),),
        probabilities={name: sure if name == label else rest for name in EXPRESSIONS},
    )


def test_verdicts_of_a_reader_that_is_right_mend_everything(tmp_path: Path) -> None:
    manifest.write(tmp_path / MANIFEST, map(unjudged, range(80)))
    images = Set.read(tmp_path)
    assert (images.given != images.truth).sum() == 24
    figures = LabelTrial(images, Verdicts(confirm=0.3, relabel=0.8)).estimates()
    values = {name: estimate.value for name, estimate in figures.items()}
    assert values == pytest.approx(
        {"right_before": 0.7, "right_after": 1, "right_kept": 1, "wrong_mended": 1, "wrong_kept": 0}
    )
    unsure = LabelTrial(images, Verdicts(confirm=0.3, relabel=0.95)).to_dict()
    assert unsure["wrong_mended"]["value"] == 0
    assert json.loads(json.dumps(unsure))["images"] == 80


def test_thresholds_are_tuned_to_the_target(tmp_path: Path) -> None:
    """Images that are read with 0.4 lose their labels unless they are confirmed from there."""
    manifest.write(tmp_path / MANIFEST, (unjudged(i, 0.4 if i % 2 else 0.95) for i in range(80)))
    images = Set.read(tmp_path)
    confirm, relabel = images.tune()
    after = images.figures(confirm, relabel, np.arange(80))
    assert after[1] >= 0.97
    assert after[2] == 1
    assert confirm <= 0.4


def test_distances_are_those_of_each_with_each(tmp_path: Path) -> None:
    hashes = ["0" * 64, "0" * 63 + "7", "f" * 64]
    records = [unjudged(i).model_copy(update={"hash": h}) for i, h in enumerate(hashes)]
    manifest.write(tmp_path / MANIFEST, records)
    found = distances(tmp_path)
    assert (found["images"], found["least"], found["percentiles"]["50.0"]) == (3, 3, 253)
    manifest.write(tmp_path / MANIFEST, records[:1])
    with pytest.raises(DataError, match="nothing to compare"):
        distances(tmp_path)


def test_judged_sets_and_sets_of_other_backbones_are_refused(tmp_path: Path) -> None:
    judged = unjudged(0).model_copy(update={"attempts": (Attempt(verdict="confirmed"),)})
    for wrong in (judged, unjudged(0).model_copy(update={"recipe": {"backbone": "builtin"}})):
        manifest.write(tmp_path / MANIFEST, [wrong])
        with pytest.raises(DataError, match="not those rendered"):
            Set.read(tmp_path)
    manifest.write(tmp_path / MANIFEST, [unjudged(0).model_copy(update={"probabilities": {}})])
    with pytest.raises(DataError, match="has not read"):
        Set.read(tmp_path)


def test_a_build_outlives_its_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_faults, "made_by", lambda maker, models, threads: MADE_BY)
    drawn = plan(counts={"happiness": 12, "surprise": 12})
    faults = data_faults.draw(drawn, 8)
    assert sorted(faults.values()) == sorted(data_faults.KINDS * 2)
    (tmp_path / "marks").mkdir()
    inner = DrawnWorkshop(drawn)
    workshop = data_faults.FaultyWorkshop(drawn, inner, faults, tmp_path / "marks")
    engine, folder = ProcessEngine(workshop, 2), tmp_path / "set"
    trial = data_faults.run(drawn, folder, tmp_path, faults, inner.open(), engine)
    assert trial.good
    assert (trial.listed, trial.samples) == (24, 24)
    assert trial.put_in["killed worker"] == 2
    assert sum(trial.met.values()) >= 3
    with pytest.raises(RequestError, match="25 faults"):
        data_faults.draw(drawn, 25)


def test_pace_leaves_start_and_end_out(tmp_path: Path) -> None:
    paced = data_speed.Pace(ends=1, times=[0.0, 10.0, 11.0, 12.0, 50.0])
    assert paced.rate == 1.0
    with pytest.raises(DataError, match="too few"):
        _ = data_speed.Pace(ends=1, times=[0.0, 1.0, 2.0]).rate
    drawn = plan(counts={"happiness": 16})
    found = data_speed.compare(
        drawn, tmp_path, lambda count: LocalEngine(DrawnWorkshop(drawn).open()), 1
    )
    assert found["ratio"] == pytest.approx(1, abs=0.9)
