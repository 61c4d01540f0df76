from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.calibration import FERAnnoReader
from synfer_core.training import dataset
from synfer_core.training.feranno import (
    FERAnnoTraining,
    build,
    inverted,
    measured,
    on_model,
    readable,
    train,
)
from synfer_core.training.loop import Schedule
from tests.reference import tiny as tiny_reference
from tests.training.tiny import write_faces

TINY = FERAnnoTraining(steps=1, width=16, blocks=1, copies=2, batch=32)
QUICK = Schedule(minutes=0.05, learning_rate=3e-3, warmup_steps=5, average=0.9, log_steps=20)


def test_features_of_copies_lie_beside_their_labels(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    read = inverted(readable(tiny_model_folder).probe(), TINY)
    data = write_faces(tmp_path, size=64, identities=5, expressions=("anger", "neutral", "mixed"))
    faces = dataset.load(data, "train")
    samples = build(faces, read, TINY, copies=2, seed=0)
    assert len(samples) == 2 * 8
    first, second = (samples.rows(slice(start, start + 8)) for start in (0, 8))
    again = build(faces, read, TINY, copies=1, seed=5)
    assert torch.equal(again.rows(slice(0, 8))[8], first[8])
    assert (first[8] - second[8]).abs().mean() > 1e-3
    assert set(samples.expressions.tolist()) == {0, 6}
    assert samples.slight.all()


def test_the_stage_learns_calibrates_and_resumes(tiny_model_folder: Path, tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", size=64)
    config, quick = replace(TINY, copies=1), replace(QUICK, steps=80, learning_rate=6e-3)
    net = train(config, quick, data, tiny_model_folder, tmp_path / "out")
    read = inverted(readable(tiny_model_folder).probe(), TINY)
    held_out = build(dataset.load(data, "val"), read, TINY, copies=1, seed=0)
    figures = measured(net, held_out)
    assert figures["accuracy"] > 0.3
    logged = _last(tmp_path / "out")
    assert net.config.temperature == pytest.approx(logged["temperature"])
    longer = replace(quick, steps=90)
    train(config, longer, data, tiny_model_folder, tmp_path / "out", resume=True)
    assert _last(tmp_path / "out")["step"] > logged["step"]


def test_what_the_stage_made_reads_faces(tiny_model_folder: Path, tmp_path: Path) -> None:
    data = write_faces(tmp_path / "data", size=64)
    config, model = replace(TINY, copies=1), readable(tiny_model_folder)
    brief = replace(QUICK, minutes=0.002)
    net = train(config, brief, data, tiny_model_folder, tmp_path / "out")
    assert net.config.backbone == model.fingerprint()
    assert net.config.halves == tiny_reference.CONFIG.places
    reader = FERAnnoReader.load(tmp_path / "out" / "feranno.safetensors", model)
    images = dataset.load(data, "val").images
    np.testing.assert_allclose(reader.probabilities(images).sum(1), 1, atol=1e-5)
    label, attention = reader.read(images[0])
    assert label.reader.startswith("feranno ")
    assert attention.mass["AU17"].shape == (8, 8)


def test_it_goes_on_from_what_read_the_denoiser_before(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    model, start = readable(tiny_model_folder), tmp_path / "feranno.safetensors"
    faces = dataset.load(write_faces(tmp_path / "data", size=64), "val")
    fresh = on_model(model, TINY)
    samples = build(faces, fresh.read, TINY, copies=1, seed=0)
    torch.manual_seed(3)
    before = fresh.network(samples)
    fresh.save(before, start, 1.0)
    torch.manual_seed(4)
    after = on_model(model, TINY, start).network(samples)
    other = fresh.network(samples)
    queries = [net.get_parameter("queries") for net in (before, after, other)]
    torch.testing.assert_close(queries[1], queries[0], atol=5e-3, rtol=5e-3)
    assert (queries[2] - queries[0]).abs().max() > 0.1


def _last(folder: Path) -> dict[str, float]:
    with (folder / "figures.csv").open() as file:
        return {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
