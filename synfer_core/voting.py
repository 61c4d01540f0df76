"""Voting: FERAnno and the experts together say what a face expresses, and whether a label holds.

SynFER (He et al. 2025, https://arxiv.org/abs/2410.09865, Figure 3) lets FERAnno and expert
recognisers vote on the label of a generated image. Here the vote is weighted and soft. Expert k's
probabilities p_k are tempered by a temperature of their own; with weights w_k >= 0 that sum to 1
and a temperature T of the whole, the vote is one of two pools (Genest and Zidek 1986,
https://doi.org/10.1214/ss/1177013825):

    linear      p ~ (sum_k w_k p_k) ^ (1 / T)
    log-linear  p ~ (prod_k p_k ^ w_k) ^ (1 / T)

Weights and temperatures make validation labels likeliest, and the pool is the one under which held
out validation people are likelier. T is needed because a linear pool of calibrated experts is less
sure than it could be (Ranjan and Gneiting 2010, https://doi.org/10.1111/j.1467-9868.2009.00726.x).

A label is confirmed unless `calibration.doubtful` speaks against it; else it is replaced where the
vote is sure enough of another, or rejected. Both thresholds are chosen on validation images by
`Rules`; `synfer_core.panel` stores them with the weights and the hash of each expert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax

from synfer_core.calibration import doubtful, fit_doubt, fit_temperature, nll
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.report import Evidence, Status, Verdict

Pool = Literal["linear", "log-linear"]
POOLS: tuple[Pool, ...] = ("linear", "log-linear")
STATUSES: tuple[Status, ...] = ("confirmed", "relabelled", "rejected")

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]
Asked = Mapping[str, Floats]
"""By expert: what it says of the same N images, (N, 8)."""

FOLDS = 5
_FLOOR = 1e-4
"""No expert counts as surer than this that an expression is absent: none has a veto."""
_SHARPEST, _SOFTEST = np.log(0.05), np.log(20.0)


@dataclass(frozen=True)
class Rules:
    """How thresholds are chosen on validation images.

    Attributes:
        doubted: Share of right labels that may go unconfirmed.
        precision: Share of replaced labels that must be right afterwards.
        corrupted: Share of wrong labels that is reckoned with; each wrong one is as likely.
    """

    doubted: float = 0.05
    precision: float = 0.95
    corrupted: float = 0.3


RULES = Rules()


@dataclass(frozen=True)
class Vote:
    """How some experts are weighed, and from where on their vote counts.

    Attributes:
        pool: How they are put together.
        weights: By expert: its share, in all 1.
        temperatures: By expert: divides the logarithms of its probabilities.
        temperature: Divides those of the pool.
        confirm: A label at least so likely is confirmed.
        relabel: Another label at least so likely replaces one that is not; None replaces none.
        likelihood: By pool: mean -log probability of held-out validation labels.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    pool: Pool
    weights: Mapping[str, float]
    temperatures: Mapping[str, float]
    temperature: float
    confirm: float
    relabel: float | None
    likelihood: Mapping[Pool, float]

    @property
    def members(self) -> frozenset[str]:
        """Who votes."""
        return frozenset(self.weights)

    def tempered(self, asked: Asked) -> dict[str, Floats]:
        """What each member says (N, 8), as it counts."""
        return {
            name: softmax(_logs(asked[name]) / self.temperatures[name], axis=1)
            for name in self.weights
        }

    def together(self, asked: Asked) -> Floats:
        """The vote's probabilities (N, 8)."""
        logs = np.stack([np.log(p) for p in self.tempered(asked).values()])
        pooled = _pooled(logs, np.array(list(self.weights.values())), self.pool)
        return cast(Floats, softmax(pooled / self.temperature, axis=1))

    def decide(self, together: Floats, labels: Labels) -> tuple[Labels, Labels]:
        """Verdicts on labels (N,) under the vote's probabilities (N, 8).

        Returns:
            Indices into `STATUSES` (N,), and the labels afterwards (N,).
        """
        best = together.argmax(1)
        sure = together.max(1) >= (np.inf if self.relabel is None else self.relabel)
        status = np.where(sure & (best != labels), 1, 2)
        status = np.where(doubtful(together, labels, self.confirm), status, 0)
        return status, np.where(status == 1, best, labels)

    def verdict(self, asked: Asked, label: Expression) -> Verdict:
        """The verdict on one image's label; `asked` holds one row (1, 8) an expert."""
        together = self.together(asked)
        given = np.array([EXPRESSIONS.index(label)])
        (status,), (after,) = self.decide(together, given)
        return Verdict(
            status=STATUSES[status],
            label=EXPRESSIONS[after],
            was=label if STATUSES[status] == "relabelled" else None,
            confidence=float(together[0, after]),
            evidence=tuple(
                Evidence(name, tuple(map(float, rows[0])), self.weights[name])
                for name, rows in self.tempered(asked).items()
            ),
        )


def _logs(probabilities: Floats) -> Floats:
    return cast(Floats, np.log(np.maximum(probabilities.astype(np.float64), _FLOOR)))


