"""Figures with intervals, by bootstrap over people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return {name: round(value, 4) for name, value in vars(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(
    groups: Sequence[int] | NDArray[np.int64],
    statistic: Callable[[NDArray[np.int64]], float],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Estimate a statistic, drawing whole groups with replacement.

    Images of one person succeed or fail together, so people are drawn, not images.

    Args:
        groups: For each image, who is in it.
        statistic: Takes row numbers (repeats included) to a figure.
        draws: Bootstrap samples.
        seed: Seed of the draws.
    """
    members = [np.flatnonzero(np.asarray(groups) == g) for g in np.unique(groups)]
    rng = np.random.default_rng(seed)
    samples = [
        statistic(
            np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        )
        for _ in range(draws)
    ]
    low, high = np.percentile(samples, _TAILS)
    return Estimate(statistic(np.concatenate(members)), float(low), float(high))


def share(groups: Sequence[int] | NDArray[np.int64], hits: NDArray[np.bool_]) -> Estimate:
    """The share of hits among images, with its interval over people."""
    return bootstrap(groups, lambda rows: float(hits[rows].mean()))
