"""How well what was measured follows what was asked: correlation, error, cross-talk.

All functions take intensities asked (N, k) and measured (N, k), one column a unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap_many

Floats = NDArray[np.float64]


def pearson(asked: Floats, measured: Floats) -> Floats:
    """Pearson's r (k,) of each column; 0 where one of the two never varies."""
    a, b = asked - asked.mean(0), measured - measured.mean(0)
    norm = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    r: Floats = np.divide((a * b).sum(0), norm, out=np.zeros(a.shape[1]), where=norm > 1e-12)
    return r


def spearman(asked: Floats, measured: Floats) -> Floats:
    """Spearman's rank correlation (k,) of each column, ties at their mean rank."""
    return pearson(rankdata(asked, axis=0), rankdata(measured, axis=0))


def errors(asked: Floats, measured: Floats) -> Floats:
    """Mean absolute error (k,) of each column, in points of the 0-5 scale."""
    return np.asarray(np.abs(asked - measured).mean(0), np.float64)


def effects(asked: Floats, measured: Floats) -> Floats:
    """(k, k): points that one point of unit i (row), the others held fixed, moves measured unit j.

    Least squares of each measured unit on all asked ones and a constant.
    """
    design = np.column_stack([asked, np.ones(len(asked))])
    return np.asarray(np.linalg.lstsq(design, measured, rcond=None)[0][:-1], np.float64)


def crosstalk(asked: Floats, measured: Floats) -> Floats:
    """(k, k): the effect of unit i on measured unit j as a share of j's own, 0 to 1.

    Sign is left out. A share above 1 counts as 1, and so does everything that moves a unit which
    does not follow itself. The diagonal is 0.
    """
    signed = effects(asked, measured)
    moved, own = np.abs(signed), np.broadcast_to(np.diag(signed), signed.shape)
    shares = np.divide(moved, own, out=np.ones_like(moved), where=own > 1e-9).clip(max=1)
    np.fill_diagonal(shares, 0)
    return shares


def mean_crosstalk(asked: Floats, measured: Floats) -> float:
    """Mean of `crosstalk` over all pairs of different units."""
    units = asked.shape[1]
    return float(crosstalk(asked, measured).sum() / (units * (units - 1)))


@dataclass(frozen=True)
class Agreement:
    """Figures of each unit, in the order of the columns.

    Attributes:
        spearman, pearson, error: Of each unit.
        median, least: Of Spearman's correlation over the units singled out.
    """

    spearman: tuple[Estimate, ...]
    pearson: tuple[Estimate, ...]
    error: tuple[Estimate, ...]
    median: Estimate
    least: Estimate


def agreement(
    people: NDArray[np.int64],
    asked: Floats,
    measured: Floats,
    chosen: NDArray[np.int64],
    *,
    draws: int = DRAWS,
) -> Agreement:
    """Correlations and errors with their intervals.

    Args:
        people: (N,) who is in each image.
        asked: (N, k).
        measured: (N, k).
        chosen: Columns that `median` and `least` look at.
        draws: Bootstrap samples.
    """
    units = asked.shape[1]

    def statistics(rows: NDArray[np.int64]) -> Floats:
        a, m = asked[rows], measured[rows]
        ranked = spearman(a, m)
        among = ranked[chosen]
        return np.concatenate(
            [ranked, pearson(a, m), errors(a, m), [np.median(among), among.min()]]
        )

    found = bootstrap_many(people, statistics, draws=draws)
    return Agreement(
        spearman=found[:units],
        pearson=found[units : 2 * units],
        error=found[2 * units : 3 * units],
        median=found[-2],
        least=found[-1],
    )


def median_spearman(
    people: NDArray[np.int64], asked: Floats, measured: Floats, *, draws: int = DRAWS
) -> Estimate:
    """Median over all columns of Spearman's correlation."""

    def statistic(rows: NDArray[np.int64]) -> Floats:
        return np.array([np.median(spearman(asked[rows], measured[rows]))])

    return bootstrap_many(people, statistic, draws=draws)[0]


def crosstalk_estimate(
    people: NDArray[np.int64], asked: Floats, measured: Floats, *, draws: int = DRAWS
) -> Estimate:
    """`mean_crosstalk`, its interval the width of the draws' percentiles around the value.

    A mean of absolute values grows with noise, and drawing people again adds noise: the
    percentiles themselves would lie above the value.
    """

    def statistic(rows: NDArray[np.int64]) -> Floats:
        return np.array([mean_crosstalk(asked[rows], measured[rows])])

    rough = bootstrap_many(people, statistic, draws=draws)[0]
    half = (rough.high - rough.low) / 2
    return Estimate(rough.value, max(0.0, rough.value - half), min(1.0, rough.value + half))
