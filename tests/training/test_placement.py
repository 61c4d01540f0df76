"""Training under `accelerate`: two processes, one process, and what is refused."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from synfer_core.cli import main
from synfer_core.models import checkpoints
from synfer_core.models.added import Added
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.training import run_record
from synfer_core.training.loop import Losses, Schedule
from synfer_core.training.placement import MIXED_VARIABLE, Alone
from synfer_core.training.stable_diffusion import Run, SDTraining, loss
from tests.training.ranks import SHARES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synfer_core.training.loop._budget", lambda minutes: iter(SHARES["0"]))


@pytest.fixture
def launched_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As ``accelerate launch --num_processes 1`` starts it."""
    from accelerate.state import AcceleratorState, GradientState

    monkeypatch.setenv(MIXED_VARIABLE, "no")
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def line(root: Path, out: Path, *more: str) -> list[str]:
    """The command; its rate is high because the first steps are a hundredth of it."""
    where = ["--data", str(root / "data"), "--out", str(out), "--backbone", str(root / "model")]
    return ["train", "sd-adapter", *where, "--batch", "2", "--rate", "1", "--device", "cpu",
            "--precision", "no", *more]  # fmt: skip


def state(out: Path) -> dict[str, Tensor]:
    return dict(checkpoints.load(out / "state.safetensors", "training-state").tensors)


def trained(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([t.flatten() for n, t in sorted(tensors.items()) if n.startswith("model.")])


def with_both_batches(root: Path, out: Path) -> Tensor:
    """The weights after two steps in one process, each on the batches of both."""
    schedule = Schedule(1.0, learning_rate=1.0, average=0.995)
    added = Added("sd", str(root / "model"))
    run = Run(SDTraining(batch=2), schedule, root / "data", added, out)
    model = run.model()
    samples, _ = run.samples(model, with_aus=True)
    torch.manual_seed(0)
    unet = model.denoiser.unet
    units = AUAdapter.for_unet(unet, unet.config.cross_attention_dim)
    second = Alone()
    second.rank = 1
    other = replace(run, placement=second).loop(units)._generator()
    units.inject(unet)

    def losses(generator: torch.Generator) -> Losses:
        parts = [loss(model, units, run.settings, samples, g) for g in (generator, other)]
        return {"total": (parts[0] + parts[1]) / 2}

    run.loop(units).run(losses, lambda: {"loss": 0.0})
    return trained(state(out))


@pytest.mark.timeout(1500)
def test_two_processes_average_gradients_of_batches_of_their_own(
    root: Path, tmp_path: Path, one_clock: None
) -> None:
    out = tmp_path / "two"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes",
              "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
              "--main_process_port", "0", "-m", "tests.training.ranks"]  # fmt: skip
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launch, *line(root, out)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    tensors = state(out)
    apart = tensors["random"]
    assert apart.shape[0] == 2, "a state of chance for each process"
    assert not torch.equal(apart[0, 0], apart[1, 0])
    ours = trained(tensors)
    assert torch.allclose(ours, with_both_batches(root, tmp_path / "both"), atol=1e-4)
    assert main(line(root, tmp_path / "one")) == 0
    assert not torch.allclose(ours, trained(state(tmp_path / "one")), atol=1e-3)
    with (out / "figures.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2"], "one wrote, after two steps"
    record = run_record.read(out)
    assert record.config["processes"] == 2
    assert len(record.stretches[0].devices) == 2
    assert record.stretches[0].ended


def test_one_process_under_accelerate_trains_as_without_it(
    root: Path,
    tmp_path: Path,
    one_clock: None,
    launched_alone: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main(line(root, tmp_path / "launched", "--accumulate", "2")) == 0
    monkeypatch.delenv(MIXED_VARIABLE)
    assert main(line(root, tmp_path / "plain", "--accumulate", "2")) == 0
    launched, plain = state(tmp_path / "launched"), state(tmp_path / "plain")
    assert launched.keys() == plain.keys()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in launched.items())


def test_averaging_copes_with_what_feranno_leaves_without_gradients(
    root: Path,
    tmp_path: Path,
    one_clock: None,
    launched_alone: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        free = str(port.getsockname()[1])
    group = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for name, value in (group | {"MASTER_PORT": free, "OMP_NUM_THREADS": "1"}).items():
        monkeypatch.setenv(name, value)
    command = line(root, tmp_path, "--limit", "8")
    command[1] = "sd-feranno"
    assert main(command) == 0
    assert not torch.distributed.is_initialized(), "the group is left"
    assert (tmp_path / "feranno.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (["sd-adapter", "--backbone", "m", "--precision", "fp16"], {}, "--precision: float16"),
        (["judge", "--precision", "fp16"], {}, "--precision: judge has no scaling"),
        (["judge"], {"WORLD_SIZE": "2"}, "stage: judge trains in one process"),
        (["sd-adapter", "--backbone", "m"], {MIXED_VARIABLE: "fp8"}, "--mixed_precision: is fp8"),
        (["judge", "--gradient-checkpointing"], {}, "--gradient-checkpointing: is for large"),
        (["judge", "--accumulate", "0"], {}, "--accumulate: is 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    options: list[str],
    environment: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    where = ["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["train", *options, *where]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
