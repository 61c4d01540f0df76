"""The loop that every stage shares: budget, resume, moving average, log and plot.

The learning rate falls with the share of the budget that is spent, so the same command fills five
minutes or five hours. In how many processes it runs is `placement`'s business.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from synfer_core.models import checkpoints
from synfer_core.training.board import Board
from synfer_core.training.placement import Alone, Placement, Precision, Tick

Losses = Mapping[str, Tensor]
LossFunction = Callable[[torch.Generator], Losses]
_HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_STRIDE = 1_000_000_007
"""Between the seeds of two processes."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        minutes: Time budget; the learning rate reaches its floor at its end.
        steps: Budget in steps, counted from the first ever, in place of `minutes`.
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
        accumulate: Batches whose gradients are added up in each step.
        tensorboard: Write curves and samples for TensorBoard too.
    """

    minutes: float
    steps: int | None = None
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
    accumulate: int = 1
    tensorboard: bool = False


class Step(nn.Module):
    """The losses of one batch as a module, so that gradients can be averaged over processes.

    Args:
        model: What is trained.
        losses: Draws a batch and returns its losses.
    """

    def __init__(self, model: nn.Module, losses: LossFunction):
        super().__init__()
        self.model = model
        self.losses = losses

    def forward(self, generator: torch.Generator) -> Losses:
        return self.losses(generator)


class Loop:
    """Trains the parameters of `model` that ask for gradients.

    Args:
        model: The network; its moving average is kept beside it.
        schedule: Budget and rates.
        folder: Gets ``state.safetensors``, ``log.csv`` and ``curve.png``.
        resume: Go on from the state in `folder`, where there is one.
        placement: The processes that train together; only the main one writes.
        factors: How much faster parameters learn, by how their names begin.
    """

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        folder: Path,
        *,
        resume: bool,
        placement: Placement | None = None,
        factors: Mapping[str, float] = MappingProxyType({}),
    ):
        self.model = model.to(schedule.device)
        self.schedule = schedule
        self.folder = folder
        self.placement = placement or Alone(schedule.device)
        groups = _groups(model, factors)
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimiser = torch.optim.AdamW(
            groups,
            schedule.learning_rate,
            (0.9, 0.98),
            weight_decay=schedule.decay,
            fused=True,
        )
        self.averaged = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(schedule.average), use_buffers=False
        )
        self.step = 0
        self._random: Tensor | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if resume and self._state_path.exists():
            self._restore()
        elif self.main:
            for name in ("log.csv", "figures.csv"):
                (folder / name).unlink(missing_ok=True)
        wanted = schedule.tensorboard and self.main
        self.board = Board(folder / "tensorboard", self.step) if wanted else None

    @property
    def main(self) -> bool:
        """Whether this is the process that measures and writes."""
        return self.placement.rank == 0

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
        generator = self._generator()
        step, optimiser = self.placement.prepare(Step(self.model, losses), self.optimiser)
        start, first = time.monotonic(), 0 if self.schedule.steps else self.step
        sums: dict[str, float] = {}
        for share, due in self.placement.from_main(self._ticks()):
            if due:
                self._checkpoint(generator, measure)
            self._set_rate(share, self.step - first)
            for name, value in self._update(step, optimiser, generator).items():
                sums[name] = sums.get(name, 0.0) + value
            if self.step % self.schedule.log_steps == 0:
                self._log(time.monotonic() - start, self.placement.mean(sums))
                sums = {}
        self._checkpoint(generator, measure)
        if self.board is not None:
            self.board.close()
        return self.averaged.module

    def _generator(self) -> torch.Generator:
        """Draws this process's batches: from where the state left off, else from the seed."""
        seed, generator = self.schedule.seed, torch.Generator()
        apart = self.placement.rank * _STRIDE
        torch.manual_seed(seed + self.step + apart)
        generator.manual_seed(seed * 1_000_003 + self.step + apart)
        if self._random is not None and len(self._random) == self.placement.processes:
            # Copies: of a view PyTorch would read the whole tensor's first bytes.
            ours, everyones = (state.clone() for state in self._random[self.placement.rank])
            generator.set_state(ours)
            torch.set_rng_state(everyones)
        return generator

    def _ticks(self) -> Iterator[Tick]:
        """Shares of the budget spent, and whether a checkpoint is due before the next step."""
        schedule, first, saved = self.schedule, self.step, time.monotonic()
        shares = (
            _budget(schedule.minutes)
            if schedule.steps is None
            else (step / schedule.steps for step in range(first, schedule.steps))
        )
        for share in shares:
            late = time.monotonic() - saved > schedule.checkpoint_minutes * 60
            due = late and self.step > first
            yield share, due
            saved = time.monotonic() if due else saved

    def _set_rate(self, share: float, steps: int) -> None:
        schedule = self.schedule
        cosine = schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * share))
        warm = min(1.0, (steps + 1) / schedule.warmup_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.learning_rate * cosine * warm * group["factor"]

    def _update(
        self, step: nn.Module, optimiser: Optimizer, generator: torch.Generator
    ) -> dict[str, float]:
        self.optimiser.zero_grad(set_to_none=True)
        count, means = self.schedule.accumulate, dict[str, float]()
        for batch in range(1, count + 1):
            with nullcontext() if batch == count else self.placement.apart(step):
                with precision_of(self.schedule):
                    losses: Losses = step(generator)
                self.placement.backward(losses["total"] / count)
            for name, value in losses.items():
                means[name] = means.get(name, 0.0) + float(value.detach()) / count
        self.placement.clip(self.parameters, 1.0)
        optimiser.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        return means

    def _log(self, seconds: float, sums: Mapping[str, float]) -> None:
        if not self.main:
            return
        means = {name: value / self.schedule.log_steps for name, value in sums.items()}
        _append(self.folder / "log.csv", {"step": self.step, "seconds": round(seconds), **means})
        print(self.step, round(seconds), {k: round(v, 4) for k, v in means.items()}, flush=True)
        if self.board is not None:
            rate = {"rate": float(self.optimiser.param_groups[0]["lr"])}
            self.board.curves("train", rate | means, self.step)

    def _checkpoint(
        self, generator: torch.Generator, measure: Callable[[], Mapping[str, float]]
    ) -> None:
        states = torch.stack([generator.get_state(), torch.get_rng_state()])
        everyones = self.placement.gather(states)
        if not self.main:
            return
        self._save(everyones)
        self._copy_buffers()
        self.averaged.eval()
        with torch.no_grad():
            figures = measure()
        _append(self.folder / "figures.csv", {"step": self.step, **figures})
        print(self.step, {k: round(v, 4) for k, v in figures.items()}, flush=True)
        plot(self.folder)
        if self.board is not None:
            self.board.curves("validation", figures, self.step)

    def _copy_buffers(self) -> None:
        """Running statistics are averages already."""
        for ours, theirs in zip(self.averaged.module.buffers(), self.model.buffers(), strict=True):
            ours.copy_(theirs)

    def _save(self, random: Tensor) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.averaged.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in state.items()}
        tensors["random"] = random
        config = {
            "step": self.step,
            "schedule": asdict(self.schedule),
            "scaler": self.placement.scaler(),
        }
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
        # States from before several processes could train have neither of the two.
        self._random = state.tensors.get("random")
        self.placement.set_scaler(state.config.get("scaler", {}))


def _groups(model: nn.Module, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    """The parameters that ask for gradients, by how fast they learn."""
    found: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            own = (factor for prefix, factor in factors.items() if name.startswith(prefix))
            found.setdefault(next(own, 1.0), []).append(parameter)
    return [{"params": those, "factor": factor} for factor, those in found.items()]


def precision_of(schedule: Schedule) -> torch.autocast:
    """A context in which the forward pass has the schedule's precision."""
    half = _HALVES.get(schedule.precision)
    device = torch.device(schedule.device).type
    return torch.autocast(device, half or torch.bfloat16, half is not None)


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
