"""The stages that make pixels, each for a few steps on a data set in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synfer_core.errors import DataError, WeightsError
from synfer_core.models import codec as codecs
from synfer_core.models import denoiser as denoisers
from synfer_core.models.builtin import BuiltinModel
from synfer_core.models.codec import CodecConfig
from synfer_core.models.denoiser import DenoiserConfig
from synfer_core.training import au_adapter, au_directions, codec, dataset, denoiser, joint
from synfer_core.training.codec import CodecTraining
from synfer_core.training.denoiser import DenoiserTraining, Dropout, draw_known, draw_text
from synfer_core.training.latents import LatentSet, load_or_build
from synfer_core.training.loop import Schedule
from tests.training.tiny import write_faces

CODEC = CodecTraining(
    CodecConfig(image_size=32, latent_channels=8, widths=(8, 8, 16), blocks=(1, 1, 1), heads=2),
    batch=2,
)
DENOISER = DenoiserTraining(
    DenoiserConfig(latent_size=2, latent_channels=8, widths=(16, 32), heads=2), batch=2
)
BRIEF = Schedule(0.002, log_steps=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and the weights of the three stages, one after the other."""
    root = tmp_path_factory.mktemp("run")
    data = write_faces(root / "data", identities=10)
    codec.train(CODEC, BRIEF, data, root / "models")
    au_directions.train(data, root / "models", root / "models")
    denoiser.train(DENOISER, BRIEF, data, root / "models", root / "models")
    au_adapter.train(
        au_adapter.AdapterTraining(batch=2), BRIEF, data, root / "models", root / "models"
    )
    return root


def test_the_three_stages_make_a_model(run: Path) -> None:
    model = BuiltinModel.load(run / "models")
    assert model.latent_shape == (8, 2, 2)
    assert (run / "models" / "curve.png").stat().st_size > 1000


def test_the_adapter_stage_leaves_the_denoiser_alone(run: Path) -> None:
    before = (run / "models" / "denoiser.safetensors").read_bytes()
    au_adapter.train(
        au_adapter.AdapterTraining(batch=2),
        BRIEF,
        run / "data",
        run / "models",
        run / "adapter-only",
        start=run / "models" / "au-adapter.safetensors",
    )
    assert (run / "models" / "denoiser.safetensors").read_bytes() == before
    assert (run / "adapter-only" / "au-adapter.safetensors").exists()


def test_the_joint_stage_changes_both(run: Path) -> None:
    settings = joint.JointTraining(batch=2)
    joint.train(settings, Schedule(0.003), run / "data", run / "models", run / "joint")
    old, new = (
        denoisers.load(folder / "denoiser.safetensors")[0].state_dict()
        for folder in (run / "models", run / "joint")
    )
    assert old.keys() == new.keys()
    assert any(not torch.equal(old[name], new[name]) for name in old)
    assert (run / "joint" / "au-adapter.safetensors").exists()


def test_training_goes_on_where_it_stopped(run: Path, tmp_path: Path) -> None:
    for resume in (False, True):
        codec.train(CODEC, BRIEF, run / "data", tmp_path, resume=resume)
    steps = [line.split(",")[0] for line in (tmp_path / "figures.csv").read_text().split()[1:]]
    assert int(steps[1]) > int(steps[0])


def test_a_decoder_trained_on_keeps_the_latents(run: Path, tmp_path: Path) -> None:
    start = run / "models" / "codec.safetensors"
    again = codec.train(CODEC, BRIEF, run / "data", tmp_path, start=start)
    assert again.linear.fingerprint() == codecs.load(start)[0].linear.fingerprint()


def test_latents_are_cached_for_their_bases_and_data(run: Path, tmp_path: Path) -> None:
    model = BuiltinModel.load(run / "models")
    cache = tmp_path / "latents.safetensors"
    first = load_or_build(run / "data", "train", cache, model.codec, model.encoder)
    stamp = cache.stat().st_mtime_ns
    again = load_or_build(run / "data", "train", cache, model.codec, model.encoder)
    assert cache.stat().st_mtime_ns == stamp
    assert torch.equal(first.latents, again.latents)
    model.codec.linear.scale.mul_(2)
    changed = load_or_build(run / "data", "train", cache, model.codec, model.encoder)
    assert torch.allclose(changed.latents.float() * 2, first.latents.float(), atol=1e-2)


def test_dropout_of_text_and_identity_has_the_share_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    known = draw_known(4000, Dropout(0.0, 0.5, 0.2), generator)
    assert float((known.sum(1) == 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(known.mean()) == pytest.approx(0.4, abs=0.03)
    samples = LatentSet(
        latents=torch.zeros(1, 1, 1, 1),
        states=torch.ones(1, 2, 3).half(),
        mask=torch.ones(1, 2, dtype=torch.bool),
        codes=torch.zeros(1, 1),
        people=torch.zeros(1, dtype=torch.long),
        aus=torch.zeros(1, 36),
        null_states=torch.zeros(1, 2, 3),
        null_mask=torch.tensor([[True, False]]),
    )
    states, mask = draw_text(samples, torch.zeros(4000, dtype=torch.long), 0.3, generator)
    empty = states[:, 0, 0] == 0
    assert float(empty.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(empty, ~mask[:, 1])


def test_missing_data_and_weights_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no train images"):
        codec.train(CODEC, BRIEF, tmp_path, tmp_path / "out")
    with pytest.raises(WeightsError, match=r"codec\.safetensors"):
        denoiser.train(DENOISER, BRIEF, run / "data", tmp_path, tmp_path / "out")


def test_a_data_set_keeps_units_labels_and_factors(run: Path) -> None:
    faces = dataset.load(run / "data", "val", limit=5)
    assert faces.images.shape == (5, 32, 32, 3)
    assert faces.aus.max() <= 1
    assert set(faces.expressions) <= set(range(-1, 8))
