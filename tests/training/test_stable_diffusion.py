"""Two steps of each stage on a Stable Diffusion pipeline in miniature; saved, loaded, the same."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from synfer_core.calibration import FERAnnoReader
from synfer_core.cli import build_parser, main
from synfer_core.errors import DataError, RequestError, WeightsError
from synfer_core.facs import AU_SLOTS
from synfer_core.models import sd_adapter, sd_parts
from synfer_core.models.added import Added
from synfer_core.models.lora import LORA_FILE, Lora
from synfer_core.models.memory import Plan
from synfer_core.models.sd_adapter import SDAdapter
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.request import Recipe
from synfer_core.training import captioned, run_record, sd_samples, stable_diffusion
from synfer_core.training.feranno import FERAnnoTraining
from synfer_core.training.loop import Loop, Schedule
from synfer_core.training.stable_diffusion import ADAPTER_FILE, FERANNO_FILE, Run, SDTraining
from tests.models import tiny_sd
from tests.models.test_stable_diffusion import made

TINY = SDTraining(
    batch=2,
    rank=2,
    sample_steps=1,
    feranno=FERAnnoTraining(width=16, blocks=1, copies=1, batch=4, reading=8, steps=4),
)
RECIPE = Recipe(backbone="sd", text="an old man", aus={"AU12": 4.0}, steps=2)


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> Schedule:
    monkeypatch.setattr("synfer_core.training.loop._budget", lambda minutes: iter((0.0, 0.5)))
    return Schedule(
        1.0, learning_rate=1e-2, warmup_steps=1, log_steps=1, average=0.1, tensorboard=True
    )


def pictures(folder: Path, name: str) -> np.ndarray:
    """A row of sample images as it was drawn at the last checkpoint."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    data = events.Images(f"samples/{name}")[-1].encoded_image_string
    return np.asarray(Image.open(io.BytesIO(data)))


def kept(monkeypatch: pytest.MonkeyPatch) -> list[torch.nn.Module]:
    """The averaged networks of the loops that run."""
    found: list[torch.nn.Module] = []
    run: Callable[..., torch.nn.Module] = Loop.run

    def keeping(self: Loop, *args: Any) -> torch.nn.Module:
        found.append(run(self, *args))
        return found[-1]

    monkeypatch.setattr(Loop, "run", keeping)
    return found


def with_adapters(root: Path, *adapters: SDAdapter) -> StableDiffusion:
    """The model with adapters that were never on disk."""
    model = StableDiffusion.load(Added("sd", str(root / "model")), plan=Plan("float32"))
    for adapter in adapters:
        adapter.inject(model.denoiser.unet)
    return StableDiffusion(model.name, model.origin, model.parts, model.plan, adapters, "0" * 64)


