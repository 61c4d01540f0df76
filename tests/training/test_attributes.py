"""Stage `attributes` on a data set in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import DataError
from synfer_core.models.attributes import CLASSES, FACTORS, UNKNOWN, AttributeConfig
from synfer_core.training import dataset
from synfer_core.training.attributes import (
    AttributeTraining,
    attribute_losses,
    balance,
    balanced_accuracy,
    flipped,
    targets_of,
    train,
)
from synfer_core.training.loop import Schedule
from tests.training.tiny import write_faces

TINY = AttributeTraining(AttributeConfig(input_size=32, widths=(8, 8), depths=(1, 1)), batch=6)


def logits_for(classes: int, right: int) -> torch.Tensor:
    return 20 * torch.eye(classes)[[right, right]]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_trains_writes_and_logs_accuracies(tmp_path: Path, precision: str) -> None:
    data = write_faces(tmp_path / "data")
    other = write_faces(tmp_path / "other", first_identity=500)
    schedule = Schedule(0.002, precision=precision)  # type: ignore[arg-type]
    net = train(TINY, schedule, data, tmp_path / "out", apart_from=other)
    faces = dataset.load(data, "val")
    assert net.read(faces.images)["beard"].shape == (len(faces), 2)
    header, row = (tmp_path / "out" / "figures.csv").read_text().split()[:2]
    assert header.split(",") == ["step", *CLASSES]
    assert all(0 <= float(value) <= 1 for value in row.split(",")[1:])


def test_shared_people_are_refused(tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data")
    with pytest.raises(DataError, match="10 identities are also in data"):
        train(TINY, Schedule(0.001), data, tmp_path / "out", apart_from=data)


def test_targets_follow_the_columns(tmp_path: Path) -> None:
    faces = dataset.load(write_faces(tmp_path), "train", factors=FACTORS)
    targets = targets_of(faces)
    stubble, bald = faces.factors["beard"] == "stubble", faces.factors["hair"] == "bald"
    assert (targets["beard"].numpy() == UNKNOWN).tolist() == stubble.tolist()
    assert (targets["hair_colour"].numpy() == UNKNOWN).tolist() == bald.tolist()
    glasses = faces.factors["glasses"] != "none"
    assert targets["glasses"].tolist() == glasses.astype(int).tolist()


def test_open_attributes_cost_nothing_and_wrong_ones_do() -> None:
    right = {name: torch.tensor([1, UNKNOWN]) for name in CLASSES}
    weights = {name: torch.ones(len(classes)) for name, classes in CLASSES.items()}
    sure = {name: logits_for(len(classes), 1) for name, classes in CLASSES.items()}
    wrong = {**sure, "beard": logits_for(2, 0)}
    assert float(attribute_losses(sure, right, weights)["total"]) == pytest.approx(0, abs=1e-4)
    assert float(attribute_losses(wrong, right, weights)["beard"]) == pytest.approx(20, abs=1e-3)
    nothing = {name: torch.tensor([UNKNOWN, UNKNOWN]) for name in CLASSES}
    assert float(attribute_losses(wrong, nothing, weights)["total"]) == 0


def test_rare_classes_weigh_as_much_as_common_ones() -> None:
    weights = balance(torch.tensor([0, 0, 0, 1, UNKNOWN]), 2)
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])


def test_balanced_accuracy_counts_classes_alike() -> None:
    truth = np.array([0, 0, 0, 1, UNKNOWN])
    assert balanced_accuracy(np.zeros(5, np.int64), truth) == 0.5
    assert balanced_accuracy(np.zeros(5, np.int64), np.full(5, UNKNOWN)) == 0


def test_half_of_a_batch_is_mirrored() -> None:
    images = torch.arange(400.0).view(100, 1, 1, 4)
    changed = flipped(images, torch.Generator().manual_seed(0))
    mirrored = (changed == images.flip(-1)).all(-1).flatten()
    assert 35 < int(mirrored.sum()) < 65
    assert torch.equal(changed[~mirrored], images[~mirrored])
