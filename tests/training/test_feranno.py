from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.calibration import FERAnnoReader
from synfer_core.models.builtin import BuiltinModel
from synfer_core.training import dataset
from synfer_core.training.feranno import (
    AROUND,
    FERAnnoTraining,
    build,
    inverted,
    measured,
    on_model,
    readable,
    train,
    usual,
)
from synfer_core.training.loop import Schedule
from tests.reference import tiny as tiny_reference
from tests.training.tiny import write_faces

TINY = FERAnnoTraining(width=16, blocks=1, copies=2, batch=32)
QUICK = Schedule(minutes=0.05, learning_rate=3e-3, warmup_steps=5, average=0.9, log_steps=20)


def test_features_of_copies_lie_beside_their_labels(old_model_folder: Path, tmp_path: Path) -> None:
    read = inverted(BuiltinModel.load(old_model_folder).probe(), TINY)
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


def test_the_stage_learns_calibrates_and_resumes(old_model_folder: Path, tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", size=64)
    quick = replace(QUICK, steps=80)
    net = train(TINY, quick, data, old_model_folder, tmp_path / "out")
    read = inverted(BuiltinModel.load(old_model_folder).probe(), TINY)
    held_out = build(dataset.load(data, "val"), read, TINY, copies=1, seed=0)
    figures = measured(net, held_out)
    assert figures["accuracy"] > 0.3
    logged = _last(tmp_path / "out")
    assert net.config.temperature == pytest.approx(logged["temperature"])
    longer = replace(quick, steps=90)
    train(TINY, longer, data, old_model_folder, tmp_path / "out", resume=True)
    assert _last(tmp_path / "out")["step"] > logged["step"]


def test_the_stage_reads_the_model_around_a_reference_where_it_is(tmp_path: Path) -> None:
    tiny_reference.write(tmp_path)
    assert usual(tmp_path) is AROUND
    data = write_faces(tmp_path / "data", size=64)
    config = replace(TINY, steps=1, copies=1)
    net = train(config, replace(QUICK, minutes=0.002), data, tmp_path, tmp_path / "out")
    assert net.config.backbone == readable(tmp_path).fingerprint()
    assert net.config.halves == tiny_reference.CONFIG.places
    reader = FERAnnoReader.load(tmp_path / "out" / "feranno.safetensors", readable(tmp_path))
    images = dataset.load(data, "val").images
    np.testing.assert_allclose(reader.probabilities(images).sum(1), 1, atol=1e-5)
    label, attention = reader.read(images[0])
    assert label.reader.startswith("feranno ")
    assert attention.mass["AU17"].shape == (8, 8)


def test_it_goes_on_from_what_read_the_denoiser_before(tmp_path: Path) -> None:
    tiny_reference.write(tmp_path)
    faces = dataset.load(write_faces(tmp_path / "data", size=64), "val")
    config = replace(TINY, steps=1)
    fresh = on_model(readable(tmp_path), config)
    samples = build(faces, fresh.read, config, copies=1, seed=0)
    torch.manual_seed(3)
    before = fresh.network(samples)
    fresh.save(before, tmp_path / "feranno.safetensors", 1.0)
    torch.manual_seed(4)
    after = on_model(readable(tmp_path), config, tmp_path / "feranno.safetensors").network(samples)
    other = fresh.network(samples)
    queries = [net.get_parameter("queries") for net in (before, after, other)]
    torch.testing.assert_close(queries[1], queries[0], atol=5e-3, rtol=5e-3)
    assert (queries[2] - queries[0]).abs().max() > 0.1


def _last(folder: Path) -> dict[str, float]:
    with (folder / "figures.csv").open() as file:
        return {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
