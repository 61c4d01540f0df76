"""The trial of FEText in small: twelve images, four of them bad, a run killed at half."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from synfer_core.errors import DataError
from synfer_core.evaluation.fetext import BAD, WHOLE, Face, Plan, build_here, measure, sheet
from tests.faces.photo import needs_landmarker, portrait

PLAN = Plan(images=12, bad=4, per_shard=2)


def here(source: Path, out: Path) -> None:
    build_here(source, out, per_shard=PLAN.per_shard)


@needs_landmarker
def test_bad_images_are_listed_and_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    faces = [
        Face(*pair)
        for pair in (("happiness", portrait(192)), ("neutral", portrait(192, "neutral"))) * 6
    ]
    trial = measure(tmp_path, faces, PLAN, here)
    assert sorted(trial.wrong.values()) == sorted(BAD)
    assert trial.misjudged == {}
    assert trial.lost == {}
    assert trial.records == 8
    assert trial.kept == 2, "killed within the third of six shards"
    assert trial.resumed["images_read"] == 8
    assert trial.differing == ()
    assert "the same bytes" in trial.lines()[2]
    figures = trial.to_dict()
    assert figures["report"]["images_per_second"] > 0
    assert figures["report"]["peak_memory_mb"] > 100
    with Image.open(io.BytesIO(sheet(tmp_path / WHOLE))) as picture:
        assert picture.height > 8 * 128
    astray = replace(trial, listed=dict.fromkeys(trial.listed, "blank") | {"good.jpg": "pose"})
    assert len(astray.misjudged) == 3
    assert astray.lost == {"good.jpg": "pose"}


def test_a_plan_has_more_good_images_than_bad_ones() -> None:
    assert len(Plan(300, 15).bad_places) == 15
    with pytest.raises(DataError):
        Plan(images=10, bad=6)
