from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import DataError
from synfer_core.facs import AU_SLOTS, EXPRESSIONS
from synfer_core.models import classifier
from synfer_core.models.classifier import ClassifierConfig
from synfer_core.training import au_reader, dataset, judge, reading
from synfer_core.training import classifier as classifier_stage
from synfer_core.training.augment import Augmentation
from synfer_core.training.dataset import FaceSet
from synfer_core.training.loop import Schedule
from synfer_core.training.reading import ReadingTraining, Spread, train_reader
from tests.training.tiny import write_faces

NET = ClassifierConfig("cnn", 32, widths=(16, 32), depths=(1, 1), dropout=0.0)
STILL = Augmentation(0, 0, 0, 0.05, 0.05, 0, 1, 0)
TINY = ReadingTraining("judge", NET, batch=16, smoothing=0.0, augmentation=STILL)
QUICK = Schedule(minutes=0.05, learning_rate=2e-3, warmup_steps=5, average=0.9, log_steps=10)


def faces_of(aus: dict[str, float], expression: str) -> FaceSet:
    row = [aus.get(slot, 0.0) / 5 for slot in AU_SLOTS]
    return FaceSet(
        images=np.zeros((1, 8, 8, 3), np.uint8),
        aus=np.array([row], np.float32),
        expressions=np.array([EXPRESSIONS.index(expression)]),
        identities=np.zeros(1, np.int64),
        codes=np.zeros((1, 1), np.float32),
        captions=("",),
        factors={},
    )


@pytest.mark.parametrize(
    ("aus", "expression", "expected"),
    [
        ({}, "neutral", True),
        ({"AUL12": 1.0}, "happiness", False),
        ({"AUL12": 1.6}, "happiness", True),
        ({"AUL1": 1.0, "AU25": 5.0}, "surprise", False),
    ],
)
def test_slight_and_up_goes_by_the_strongest_unit_but_25(
    aus: dict[str, float], expression: str, expected: bool
) -> None:
    assert reading.slight_and_up(faces_of(aus, expression)).tolist() == [expected]


def test_pearson() -> None:
    a = np.array([0.0, 1.0, 2.0], np.float32)
    assert reading.pearson(a, 3 - 2 * a) == pytest.approx(-1)
    assert reading.pearson(a, np.ones(3, np.float32)) == 0


def test_the_losses_are_zero_only_for_a_perfect_reading() -> None:
    aus = torch.rand(4, 36)
    expressions = torch.tensor([0, 1, 2, 7])
    logits = torch.eye(8)[expressions] * 100
    spread = Spread(torch.full((36,), 0.5), torch.full((36,), 0.1))
    perfect = reading.reading_losses(
        TINY, classifier.Reading(logits, aus), aus, expressions, spread
    )
    assert float(perfect["total"]) == pytest.approx(0, abs=1e-6)
    off = reading.reading_losses(TINY, classifier.Reading(None, aus + 1), aus, expressions, spread)
    assert float(off["total"]) == pytest.approx(2)


def test_sides_that_are_mixed_up_cost_more_than_their_slots_alone() -> None:
    left, right = AU_SLOTS.index("AUL12"), AU_SLOTS.index("AUR12")
    aus, read = torch.zeros(1, 36), torch.zeros(1, 36)
    aus[0, left], read[0, right] = 1, 1
    neutral = torch.zeros(1, dtype=torch.long)
    spread = Spread(torch.full((36,), 0.5), torch.full((36,), 0.1))
    config = replace(TINY, side_weight=0.5)
    losses = reading.reading_losses(config, classifier.Reading(None, read), aus, neutral, spread)
    assert float(losses["au"]) == pytest.approx(2 * 1 / 0.5 / 36)
    assert float(losses["sides"]) == pytest.approx(2 * 4 / 0.1 / 36)
    even = torch.zeros(1, 36)
    even[0, [left, right]] = 0.5
    less = reading.reading_losses(config, classifier.Reading(None, even), aus, neutral, spread)
    assert float(less["sides"]) == pytest.approx(float(losses["sides"]) / 4)


def test_the_spread_of_sides_is_that_of_their_difference() -> None:
    aus = np.zeros((2, 36), np.float32)
    aus[0, AU_SLOTS.index("AUL12")] = 1
    spread = Spread.of(aus, torch.device("cpu"))
    assert float(spread.sides[AU_SLOTS.index("AUR12")]) == pytest.approx(0.252)
    assert float(spread.slots[AU_SLOTS.index("AUR12")]) == pytest.approx(0.01)
    assert float(spread.sides[AU_SLOTS.index("AU25")]) == pytest.approx(0.002)


def test_a_stage_learns_saves_and_resumes(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data")
    net = train_reader(TINY, QUICK, data, tmp_path / "out")
    held_out = dataset.load(data, "val")
    figures = reading.figures(net, held_out)
    assert figures["accuracy"] > 0.3
    steps = _last_step(tmp_path / "out")
    train_reader(TINY, QUICK, data, tmp_path / "out", resume=True)
    assert _last_step(tmp_path / "out") > steps
    assert classifier.load(tmp_path / "out" / "judge.safetensors", "judge")[0].config == NET


def _last_step(folder: Path) -> int:
    return int((folder / "figures.csv").read_text().splitlines()[-1].split(",")[0])


def test_shared_identities_are_refused(tmp_path: Path) -> None:
    ours = write_faces(tmp_path / "judge", first_identity=0)
    theirs = write_faces(tmp_path / "train", first_identity=5)
    with pytest.raises(DataError, match="identities are also in train"):
        train_reader(TINY, QUICK, ours, tmp_path / "out", apart_from=theirs)
    others = write_faces(tmp_path / "others", first_identity=1000)
    reading.refuse_shared_identities(ours, others)


def test_free_mixes_train_the_au_reader_alone(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", expressions=("mixed",))
    with pytest.raises(DataError, match="carries an expression"):
        train_reader(TINY, QUICK, data, tmp_path / "out")
    faces = dataset.load(data, "train")
    config = ReadingTraining("au-reader", ClassifierConfig(**{**vars(NET), "expressions": False}))
    net = classifier.Classifier(config.net)
    losses = reading.batches(config, net, faces)(torch.Generator().manual_seed(0))
    assert set(losses) == {"total", "au"}


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        reading.identities(tmp_path)


def test_the_judges_differ_in_make_and_from_the_classifier() -> None:
    makes = {c.net.architecture for c in judge.JUDGES.values()}
    assert len(makes) == 2
    assert classifier_stage.MINI.net.architecture not in makes
    assert not au_reader.MINI.net.expressions