def _pooled(logs: Floats, weights: Floats, pool: Pool) -> Floats:
    """Logarithms (N, 8), not normalised, of the pool of experts' (K, N, 8)."""
    if pool == "log-linear":
        return cast(Floats, np.tensordot(weights, logs, 1))
    return cast(Floats, logsumexp(logs, axis=0, b=weights[:, None, None] + 1e-12))


def fit(asked: Asked, labels: Labels, people: Labels, rules: Rules = RULES) -> Vote:
    """The vote of some experts, fitted on validation images.

    Args:
        asked: What each says of them.
        labels: (N,) their true labels.
        people: (N,) who is in them; folds hold people apart.
        rules: How the thresholds are chosen.
    """
    temperatures = {name: fit_temperature(_logs(p), labels) for name, p in asked.items()}
    logs = np.stack([log_softmax(_logs(p) / temperatures[n], axis=1) for n, p in asked.items()])
    likelihood = {pool: _held_out(logs, labels, people, pool) for pool in POOLS}
    # Rounded, so that one expert alone, for whom both are the same, always gets the first.
    pool = min(POOLS, key=lambda name: round(likelihood[name], 6))
    weights, temperature = fit_weights(logs, labels, pool)
    together = softmax(_pooled(logs, weights, pool) / temperature, axis=1)
    confirm = fit_doubt(together, labels, rules.doubted)
    return Vote(
        pool=pool,
        weights=dict(zip(asked, map(float, weights), strict=True)),
        temperatures=temperatures,
        temperature=temperature,
        confirm=confirm,
        relabel=fit_relabel(together, labels, confirm, rules),
        likelihood=likelihood,
    )


def fit_weights(logs: Floats, labels: Labels, pool: Pool) -> tuple[Floats, float]:
    """Weights (K,), none negative and in all 1, and the temperature that fit labels (N,) best.

    Args:
        logs: (K, N, 8) log-probabilities of K experts.
        labels: Their true labels.
        pool: How they are put together.
    """
    count = len(logs)

    def loss(x: Floats) -> float:
        return nll(_pooled(logs, x[:count].clip(0), pool), labels, float(np.exp(x[count])))

    found = minimize(
        loss,
        np.append(np.full(count, 1 / count), 0.0),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count + [(_SHARPEST, _SOFTEST)],
        constraints={"type": "eq", "fun": lambda x: x[:count].sum() - 1.0},
    )
    weights = found.x[:count].clip(0)
    return weights / weights.sum(), float(np.exp(found.x[count]))


def _held_out(logs: Floats, labels: Labels, people: Labels, pool: Pool) -> float:
    """Mean -log probability of labels under weights fitted on other people."""
    losses = np.zeros(len(labels))
    for fold in _folds(people):
        weights, temperature = fit_weights(logs[:, ~fold], labels[~fold], pool)
        log_p = log_softmax(_pooled(logs[:, fold], weights, pool) / temperature, axis=1)
        losses[fold] = -log_p[np.arange(fold.sum()), labels[fold]]
    return float(losses.mean())


def _folds(people: Labels) -> list[NDArray[np.bool_]]:
    """Masks (N,) that share out whole people, in an order of their own."""
    names, index = np.unique(people, return_inverse=True)
    place = np.random.default_rng(0).permutation(len(names)) % FOLDS
    masks = [place[index] == fold for fold in range(FOLDS)]
    return [mask for mask in masks if mask.any()]


def fit_relabel(
    together: Floats, labels: Labels, confirm: float, rules: Rules = RULES
) -> float | None:
    """The lowest threshold at which replaced labels are right as often as `rules` demand.

    Each image counts with its right label and with each wrong one, weighed as often as `rules`
    reckon with it, so that no draw of wrong labels decides. None where no threshold will do.

    Args:
        together: (N, 8) the vote's probabilities.
        labels: (N,) the true labels.
        confirm: Labels at least so likely are confirmed and never replaced.
        rules: How often labels are wrong, and how often replaced ones must be right.
    """
    count = len(EXPRESSIONS)
    best, given = together.argmax(1)[:, None], np.arange(count)[None]
    replaced = (together < confirm) & (given != best)
    right = np.broadcast_to(best == labels[:, None], replaced.shape)[replaced]
    wrong_label = rules.corrupted / (count - 1)
    mass = np.where(given == labels[:, None], 1 - rules.corrupted, wrong_label)[replaced]
    sure = np.broadcast_to(together.max(1)[:, None], replaced.shape)[replaced]
    order = np.argsort(-sure, kind="stable")
    precision = np.cumsum((mass * right)[order]) / np.cumsum(mass[order])
    # Of equally sure ones only the last has all of them behind it.
    last = np.append(sure[order][1:] < sure[order][:-1], True)[: len(order)]
    enough = np.flatnonzero((precision >= rules.precision) & last)
    return float(sure[order][enough[-1]]) if len(enough) else None


def groups(names: Sequence[str]) -> list[tuple[str, ...]]:
    """All of them, each alone, all but each; none twice and none empty."""
    rest = [tuple(n for n in names if n != absent) for absent in names]
    wanted = [tuple(names), *((n,) for n in names), *rest]
    return [group for group in dict.fromkeys(wanted) if group]
