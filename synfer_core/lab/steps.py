"""Training by samples seen, not by the clock: the result follows from data, settings and seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synfer_core.errors import RequestError

Tell = Callable[[int, int], None]
"""Called with samples seen and in all."""


def untold(done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Budget:
    """How long and how fast to train.

    Attributes:
        samples: Images seen in all, repeats included; each step sees `batch` of them.
        batch: Images a step; all of them where there are fewer.
        learning_rate: Peak of AdamW's; it warms up linearly and falls with the cosine.
        warmup: Share of the steps.
        decay: Weight decay of AdamW.
        seed: Of weights, order, augmentation and dropout.
    """

    samples: int = 12_000
    batch: int = 64
    learning_rate: float = 2e-3
    warmup: float = 0.1
    decay: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("samples", "batch"):
            if getattr(self, name) < 2:
                raise RequestError("is out of range", field=name, allowed="2 or more")
        if not 0 < self.learning_rate < 1:
            raise RequestError("is out of range", field="learning_rate", allowed="between 0 and 1")

    @property
    def steps(self) -> int:
        """Steps in all."""
        return math.ceil(self.samples / self.batch)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        share = step / self.steps
        warm = min(1.0, (step + 1) / max(1.0, self.warmup * self.steps))
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * share))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, torch's random numbers follow from the seed; after it they are as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def rows(
    total: int, budget: Budget, weights: NDArray[np.float64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of every step's batch.

    Without weights, all rows come equally often, none twice in a batch. With them, each is drawn
    with a chance proportional to its weight, and may come twice.

    Args:
        total: Rows there are.
        budget: Steps, batch and seed.
        weights: (total,), not negative.
    """
    rng = np.random.default_rng([budget.seed, 1])
    batch = min(budget.batch, total)
    order: NDArray[np.int64] = rng.permutation(total)
    for _ in range(budget.steps):
        if weights is not None:
            yield rng.choice(total, budget.batch, p=weights / weights.sum())
            continue
        if len(order) < batch:
            order = rng.permutation(total)
        yield order[:batch]
        order = order[batch:]


def train(
    net: nn.Module,
    budget: Budget,
    drawn: Iterator[NDArray[np.int64]],
    loss: Callable[[NDArray[np.int64]], Tensor],
    *,
    after: Callable[[float], None] = lambda share: None,
    tell: Tell = untold,
) -> None:
    """Minimise a loss over the parameters of `net` that ask for gradients.

    Args:
        net: Left in evaluation mode.
        budget: Rates.
        drawn: From `rows`.
        loss: Takes the row numbers of a batch.
        after: Called after every step with the share of the steps that is done.
        tell: Told of every step.
    """
    net.train()
    parameters = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, budget.learning_rate, weight_decay=budget.decay)
    for step, batch in enumerate(drawn):
        for group in optimiser.param_groups:
            group["lr"] = budget.rate(step)
        optimiser.zero_grad(set_to_none=True)
        loss(batch).backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        after((step + 1) / budget.steps)
        tell(min((step + 1) * budget.batch, budget.samples), budget.samples)
    net.eval()
