from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from synfer_core.models.builtin import BuiltinModel
from synfer_core.training import dataset
from synfer_core.training.feranno import FERAnnoTraining, build, inverted, measured, train
from synfer_core.training.loop import Schedule
from tests.training.tiny import write_faces

TINY = FERAnnoTraining(width=16, blocks=1, copies=2, batch=32)
QUICK = Schedule(minutes=0.05, learning_rate=3e-3, warmup_steps=5, average=0.9, log_steps=20)


def test_features_of_copies_lie_beside_their_labels(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    read = inverted(BuiltinModel.load(tiny_model_folder).probe(), TINY)
    data = write_faces(tmp_path, size=64, identities=5, expressions=("anger", "neutral", "mixed"))
    faces = dataset.load(data, "train")
    samples = build(faces, read, TINY, copies=2, seed=0)
    assert len(samples) == 2 * 8
    first, second = (samples.rows(slice(start, start + 8)) for start in (0, 8))
    again = build(faces, read, TINY, copies=1, seed=5)
    assert torch.equal(again.rows(slice(0, 8))[4], first[4])
    assert (first[4] - second[4]).abs().mean() > 1e-3
    assert set(samples.expressions.tolist()) == {0, 6}
    assert samples.slight.all()


def test_the_stage_learns_calibrates_and_resumes(tiny_model_folder: Path, tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", size=64)
    net = train(TINY, QUICK, data, tiny_model_folder, tmp_path / "out")
    read = inverted(BuiltinModel.load(tiny_model_folder).probe(), TINY)
    held_out = build(dataset.load(data, "val"), read, TINY, copies=1, seed=0)
    figures = measured(net, held_out)
    assert figures["accuracy"] > 0.3
    logged = _last(tmp_path / "out")
    assert net.config.temperature == pytest.approx(logged["temperature"])
    train(TINY, QUICK, data, tiny_model_folder, tmp_path / "out", resume=True)
    assert _last(tmp_path / "out")["step"] > logged["step"]


def _last(folder: Path) -> dict[str, float]:
    with (folder / "figures.csv").open() as file:
        return {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
