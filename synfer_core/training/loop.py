"""The loop that every stage shares: time budget, resume, moving average, log and plot.

The learning rate falls with the share of the time budget that is spent, so the same command fills
five minutes or five hours.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from synfer_core.models import checkpoints

Losses = Mapping[str, Tensor]
Precision = Literal["float32", "bfloat16"]
LossFunction = Callable[[torch.Generator], Losses]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        minutes: Time budget; the learning rate reaches its floor at its end.
        learning_rate: Peak learning rate of AdamW.
        warmup_steps: Steps of linear warm-up.
        floor: Last learning rate as a share of the peak.
        decay: Weight decay of AdamW.
        average: Decay of the moving average of the weights.
        checkpoint_minutes: Time between saved states.
        log_steps: Steps between lines of the log.
        seed: Seed of data order, noise and dropout.
        precision: Of the forward pass; weights and optimiser stay in float32.
        device: Where the model is trained, such as ``cpu`` or ``cuda``. What is random is drawn on
            the CPU everywhere.
    """

    minutes: float
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    floor: float = 0.02
    decay: float = 0.01
    average: float = 0.998
    checkpoint_minutes: float = 4.0
    log_steps: int = 50
    seed: int = 0
    precision: Precision = "float32"
    device: str = "cpu"


class Loop:
    """Trains the parameters of `model` that ask for gradients.

    Args:
        model: The network; its moving average is kept beside it.
        schedule: Budget and rates.
        folder: Gets ``state.safetensors``, ``log.csv`` and ``curve.png``.
        resume: Go on from the state in `folder`, where there is one.
    """

    def __init__(self, model: nn.Module, schedule: Schedule, folder: Path, *, resume: bool):
        self.model = model.to(schedule.device)
        self.schedule = schedule
        self.folder = folder
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.parameters,
            schedule.learning_rate,
            (0.9, 0.98),
            weight_decay=schedule.decay,
            fused=True,
        )
        self.averaged = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(schedule.average), use_buffers=False
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if resume and self._state_path.exists():
            self._restore()
        else:
            for name in ("log.csv", "figures.csv"):
                (folder / name).unlink(missing_ok=True)

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.safetensors"

    def run(self, losses: LossFunction, measure: Callable[[], Mapping[str, float]]) -> nn.Module:
        """Train until the budget is spent.

        Args:
            losses: Draws a batch with the generator given and returns named losses; ``total`` is
                minimised, the others are logged.
            measure: Figures of the averaged model on validation data, taken at each checkpoint.

        Returns:
            The averaged model.
        """
        torch.manual_seed(self.schedule.seed + self.step)
        generator = torch.Generator().manual_seed(self.schedule.seed * 1_000_003 + self.step)
        start = saved = time.monotonic()
        first = self.step
        sums: dict[str, float] = {}
        for share in _budget(self.schedule.minutes):
            self._set_rate(share, self.step - first)
            for name, value in self._update(self._forward(losses, generator)).items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step % self.schedule.log_steps == 0:
                self._log(time.monotonic() - start, sums)
                sums = {}
            if time.monotonic() - saved > self.schedule.checkpoint_minutes * 60:
                self._checkpoint(measure)
                saved = time.monotonic()
        self._checkpoint(measure)
        return self.averaged.module

    def _forward(self, losses: LossFunction, generator: torch.Generator) -> Losses:
        with precision_of(self.schedule):
            return losses(generator)

    def _set_rate(self, share: float, steps: int) -> None:
        schedule = self.schedule
        cosine = schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * share))
        warm = min(1.0, (steps + 1) / schedule.warmup_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.learning_rate * cosine * warm

    def _update(self, losses: Losses) -> dict[str, float]:
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _log(self, seconds: float, sums: Mapping[str, float]) -> None:
        means = {name: value / self.schedule.log_steps for name, value in sums.items()}
        _append(self.folder / "log.csv", {"step": self.step, "seconds": round(seconds), **means})
        print(self.step, round(seconds), {k: round(v, 4) for k, v in means.items()}, flush=True)

    def _checkpoint(self, measure: Callable[[], Mapping[str, float]]) -> None:
        self._save()
        self._copy_buffers()
        self.averaged.eval()
        with torch.no_grad():
            figures = measure()
        _append(self.folder / "figures.csv", {"step": self.step, **figures})
        print(self.step, {k: round(v, 4) for k, v in figures.items()}, flush=True)
        plot(self.folder)

    def _copy_buffers(self) -> None:
        """Running statistics are averages already."""
        for ours, theirs in zip(self.averaged.module.buffers(), self.model.buffers(), strict=True):
            ours.copy_(theirs)

    def _save(self) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.averaged.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in state.items()}
        config = {"step": self.step, "schedule": asdict(self.schedule)}
        checkpoints.save(self._state_path, "training-state", tensors, config, half=False)

    def _restore(self) -> None:
        state = checkpoints.load(self._state_path, "training-state")
        self.model.load_state_dict(checkpoints.below(state.tensors, "model."))
        self.averaged.load_state_dict(checkpoints.below(state.tensors, "average."))
        saved: dict[int, dict[str, Tensor]] = {}
        for name, value in checkpoints.below(state.tensors, "optimiser.").items():
            index, key = name.split(".", 1)
            saved.setdefault(int(index), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": saved, "param_groups": groups})
        self.step = int(state.config["step"])


def precision_of(schedule: Schedule) -> torch.autocast:
    """A context in which the forward pass has the schedule's precision."""
    halved = schedule.precision == "bfloat16"
    return torch.autocast(torch.device(schedule.device).type, torch.bfloat16, halved)


def device_of(net: nn.Module) -> torch.device:
    """Where the parameters of a network are."""
    return next(net.parameters()).device


def _budget(minutes: float) -> Iterator[float]:
    """Shares of the budget spent, until it is; at least one step."""
    start = time.monotonic()
    share = 0.0
    while share < 1.0:
        yield share
        share = (time.monotonic() - start) / (minutes * 60)


def _append(path: Path, row: Mapping[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if new:
            writer.writeheader()
        writer.writerow(row)


def plot(folder: Path) -> None:
    """Draw ``log.csv`` as ``curve.png``, one panel for each loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    if not (folder / "log.csv").exists():
        return
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("step", "seconds")]
    figure, axes = pyplot.subplots(1, len(names), figsize=(4 * len(names), 3), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        axis.plot([int(r["step"]) for r in rows], [float(r[name]) for r in rows])
        axis.set(title=name, xlabel="step", yscale="log")
    figure.tight_layout()
    figure.savefig(folder / "curve.png", dpi=80)
    pyplot.close(figure)
