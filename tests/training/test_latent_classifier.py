from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synfer_core import cli
from synfer_core.errors import WeightsError
from synfer_core.models import codec as codecs
from synfer_core.models import latent_classifier as classifiers
from synfer_core.models.codec import Codec, CodecConfig
from synfer_core.models.denoiser import ddim
from synfer_core.models.latent_classifier import LatentClassifier, LatentClassifierConfig
from synfer_core.training import dataset, latent_classifier
from synfer_core.training.dataset import UNLABELLED
from synfer_core.training.latent_classifier import (
    LatentTraining,
    Predictor,
    accuracy,
    encode,
    expression_loss,
    latent_losses,
)
from synfer_core.training.loop import Schedule
from tests.training.tiny import write_faces

SIZES = CodecConfig(image_size=32, latent_channels=8, widths=(8, 8, 16), blocks=(1, 1, 1), heads=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("latent")
    write_faces(root / "data", identities=20)
    torch.manual_seed(0)
    net = Codec(SIZES)
    net.linear.basis.normal_(std=0.1)
    codecs.save(net, root / "models" / "codec.safetensors")
    return root


def test_it_learns_to_read_and_reads_worse_behind_noise(run: Path) -> None:
    ours, _ = codecs.load(run / "models" / "codec.safetensors")
    samples, held_out = (encode(dataset.load(run / "data", s), ours) for s in ("train", "val"))
    torch.manual_seed(0)
    net = LatentClassifier(LatentClassifierConfig("x", 2, 8, own=8, width=16, blocks=1, hidden=32))
    net.fit(samples.latents)
    assert accuracy(net, held_out, 0) < 0.5
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    spread, config = samples.aus.var(0) + 0.01, LatentTraining(batch=64)
    for _ in range(80):
        optimiser.zero_grad()
        latent_losses(net, samples, spread, config, generator)["total"].backward()
        optimiser.step()
    read = [accuracy(net.eval(), held_out, timestep) for timestep in (0, 600, 950)]
    assert read[0] > 0.9
    assert read[2] < 0.6 < read[0]
    assert read[0] >= read[1] >= read[2]


def test_training_goes_on_and_refuses_another_codec(run: Path, tmp_path: Path) -> None:
    brief = Schedule(0.002, log_steps=1)
    config = LatentTraining(batch=4)
    for resume in (False, True):
        latent_classifier.train(
            config, brief, run / "data", run / "models", tmp_path, resume=resume, limit=40
        )
    header, *rows = (tmp_path / "figures.csv").read_text().split()
    assert header == "step,accuracy_0,accuracy_300,accuracy_600"
    steps = [int(line.split(",")[0]) for line in rows]
    assert steps[1] > steps[0]
    start = tmp_path / "latent-classifier.safetensors"
    latent_classifier.train(
        config, brief, run / "data", run / "models", tmp_path / "again", start=start, limit=40
    )
    other, _ = codecs.load(run / "models" / "codec.safetensors")
    other.linear.scale.mul_(2)
    codecs.save(other, tmp_path / "other" / "codec.safetensors")
    with pytest.raises(WeightsError, match="another codec"):
        latent_classifier.train(
            config, brief, run / "data", tmp_path / "other", tmp_path / "out", start=start, limit=40
        )


def test_the_command_writes_a_file_that_loads(run: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(run / "data"), "--models", str(run / "models"), "--device", "cpu"]
    arguments += ["--out", str(tmp_path), "--minutes", "0.001", "--batch", "2"]
    assert cli.main(["train", "latent-classifier", *arguments]) == 0
    ours, _ = codecs.load(run / "models" / "codec.safetensors")
    net, _ = classifiers.load(tmp_path / "latent-classifier.safetensors", ours)
    assert net.config.codec == ours.linear.fingerprint()


def test_predictions_are_the_best_linear_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, deviation = torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1), 0.5)
    clean = 2 + 0.5 * torch.randn(20_000, 1, 1, 1, generator=generator)
    predict, errors = Predictor(mean, deviation), {}
    for timestep in (0, 400, 700, 999):
        seen = predict(clean, torch.full((20_000,), timestep), generator)
        alpha = float(ddim().alphas_cumprod[timestep])
        errors[timestep] = float((seen - clean).square().mean())
        least = 0.25 * (1 - alpha) / (0.25 * alpha + 1 - alpha)
        assert errors[timestep] == pytest.approx(least, rel=0.03, abs=1e-4)
    assert list(errors.values()) == sorted(errors.values())
    assert torch.equal(seen, torch.full_like(seen, 2.0))


def test_what_has_no_label_does_not_count() -> None:
    logits, targets = torch.randn(3, 8), torch.tensor([2, UNLABELLED, 5])
    known = torch.nn.functional.cross_entropy(logits[[0, 2]], targets[[0, 2]], label_smoothing=0.1)
    torch.testing.assert_close(expression_loss(logits, targets, 0.1), known)
    assert float(expression_loss(logits, torch.full((3,), UNLABELLED), 0.1)) == 0
