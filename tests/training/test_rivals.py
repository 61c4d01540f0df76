from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core import cli
from synfer_core.errors import WeightsError
from synfer_core.facs import EXPRESSIONS
from synfer_core.models.text import shared_encoder
from synfer_core.reference import probe
from synfer_core.reference.model import DENOISER, ReferenceModel
from synfer_core.reference.probe import ReadableReference
from synfer_core.training import dataset, feranno, rivals
from synfer_core.training.commands import RIVAL_NAMES
from synfer_core.training.feranno import FERAnnoTraining
from synfer_core.training.loop import Schedule
from tests.reference import tiny as tiny_reference
from tests.training.tiny import write_faces

TINY = FERAnnoTraining(steps=1, width=16, blocks=1, copies=2, batch=32)
QUICK = Schedule(minutes=0.05, learning_rate=3e-3, warmup_steps=5, average=0.9, log_steps=20)
BRIEF = Schedule(minutes=0.002, log_steps=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"), size=64)


def test_the_command_names_the_rivals_there_are() -> None:
    assert RIVAL_NAMES == rivals.RIVALS


@pytest.mark.parametrize("count", [400_000, 1_800_000, 2_400_000])
def test_a_pixel_classifier_has_as_many_parameters_as_asked_for(count: int) -> None:
    config = rivals.equal_size(count)
    with torch.device("meta"):
        net = rivals.PixelNet(config)
    assert rivals.parameters(net) == pytest.approx(count, rel=0.03)


def test_the_pixel_rival_matches_feranno_in_size(tiny_model_folder: Path, data: Path) -> None:
    model, config = feranno.readable(tiny_model_folder), replace(TINY, width=64)
    faces = dataset.load(data, "train", limit=2)
    sizes = []
    for method in (feranno.on_model(model, config), rivals.on_pixels(model.probe(), config)):
        samples = feranno.build(faces, method.read, config, copies=1, seed=0)
        sizes.append(rivals.parameters(method.network(samples)))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


def test_the_pixel_rival_learns_and_is_read_back(
    tiny_model_folder: Path, data: Path, tmp_path: Path
) -> None:
    reader = rivals.train("pixels", TINY, QUICK, data, tiny_model_folder, tmp_path)
    faces = dataset.load(data, "train")
    read = reader.probabilities(faces.images)
    assert read.shape == (len(faces), len(EXPRESSIONS))
    np.testing.assert_allclose(read.sum(1), 1, atol=1e-5)
    assert (read.argmax(1) == faces.expressions).mean() > 0.3


def test_both_rivals_see_the_images_that_feranno_sees(tiny_model_folder: Path, data: Path) -> None:
    model = feranno.readable(tiny_model_folder)
    faces = dataset.load(data, "train")
    ours, pixels = (
        feranno.build(faces, method.read, TINY, copies=2, seed=3)
        for method in (feranno.on_model(model, TINY), rivals.on_pixels(model.probe(), TINY))
    )
    assert torch.equal(ours.expressions, pixels.expressions)
    assert torch.equal(ours.aus, pixels.aus)
    again = feranno.inverted(model.probe(), TINY)(pixels.rows(slice(0, 64))[64])
    torch.testing.assert_close(again[8], ours.features[8][:64], atol=0.05, rtol=0.05)


def test_the_random_unet_is_another_and_comes_back_from_its_folder(
    tiny_model_folder: Path, data: Path, tmp_path: Path
) -> None:
    rivals.train("random-unet", TINY, BRIEF, data, tiny_model_folder, tmp_path)
    model = feranno.readable(tiny_model_folder)
    other = rivals.with_drawn(model, tmp_path / "random-unet")
    assert other.fingerprint() != model.fingerprint()
    drawn = dict(other.model.denoiser.named_parameters())
    learned = {n: p for n, p in model.model.denoiser.named_parameters() if n.endswith("weight")}
    assert learned.keys() <= drawn.keys()
    assert not any(torch.equal(p, drawn[name]) for name, p in learned.items())
    images = dataset.load(data, "val").images
    first = rivals.load(tmp_path, model)["random-unet"].probabilities(images)
    second = rivals.load(tmp_path, model)["random-unet"].probabilities(images)
    np.testing.assert_array_equal(first, second)


def test_a_resumed_random_unet_is_the_same(
    tiny_model_folder: Path, data: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "random-unet" / DENOISER
    rivals.train("random-unet", TINY, BRIEF, data, tiny_model_folder, tmp_path)
    before = weights.read_bytes()
    other_seed = Schedule(minutes=0.002, log_steps=1, seed=9)
    rivals.train("random-unet", TINY, other_seed, data, tiny_model_folder, tmp_path, resume=True)
    assert weights.read_bytes() == before


def test_a_folder_without_rivals_is_refused(tiny_model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no rival"):
        rivals.load(tmp_path, feranno.readable(tiny_model_folder))


def test_other_stages_have_no_rivals(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", str(data), "--out", str(tmp_path), "--rival", "pixels"]
    assert cli.main(["train", "judge", *options]) == 2
    assert "--rival" in capsys.readouterr().err


def test_a_random_denoiser_around_a_reference_comes_back_from_its_folder(tmp_path: Path) -> None:
    drawn, adapter = tiny_reference.pair()
    adapter.inject(drawn)
    whole = ReferenceModel(tiny_reference.prior(), drawn, adapter, "0" * 64)
    model = ReadableReference(whole, shared_encoder())
    rivals.draw(model, tmp_path, 3)
    other, again = (rivals.with_drawn(model, tmp_path) for _ in range(2))
    assert other.fingerprint() == again.fingerprint() != model.fingerprint()
    kept = probe.fingerprint(replace(whole, denoiser=drawn, adapter=adapter))
    assert kept == model.fingerprint()
