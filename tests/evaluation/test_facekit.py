from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from synfer_core import cli
from synfer_core.evaluation import facekit
from synfer_core.evaluation.facekit import Named, Plan, Ramps, Seen
from synfer_core.evaluation.photo_reader import CLASSES
from synfer_core.facekit.identity import split_of
from synfer_core.faces.landmarks import Face
from synfer_core.facs import AU_SLOTS, EXPRESSIONS


class Flat:
    """Renders a scene as a flat picture: the expression in red, the sum of its units in green."""

    def render(self, scene, size):  # type: ignore[no-untyped-def]
        picture = np.zeros((size, size, 3), np.uint8)
        if scene.expression in EXPRESSIONS:
            picture[..., 0] = 10 * EXPRESSIONS.index(scene.expression)
        picture[..., 1] = round(20 * sum(scene.aus))
        picture[..., 2] = 10 * scene.aus[AU_SLOTS.index("AU22")]
        return picture


class Scores:
    """Finds one face whose scores all follow the units, but not those of AU22; none in black."""

    def __init__(self, blind: bool = False) -> None:
        self.blind = blind

    def detect(self, image):  # type: ignore[no-untyped-def]
        if self.blind:
            return ()
        points = np.zeros((478, 2), np.float32)
        points[[33, 133]], points[[362, 263]] = (20, 30), (44, 30)
        score = image[0, 0, 1] / 255 - (2 * image[0, 0, 1] / 255 if image[0, 0, 2] else 0)
        return (Face(points, _Every(score)),)


class _Every(dict[str, float]):
    """Every blendshape at one score."""

    def __init__(self, score: float) -> None:
        super().__init__(any=score)

    def __missing__(self, name: str) -> float:
        return self["any"]


class Namer:
    """Reads every face as the first of the classes."""

    def probabilities(self, crops):  # type: ignore[no-untyped-def]
        out = np.zeros((len(crops), 7), np.float32)
        out[:, 0] = 1
        return out


def test_plan_counts_its_images() -> None:
    seen: list[tuple[int, int]] = []
    plan = Plan(people=2, ramp_people=2, size=64)
    named, ramps = facekit.measure(
        Flat(), Scores(), Namer(), plan, lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (plan.images, plan.images) == (2 * 14 + 2 * (1 + 20 * 5),) * 2
    assert len(named.asked) == 28
    assert np.bincount(named.asked).tolist() == [4] * 7
    assert ramps.scores.shape == (2, 20, 6)


def test_ramps_rank_each_unit_within_a_person() -> None:
    plan = Plan(people=2, ramp_people=2, size=64)
    _, ramps = facekit.measure(Flat(), Scores(), Namer(), plan, lambda done, total: None)
    found = dict(zip(ramps.units, ramps.ranks[0], strict=True))
    assert found[12] == pytest.approx(1)
    assert found[22] == pytest.approx(-1)
    checks = {check.name: check for check in ramps.checks(draws=20)}
    assert checks["blendshapes: median of the units"].value.value == pytest.approx(1)
    assert checks["blendshapes: least of the units"].value.value == pytest.approx(-1)
    assert checks["blendshapes: AU22"].to_dict()["met"] is False
    assert checks["blendshapes: AU12"].to_dict()["met"] is True
    assert checks["blendshapes: AU12"].images == 12


def test_faces_that_are_not_found_count_as_wrong_and_rank_nothing() -> None:
    plan = Plan(people=2, ramp_people=2, size=64)
    named, ramps = facekit.measure(Flat(), Scores(blind=True), Namer(), plan, lambda d, t: None)
    assert set(named.read) == {-1}
    accuracy, found = named.checks(draws=20)
    assert accuracy.value.value == found.value.value == 0
    assert not ramps.ranks.any()
    assert named.table.sum() == 0


def test_balanced_accuracy_and_the_table_follow_what_was_read() -> None:
    asked = np.repeat(np.arange(7), 4)
    read = asked.copy()
    read[asked == 6] = 0
    named = Named(np.tile(np.arange(4), 7), asked, read)
    accuracy, found = named.checks(draws=20)
    assert accuracy.value.value == pytest.approx(6 / 7)
    assert accuracy.to_dict()["met"] is None
    assert found.value.value == 1
    assert named.table[6, 0] == 4
    ramps = Ramps(np.arange(2), (12,), np.tile(np.arange(6.0), (2, 1, 1)))
    seen = Seen(Plan(4, 2), named, ramps, {"commit": "abc"}, draws=20)
    figures = seen.to_dict()
    assert figures["commit"] == "abc"
    assert figures["confusion"]["anger"]["neutral"] == 4
    assert json.loads(json.dumps(figures)) == json.loads(json.dumps(figures, allow_nan=False))
    assert "| anger | 4 | 0 | 0 | 0 | 0 | 0 | 0 |" in seen.lines()


def test_the_strongest_unit_of_a_prototype_stands_at_the_apex() -> None:
    for name in facekit.SEVEN[1:]:
        assert max(facekit.apex(name, 4).values()) == pytest.approx(4)
    sad = facekit.apex("sadness", 5)
    assert sad["AU4"] / sad["AU1"] == pytest.approx(2 / 3)
    assert facekit.apex("neutral", 5) == {}


def test_people_are_of_the_test_split_and_units_those_with_a_blendshape() -> None:
    assert {split_of(seed) for seed in facekit.people(40)} == {"test"}
    assert len(set(facekit.people(40))) == 40
    units: Mapping[int, str] = facekit.units()
    assert len(units) == 20
    assert units[26] == units[27] == "jawOpen"
    assert set(CLASSES) == set(facekit.SEVEN)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--people", "1"], "--people"),
        (["--people", "4", "--ramp-people", "5"], "--ramp-people"),
        (["--size", "16"], "--size"),
        (["--json", "/nowhere/at/all.json"], "all.json"),
    ],
)
def test_bad_options_are_named_before_any_model_is_looked_for(
    arguments: list[str],
    field: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SYNFER_FACEKIT", str(tmp_path / "absent.npz"))
    assert cli.main(["eval", "facekit", *arguments]) == 2
    assert field in capsys.readouterr().err


def test_sheet_shows_24_people(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    data = facekit.sheet(Flat(), 64, lambda one, total: done.append(total))
    assert data[:2] == b"\xff\xd8"
    assert done == [24] * 24


def test_units_to_which_the_reader_never_answers_are_told_apart() -> None:
    rising = np.tile(np.arange(6.0) / 10, (2, 2, 1))
    rising[:, 1] = -1e-7 * np.arange(6.0)
    ramps = Ramps(np.arange(2), (12, 9), rising)
    assert ramps.answered.tolist() == [True, False]
    checks = {check.name: check.value.value for check in ramps.checks(draws=20)}
    assert checks["blendshapes: least of the units"] == pytest.approx(-1)
    assert checks["blendshapes: least of those that answer"] == pytest.approx(1)
    named = Named(np.arange(2), np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert Seen(Plan(2, 2), named, ramps, {}, draws=20).to_dict()["silent_units"] == [9]
