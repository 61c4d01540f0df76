"""Where training runs: in this process alone, or in several that `accelerate` ties together.

The loop asks a `Placement` for what differs between the two. `Alone` needs PyTorch only;
`Accelerated` leaves devices, averaged gradients and the scaling of float16 to `accelerate`
(https://huggingface.co/docs/accelerate). Each process draws batches of its own.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from synfer_core.errors import DependencyError, RequestError

if TYPE_CHECKING:
    from accelerate import Accelerator

Precision = Literal["float32", "float16", "bfloat16"]
Tick = tuple[float, bool]
"""Share of the budget that is spent, and whether a checkpoint is due."""

MIXED: Mapping[str, Precision] = {"no": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""Precisions as `accelerate` names them."""
MIXED_VARIABLE = "ACCELERATE_MIXED_PRECISION"
_MARKS = (MIXED_VARIABLE, "LOCAL_RANK")
_PATIENCE = timedelta(hours=3)
"""How long processes wait for the main one, which measures and draws samples."""


class Placement(Protocol):
    """What the loop needs to know of the processes that train together.

    Attributes:
        device: Where this process works, such as ``cuda:1``.
        rank: Its number; 0 is the main one, which alone writes files.
        processes: How many there are.
    """

    device: str
    rank: int
    processes: int

    def prepare(self, step: nn.Module, optimiser: Optimizer) -> tuple[nn.Module, Optimizer]:
        """The two as training has to call them; gradients then are means over the processes."""

    def apart(self, step: nn.Module) -> AbstractContextManager[None]:
        """While it lasts, gradients stay in their process, to be added up."""

    def backward(self, loss: Tensor) -> None:
        """Add a loss's gradients."""

    def clip(self, parameters: Iterable[nn.Parameter], norm: float) -> None:
        """Scale gradients down to a norm."""

    def from_main(self, ticks: Iterator[Tick]) -> Iterator[Tick]:
        """The main process's ticks, in every process; they end in all at the same step."""

    def mean(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Means of figures over the processes."""

    def gather(self, value: Tensor) -> Tensor:
        """One process's tensor as (processes, ...), on the CPU."""

    def names(self, name: str) -> tuple[str, ...]:
        """What each process calls something, such as its device."""

    def scaler(self) -> dict[str, float]:
        """State of float16's gradient scaler; empty where there is none."""

    def set_scaler(self, state: Mapping[str, float]) -> None:
        """Go on from such a state."""

    def close(self) -> None:
        """Leave the others."""


class Alone:
    """This process alone.

    Args:
        device: Where it works.
    """

    rank = 0
    processes = 1

    def __init__(self, device: str = "cpu"):
        self.device = device

    def prepare(self, step: nn.Module, optimiser: Optimizer) -> tuple[nn.Module, Optimizer]:
        return step, optimiser

    def apart(self, step: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def clip(self, parameters: Iterable[nn.Parameter], norm: float) -> None:
        nn.utils.clip_grad_norm_(parameters, norm)

    def from_main(self, ticks: Iterator[Tick]) -> Iterator[Tick]:
        return ticks

    def mean(self, figures: Mapping[str, float]) -> dict[str, float]:
        return dict(figures)

    def gather(self, value: Tensor) -> Tensor:
        return value[None].cpu()

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def scaler(self) -> dict[str, float]:
        return {}

    def set_scaler(self, state: Mapping[str, float]) -> None:
        """There is none."""

    def close(self) -> None:
        """Nobody is left."""


class Accelerated:
    """One of the processes that `accelerate` ties together.

    Args:
        accelerator: Its view of them.
    """

    def __init__(self, accelerator: Accelerator):
        self.accelerator = accelerator
        self.device = str(accelerator.device)
        self.rank = accelerator.process_index
        self.processes = accelerator.num_processes

    def prepare(self, step: nn.Module, optimiser: Optimizer) -> tuple[nn.Module, Optimizer]:
        prepared: tuple[nn.Module, Optimizer] = self.accelerator.prepare(step, optimiser)
        return prepared

    def apart(self, step: nn.Module) -> AbstractContextManager[None]:
        return cast(AbstractContextManager[None], self.accelerator.no_sync(step))

    def backward(self, loss: Tensor) -> None:
        self.accelerator.backward(loss)

    def clip(self, parameters: Iterable[nn.Parameter], norm: float) -> None:
        self.accelerator.clip_grad_norm_(parameters, norm)

    def from_main(self, ticks: Iterator[Tick]) -> Iterator[Tick]:
        from accelerate.utils import broadcast

        end = (math.nan, False)
        while True:
            tick = next(ticks, end) if self.rank == 0 else end
            sent = torch.tensor(tick, dtype=torch.float64, device=self.device)
            share, due = broadcast(sent).tolist()
            if math.isnan(share):
                return
            yield share, bool(due)

    def mean(self, figures: Mapping[str, float]) -> dict[str, float]:
        values = self.gather(torch.tensor([*figures.values()], dtype=torch.float64))
        return dict(zip(figures, values.mean(0).tolist(), strict=True))

    def gather(self, value: Tensor) -> Tensor:
        found: Tensor = self.accelerator.gather(value[None].to(self.device))
        return found.cpu()

    def names(self, name: str) -> tuple[str, ...]:
        from accelerate.utils import gather_object

        return tuple(gather_object([name]))

    def scaler(self) -> dict[str, float]:
        scaler = self.accelerator.scaler
        return {} if scaler is None else dict(scaler.state_dict())

    def set_scaler(self, state: Mapping[str, float]) -> None:
        if self.accelerator.scaler is not None and state:
            self.accelerator.scaler.load_state_dict(dict(state))

    def close(self) -> None:
        # Nobody leaves while another still writes, nor with networks that hold the group.
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        self.accelerator.end_training()


def launched() -> bool:
    """Whether ``accelerate launch`` or ``torchrun`` started this process."""
    return any(mark in os.environ for mark in _MARKS)


def accelerated(device: str, precision: Precision, *, partly: bool) -> Accelerated:
    """The processes that were launched together, or this one where it was launched alone.

    Args:
        device: ``cpu`` or ``cuda``.
        precision: Of the forward pass.
        partly: Some weights get no gradients, which averaging has to look out for.

    Raises:
        DependencyError: `accelerate` is not installed.
        RequestError: float16 is asked for on a CPU, or weights would be split between processes.
    """
    if precision == "float16" and device == "cpu":
        raise RequestError(
            "float16 needs a GPU", field="--precision", allowed="auto, float32, bfloat16"
        )
    try:
        from accelerate import Accelerator
        from accelerate.utils import (
            DistributedDataParallelKwargs,
            GradientAccumulationPlugin,
            InitProcessGroupKwargs,
        )
    except ImportError as error:
        raise DependencyError(
            "several processes and float16 need accelerate",
            field="accelerate",
            allowed="pip install 'synfer-studio[sd]'",
        ) from error
    names = {ours: theirs for theirs, ours in MIXED.items()}
    options: dict[str, Any] = {
        "mixed_precision": names[precision],
        "cpu": device == "cpu",
        # The loop adds gradients up itself; what the environment says of it does not count.
        "gradient_accumulation_plugin": GradientAccumulationPlugin(num_steps=1),
        "kwargs_handlers": [
            InitProcessGroupKwargs(timeout=_PATIENCE),
            DistributedDataParallelKwargs(find_unused_parameters=partly),
        ],
    }
    accelerator = Accelerator(**options)
    kind = accelerator.distributed_type.value
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU"):
        raise RequestError(
            f"splits weights between processes ({kind})",
            field="accelerate launch",
            allowed="one process, or several with --multi_gpu",
        )
    return Accelerated(accelerator)
