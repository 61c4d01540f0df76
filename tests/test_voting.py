from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from synfer_core import voting
from synfer_core.calibration import doubtful, nll
from synfer_core.voting import POOLS, RULES, STATUSES, Asked, Vote

PEOPLE = np.arange(1200) // 4


def world(
    noise: tuple[float, ...], count: int = 1200, seed: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Experts a, b, ... that see the truth through noise of their own, each well calibrated."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, count)
    asked = {}
    for name, level in zip("abcdef", noise, strict=False):
        seen = np.eye(8)[labels] + rng.normal(0, level, (count, 8))
        asked[name] = softmax(seen / level**2, axis=1)
    return asked, labels


def logs(asked: Asked) -> np.ndarray:
    return np.stack([np.log(p) for p in asked.values()])


def equally_sure(asked: Asked) -> dict[str, np.ndarray]:
    """The same experts, each as sure of itself as the others, whatever it knows."""
    sure = {}
    for name, p in asked.items():
        seen = np.log(p)
        spread = (seen - seen.mean(1, keepdims=True)) / seen.std(1, keepdims=True)
        sure[name] = softmax(2 * spread, axis=1)
    return sure


def equal(asked: Asked, **changes: object) -> Vote:
    names = list(asked)
    values = {
        "pool": "linear",
        "weights": dict.fromkeys(names, 1 / len(names)),
        "temperatures": dict.fromkeys(names, 1.0),
        "temperature": 1.0,
        "confirm": 0.3,
        "relabel": 0.7,
        "likelihood": {},
    }
    return Vote(**values | changes)


def test_pools_by_hand() -> None:
    asked = {"a": np.array([[0.9, 0.1] + [0.0] * 6]), "b": np.array([[0.5, 0.5] + [0.0] * 6])}
    weights = {"a": 0.25, "b": 0.75}
    linear = equal(asked, weights=weights).together(asked)
    assert linear[0, 0] == pytest.approx(0.25 * 0.9 + 0.75 * 0.5, abs=1e-3)
    geometric = equal(asked, weights=weights, pool="log-linear").together(asked)
    odds = (0.9 / 0.1) ** 0.25
    assert geometric[0, 0] == pytest.approx(odds / (1 + odds), abs=1e-3)
    sharper = equal(asked, weights=weights, temperature=0.5).together(asked)
    assert sharper[0, 0] == pytest.approx(0.6**2 / (0.6**2 + 0.4**2), abs=1e-3)


def test_no_expert_has_a_veto() -> None:
    asked = {"a": np.eye(8)[[0]], "b": np.eye(8)[[1]], "c": np.eye(8)[[1]]}
    together = equal(asked, pool="log-linear").together(asked)
    assert np.isfinite(together).all()
    assert together.argmax() == 1


@pytest.mark.parametrize("pool", POOLS)
def test_weights_are_shares_and_follow_what_experts_know(pool: voting.Pool) -> None:
    asked, labels = world((0.4, 0.8, 9.0))
    asked = equally_sure(asked)
    weights, temperature = voting.fit_weights(logs(asked), labels, pool)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert weights[0] > weights[1] > weights[2]
    assert weights[2] < 0.1
    best = nll(voting._pooled(logs(asked), weights, pool), labels, temperature)
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = rng.dirichlet(np.ones(3))
        assert nll(voting._pooled(logs(asked), other, pool), labels, temperature) >= best - 1e-6


def test_independent_evidence_wants_the_log_linear_pool_and_alternatives_the_linear() -> None:
    independent, labels = world((0.6, 0.6))
    assert voting.fit(independent, labels, PEOPLE).pool == "log-linear"
    rng = np.random.default_rng(2)
    first, second = rng.dirichlet(np.full(8, 0.2), (2, 1200))
    # Each time one of the two is right, and which one cannot be told: a mixture by making.
    believed = np.where(rng.random((1200, 1)) < 0.5, first, second)
    labels = (rng.random((1200, 1)) > believed.cumsum(1)[:, :-1]).sum(1)
    vote = voting.fit({"a": first, "b": second}, labels, PEOPLE)
    assert vote.pool == "linear"
    assert vote.likelihood["linear"] < vote.likelihood["log-linear"] - 0.05


def test_the_vote_is_likelier_and_righter_than_each_alone() -> None:
    asked, labels = world((0.6, 0.7, 0.8))
    fresh, truth = world((0.6, 0.7, 0.8), seed=5)
    vote = voting.fit(asked, labels, PEOPLE)
    together = vote.together(fresh)
    for name in asked:
        alone = voting.fit({name: asked[name]}, labels, PEOPLE).together(fresh)
        assert nll(np.log(together), truth) < nll(np.log(alone), truth) - 0.1
        assert (together.argmax(1) == truth).mean() > (alone.argmax(1) == truth).mean() + 0.02


def test_experts_too_sure_of_themselves_are_tempered() -> None:
    asked, labels = world((0.6, 0.7))
    proud = asked | {"b": softmax(4 * np.log(asked["b"] + 1e-9), axis=1)}
    vote = voting.fit(proud, labels, PEOPLE)
    assert vote.temperatures["a"] == pytest.approx(1, abs=0.15)
    assert vote.temperatures["b"] > 2
    assert vote.tempered(proud)["b"].max(1).mean() < proud["b"].max(1).mean()


def test_one_expert_alone_has_the_whole_vote() -> None:
    asked, labels = world((0.6,))
    vote = voting.fit(asked, labels, PEOPLE)
    assert vote.weights == {"a": 1.0}
    assert vote.pool == "linear"
    expected = softmax(log_softmax(np.log(asked["a"]), axis=1) / vote.temperatures["a"], axis=1)
    np.testing.assert_allclose(vote.together(asked), expected, atol=0.01)


def test_the_confirming_threshold_keeps_its_promise() -> None:
    asked, labels = world((0.6, 0.7))
    vote = voting.fit(asked, labels, PEOPLE)
    together = vote.together(asked)
    assert doubtful(together, labels, vote.confirm).mean() == pytest.approx(RULES.doubted, abs=2e-3)
    status, after = vote.decide(together, labels)
    assert (status == 0).mean() == pytest.approx(1 - RULES.doubted, abs=2e-3)
    assert (after[status == 0] == labels[status == 0]).all()


@pytest.mark.parametrize("precision", [0.8, 0.95, 0.99])
def test_replaced_labels_are_right_as_often_as_promised(precision: float) -> None:
    asked, labels = world((0.5, 0.6), count=4000)
    rules = voting.Rules(precision=precision)
    vote = voting.fit(asked, labels, np.arange(4000) // 4, rules)
    assert vote.relabel is not None
    fresh, truth = world((0.5, 0.6), count=4000, seed=3)
    rng = np.random.default_rng(4)
    wrong = rng.random(4000) < rules.corrupted
    given = np.where(wrong, (truth + rng.integers(1, 8, 4000)) % 8, truth)
    status, after = vote.decide(vote.together(fresh), given)
    replaced = status == STATUSES.index("relabelled")
    assert replaced.sum() > 200
    assert (after == truth)[replaced].mean() == pytest.approx(precision, abs=0.025)


def test_a_higher_demand_replaces_fewer_labels() -> None:
    asked, labels = world((0.5, 0.6))
    thresholds = [
        voting.fit(asked, labels, PEOPLE, voting.Rules(precision=p)).relabel
        for p in (0.5, 0.95, 0.99)
    ]
    assert None not in thresholds
    assert thresholds == sorted(thresholds)  # type: ignore[type-var]


def test_the_relabelling_threshold_by_hand() -> None:
    """Of three images two are read right, more surely than the third is read wrong."""
    together = np.full((3, 8), 0.01)
    together[0, 2], together[1, 3], together[2, 4] = 0.93, 0.8, 0.6
    labels = np.array([2, 3, 0])
    found = voting.fit_relabel(together, labels, 0.5, voting.Rules(precision=0.99))
    assert found == pytest.approx(0.8)
    # The third image has seven labels that are not confirmed, and its own is the likely one: 0.7
    # and six of 0.3 / 7 go wrong, against fourteen of 0.3 / 7 that go right.
    wrong, right = 0.7 + 6 * 0.3 / 7, 14 * 0.3 / 7
    share = right / (right + wrong)
    for demand, expected in ((share - 0.01, 0.6), (share + 0.01, 0.8)):
        found = voting.fit_relabel(together, labels, 0.5, voting.Rules(precision=demand))
        assert found == pytest.approx(expected)


def test_where_nothing_is_right_nothing_is_replaced() -> None:
    together = np.eye(8)[[1, 2, 3]] * 0.9 + 0.0125
    assert voting.fit_relabel(together, np.array([4, 5, 6]), 0.5) is None
    vote = equal({"a": together}, relabel=None)
    status, after = vote.decide(together, np.array([4, 5, 6]))
    assert [STATUSES[s] for s in status] == ["rejected"] * 3
    assert after.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("label", "status", "after"),
    [
        ("happiness", "confirmed", "happiness"),
        ("fear", "relabelled", "happiness"),
    ],
)
def test_a_verdict_says_what_why_and_how_surely(label: str, status: str, after: str) -> None:
    rows = {"a": np.array([[0.02, 0.86] + [0.02] * 6]), "b": np.array([[0.3, 0.7] + [0.0] * 6])}
    verdict = equal(rows, weights={"a": 0.6, "b": 0.4}).verdict(rows, label)  # type: ignore[arg-type]
    assert (verdict.status, verdict.label) == (status, after)
    assert verdict.was == (label if status == "relabelled" else None)
    assert verdict.confidence == pytest.approx(0.6 * 0.86 + 0.4 * 0.7, abs=1e-3)
    assert [(e.expert, e.weight) for e in verdict.evidence] == [("a", 0.6), ("b", 0.4)]
    for evidence in verdict.evidence:
        np.testing.assert_allclose(evidence.probabilities, rows[evidence.expert][0], atol=1e-3)
    told = verdict.to_dict()
    assert told["status"] == status
    assert told["evidence"][0]["probabilities"]["happiness"] == pytest.approx(0.86, abs=1e-3)
    assert after in str(verdict)


def test_between_two_expressions_a_third_is_rejected() -> None:
    rows = {"a": np.array([[0.5, 0.48] + [0.02 / 6] * 6])}
    verdict = equal(rows).verdict(rows, "anger")
    assert (verdict.status, verdict.label, verdict.was) == ("rejected", "anger", None)
    assert verdict.confidence < 0.01
    assert "rejected as uncertain" in str(verdict)
    assert equal(rows).verdict(rows, "neutral").status == "confirmed"


def test_groups_are_all_each_alone_and_all_but_each() -> None:
    assert voting.groups(("a", "b", "c")) == [
        ("a", "b", "c"),
        *(("a",), ("b",), ("c",)),
        *(("b", "c"), ("a", "c"), ("a", "b")),
    ]
    assert voting.groups(("a", "b")) == [("a", "b"), ("a",), ("b",)]
    assert voting.groups(("a",)) == [("a",)]


def test_folds_hold_people_apart() -> None:
    folds = voting._folds(PEOPLE)
    assert np.sum(folds, axis=0).tolist() == [1] * len(PEOPLE)
    for fold in folds:
        assert not set(PEOPLE[fold]) & set(PEOPLE[~fold])
    assert len(voting._folds(np.array([1, 1, 2]))) == 2
