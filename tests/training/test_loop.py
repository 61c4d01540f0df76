"""The loop on a network of one layer: budget in steps, going on, adding up, TensorBoard."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from synfer_core.errors import DependencyError
from synfer_core.training import board
from synfer_core.training.loop import Loop, LossFunction, Schedule

FOUR = Schedule(9.0, 4, learning_rate=0.1, warmup_steps=2, checkpoint_minutes=0.0, log_steps=2)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def drawn(net: nn.Module, batch: int = 2) -> LossFunction:
    """Losses with chance from the batch's generator and from PyTorch's own."""

    def losses(generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        inputs = F.dropout(torch.randn(batch, 4, generator=generator), 0.5)
        return {"total": net(inputs).square().mean()}

    return losses


def train(schedule: Schedule, folder: Path, *, batch: int = 2, resume: bool = False) -> nn.Module:
    net = network()
    loop = Loop(net, schedule, folder, resume=resume)
    return loop.run(drawn(net, batch), lambda: {"figure": float(loop.step)})


def weights(folder: Path) -> dict[str, bytes]:
    """Bit for bit what the state holds; the file's header has its entries in any order."""
    tensors = load_file(folder / "state.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def test_a_run_that_broke_off_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    train(FOUR, tmp_path / "whole")
    net = network()
    loop = Loop(net, FOUR, tmp_path / "broken", resume=False)

    def measure() -> dict[str, float]:
        return {"figure": 1 / (2 - loop.step)}

    with pytest.raises(ZeroDivisionError):
        loop.run(drawn(net), measure)
    assert weights(tmp_path / "broken") != weights(tmp_path / "whole")
    train(FOUR, tmp_path / "broken", resume=True)
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    lines = (tmp_path / "broken" / "figures.csv").read_text().split()
    assert lines == ["step,figure", "1,1.0", "3,3.0", "4,4.0"]
    train(FOUR, tmp_path / "broken", resume=True)
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole"), "no step is left"


def test_gradients_of_several_batches_add_up_to_those_of_a_large_one(tmp_path: Path) -> None:
    net = network()
    inputs = torch.randn(4, 4)
    gradients = []
    for accumulate in (1, 2):
        loop = Loop(net, replace(FOUR, steps=1, accumulate=accumulate), tmp_path, resume=False)
        before = {name: value.clone() for name, value in net.state_dict().items()}
        parts = iter(inputs.chunk(accumulate))
        loop.run(lambda _, rows=parts: {"total": net(next(rows)).square().mean()}, lambda: {"f": 0})
        gradients.append(net.weight.grad.clone())
        net.load_state_dict(before)
    assert torch.allclose(*gradients, atol=1e-6)


def test_without_accelerate_training_goes_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setattr("synfer_core.training.loop._budget", lambda minutes: iter((0.0, 0.5)))
    schedule = replace(FOUR, steps=None, checkpoint_minutes=4.0)
    averaged = train(schedule, tmp_path)
    # The loop written out: this is what it did before it knew of other processes.
    net = network()
    losses = drawn(net)
    optimiser = torch.optim.AdamW(net.parameters(), 0.1, (0.9, 0.98), weight_decay=0.01, fused=True)
    torch.manual_seed(0)
    generator, first = torch.Generator().manual_seed(0), None
    for rate in (0.1 * 0.5, 0.1 * (0.02 + 0.98 * 0.5)):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        losses(generator)["total"].backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        first = net.weight.detach().clone() if first is None else first
    mean = first.lerp(net.weight.detach(), 1 - schedule.average)
    assert torch.equal(averaged.weight, mean)


def test_tensorboard_gets_curves_and_the_rate(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(replace(FOUR, tensorboard=True), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"train/total", "train/rate", "validation/figure"}
    assert [point.step for point in events.Scalars("train/total")] == [2, 4]
    assert [point.value for point in events.Scalars("validation/figure")] == [1.0, 2.0, 3.0, 4.0]


def test_tensorboard_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DependencyError, match=r"--tensorboard.*synfer-studio\[train\]"):
        board.check()