def test_an_au_adapter_learns_and_is_the_same_once_loaded(
    root: Path, tmp_path: Path, two_steps: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, added = kept(monkeypatch), Added("sd", str(root / "model"))
    stable_diffusion.train_adapter(Run(TINY, two_steps, root / "data", added, tmp_path))
    (units,) = found
    assert any(bool(value.weight.any()) for value in units.values)  # type: ignore[union-attr]
    ours = made(with_adapters(root, SDAdapter(units.eval())), RECIPE)  # type: ignore[arg-type]
    loaded = StableDiffusion.load(Added("sd", str(root / "model"), tmp_path / ADAPTER_FILE))
    again = made(loaded, RECIPE)
    assert (ours.image == again.image).all()
    assert torch.equal(ours.latents, again.latents)
    off = made(loaded, RECIPE.model_copy(update={"au_scale": 0.0}))
    assert (again.latents != off.latents).any()
    assert (tmp_path / "log.csv").read_text().count("\n") == 3
    assert pictures(tmp_path, "AU6+AU12").shape == (64, 5 * 64, 3)


def test_a_lora_learns_and_is_the_same_once_loaded(
    root: Path, tmp_path: Path, two_steps: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    sd_adapter.save(tiny_sd.slot_adapter(), tmp_path / "units.safetensors")
    found = kept(monkeypatch)
    added = Added("sd", str(root / "model"), tmp_path / "units.safetensors")
    stable_diffusion.train_lora(Run(TINY, two_steps, root / "data", added, tmp_path))
    (weights,) = found
    table = {name: tensor.detach().clone() for name, tensor in weights.table().items()}
    assert all(bool(tensor.any()) for name, tensor in table.items() if "lora_B" in name)
    ours = made(
        with_adapters(root, tiny_sd.slot_adapter(), SDAdapter(None, Lora.of_unet(table), "lora")),
        RECIPE,
    )
    files = {"adapter": tmp_path / "units.safetensors", "lora": tmp_path / LORA_FILE}
    loaded = StableDiffusion.load(Added("sd", str(root / "model"), **files))
    again = made(loaded, RECIPE)
    assert torch.equal(ours.latents, again.latents)
    plain = made(with_adapters(root, tiny_sd.slot_adapter()), RECIPE)
    assert (again.latents != plain.latents).any()
    assert pictures(tmp_path, "captions").shape == (64, 4 * 64, 3)


def test_feranno_learns_and_is_the_same_once_loaded(
    root: Path, tmp_path: Path, two_steps: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, added = kept(monkeypatch), Added("sd", str(root / "model"))
    stable_diffusion.train_feranno(Run(TINY, two_steps, root / "data", added, tmp_path))
    (net,) = found
    loaded = StableDiffusion.load(Added("sd", str(root / "model"), feranno=tmp_path / FERANNO_FILE))
    reader = loaded.feranno
    assert reader is not None
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    fresh = FERAnnoReader(loaded.probe(), net.eval(), "fresh")  # type: ignore[arg-type]
    ours, again = fresh.annotate(images), reader.annotate(images)
    # Its file is in half precision, as the built-in model's.
    assert torch.allclose(ours.logits, again.logits, atol=5e-3)
    label, attention = reader.read(images[0])
    assert sum(label.probabilities) == pytest.approx(1)
    assert "AU17" in attention.mass
    sd_adapter.save(tiny_sd.slot_adapter(), tmp_path / "units.safetensors")
    with pytest.raises(WeightsError, match="was trained on another denoiser"):
        StableDiffusion.load(
            Added("sd", str(root / "model"), tmp_path / "units.safetensors",
                  feranno=tmp_path / FERANNO_FILE)
        )  # fmt: skip


def test_the_loss_of_noise_prediction_is_that_of_noise(root: Path) -> None:
    model = with_adapters(root)
    faces = captioned.read(root / "data")
    samples, held_out = stable_diffusion.encode(model, faces, Schedule(1.0), with_aus=False)
    assert (len(samples), len(held_out)) == (32, 8)
    loss = stable_diffusion.loss(model, None, TINY, samples, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(len(samples), (2,), generator=generator)
    timesteps = torch.randint(1000, (2,), generator=generator)
    clean = samples.latents[rows].float()
    noise = torch.randn(clean.shape, generator=generator)
    alpha = model.denoiser.alphas[timesteps][:, None, None, None]
    dropped = torch.rand(2, generator=generator) < TINY.without_text
    states = torch.where(dropped[:, None, None], samples.null_states, samples.states[rows].float())
    with torch.no_grad():
        read = model.denoiser.unet(
            alpha.sqrt() * clean + (1 - alpha).sqrt() * noise, timesteps, states
        ).sample
    assert float(loss) == pytest.approx(float((read - noise).square().mean()), rel=1e-4)


def test_fetext_without_some_units_and_pictures_with_metadata_are_read(
    root: Path, tmp_path: Path
) -> None:
    rows = pq.read_table(next((root / "data").glob("*.parquet"))).to_pylist()[:3]
    table = [{k: row[k] for k in ("image", "caption", "aus", "split")} for row in rows]
    table[1]["aus"] = [*table[1]["aus"][:-1], None]
    table[2]["split"] = None
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table), tmp_path / "shard-000000.parquet")
    faces = list(captioned.read(tmp_path))
    assert [face.aus is None for face in faces] == [False, True, False]
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(faces[0].image).save(folder / "a.png")
    line = {"file_name": "a.png", "text": "a woman", "aus": {"AU12": 2.5}, "split": "val"}
    bare = {"file_name": "a.png", "text": "a man"}
    (folder / "metadata.jsonl").write_text(f"{json.dumps(line)}\n{json.dumps(bare)}\n")
    first, second = captioned.read(folder)
    assert first.aus is not None
    assert first.aus[AU_SLOTS.index("AUL12")] == 0.5
    assert (first.held_out, second.held_out, second.aus) == (True, False, None)
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png"}\n')
    with pytest.raises(DataError, match=r"metadata\.jsonl line 1: lacks a key"):
        list(captioned.read(folder))
    with pytest.raises(DataError, match="has no captioned faces"):
        list(captioned.read(tmp_path / "nothing"))


def test_gradient_checkpointing_takes_more_calls_and_gives_the_same_gradients(
    root: Path, tmp_path: Path
) -> None:
    gradients, calls = [], []
    for wanted in (False, True):
        added = Added("sd", str(root / "model"))
        run = Run(TINY, Schedule(1.0), root / "data", added, tmp_path,
                  gradient_checkpointing=wanted)  # fmt: skip
        model = run.model()
        samples, _ = run.samples(model, with_aus=True)
        units, unet = tiny_sd.slot_adapter().units, model.denoiser.unet
        units.inject(unet)
        # Working out again stops before the layer's end, so its beginnings are counted.
        layer = unet.mid_block.resnets[1]
        layer.register_forward_pre_hook(lambda *_, w=wanted: calls.append(w))
        stable_diffusion.loss(
            model, units, TINY, samples, torch.Generator().manual_seed(0)
        ).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in units.parameters()]))
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, atol=1e-5)
    assert (calls.count(False), calls.count(True)) == (1, 2)


def test_samples_are_the_same_every_time_and_show_the_units_rise(root: Path) -> None:
    model, units = with_adapters(root), tiny_sd.slot_adapter().units
    units.inject(model.denoiser.unet)
    row = {"row": sd_samples.rising(1)["AU6+AU12"]}
    first, again = (sd_samples.draw(model, units, row)["row"] for _ in range(2))
    assert (first == again).all()
    assert all((a != b).any() for a, b in pairwise(first))


def test_the_command_trains_on_a_named_backbone_and_records_the_run(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", "sd-adapter", "--data", str(root / "data"), "--out", str(tmp_path),
            "--steps", "1", "--batch", "2", "--backbone", str(root / "model")]  # fmt: skip
    assert main(line) == 0
    assert sd_adapter.load(tmp_path / ADAPTER_FILE)[0].units is not None
    record = run_record.read(tmp_path)
    assert record.config["batch"] == 2
    assert record.weights == {"model": sd_parts.folder_sha256(root / "model")}
    assert record.stretches[0].ended
    assert main([*line, "--resume", "--accumulate", "2"]) == 2
    assert "--accumulate: is 2 now and was 1" in capsys.readouterr().err
    args = build_parser("train").parse_args(line[:-2])
    with pytest.raises(RequestError, match="--backbone: is needed"):
        args.run(args)
