"""Figures with intervals, by bootstrap or jackknife over people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_TAILS = (2.5, 97.5)
_NORMAL = 1.96


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
    many = bootstrap_many(groups, lambda rows: np.array([statistic(rows)]), draws=draws, seed=seed)
    return many[0]


def bootstrap_many(
    groups: Sequence[int] | NDArray[np.int64],
    statistics: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Estimate, ...]:
    """Estimate several statistics from the same draws of whole groups; see `bootstrap`.

    Args:
        groups: For each image, who is in it.
        statistics: Takes row numbers (repeats included) to figures (k,).
        draws: Bootstrap samples.
        seed: Seed of the draws.
    """
    members = [np.flatnonzero(np.asarray(groups) == g) for g in np.unique(groups)]
    rows_of = _rows_of(members)
    rng = np.random.default_rng(seed)
    samples = [
        statistics(rows_of(rng.integers(len(members), size=len(members)))) for _ in range(draws)
    ]
    low, high = np.percentile(samples, _TAILS, axis=0)
    values = statistics(np.concatenate(members))
    return tuple(Estimate(*map(float, three)) for three in zip(values, low, high, strict=True))


def _rows_of(
    members: Sequence[NDArray[np.int64]],
) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """From group numbers to their rows; groups of one size need no loop."""
    if len({len(rows) for rows in members}) == 1:
        table = np.stack(members)
        return lambda drawn: table[drawn].ravel()
    return lambda drawn: np.concatenate([members[i] for i in drawn])


def jackknife(value: float, left_out: NDArray[np.float64]) -> Estimate:
    """A figure and its interval from what it would be without each group (Efron and Stein 1981).

    https://doi.org/10.1214/aos/1176345462. For figures that repeated rows would bias, such as
    distances between covariances.

    Args:
        value: The figure.
        left_out: (groups,) the figure with one group left out, for each.
    """
    count = len(left_out)
    error = np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    reach = _NORMAL * float(error)
    return Estimate(value, value - reach, value + reach)


def share(groups: Sequence[int] | NDArray[np.int64], hits: NDArray[np.bool_]) -> Estimate:
    """The share of hits among images, with its interval over people; as `bootstrap`."""
    _, of = np.unique(groups, return_inverse=True)
    sizes, scored = np.bincount(of), np.bincount(of, hits)
    drawn = np.random.default_rng(0).integers(len(sizes), size=(DRAWS, len(sizes)))
    low, high = np.percentile(scored[drawn].sum(1) / sizes[drawn].sum(1), _TAILS)
    return Estimate(float(hits.mean()), float(low), float(high))
