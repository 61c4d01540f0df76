from __future__ import annotations

import numpy as np
import pytest

from synfer_core.faces.blendshapes import CANDIDATES, GAUGES, JAW_SHAPE, Gauge
from synfer_core.faces.fit import Pair, correlation, fit, jaw_points, points
from synfer_core.faces.landmarks import Face
from synfer_core.facs import AU_SLOTS


def pair(smile: float, habit: float, jaw: float = 0.0) -> Pair:
    """A face whose smile score is a tenth of AU12 plus what the person's mouth does at rest."""
    aus = dict.fromkeys(AU_SLOTS, 0.0) | {"AUL12": smile, "AUR12": smile, "AU27": jaw}
    score = 0.1 * smile + habit
    faces = [
        Face(
            np.zeros((478, 2), np.float32),
            {"mouthSmileLeft": s, "mouthSmileRight": s, JAW_SHAPE: jaw / 5},
        )
        for s in (score, habit)
    ]
    return Pair(faces[0], faces[1], aus)


@pytest.fixture(scope="module")
def pairs() -> tuple[Pair, ...]:
    rng = np.random.default_rng(0)
    return tuple(pair(*rng.uniform((0, 0), (5, 0.4))) for _ in range(200))


def test_against_the_neutral_a_habit_falls_out(pairs: tuple[Pair, ...]) -> None:
    fitted = fit(Gauge(12, "mouthSmile*", absolute=False), pairs[:100], pairs[100:])
    assert (fitted.gain, fitted.offset, fitted.r) == (10.0, 0.0, 1.0)


def test_alone_a_habit_costs(pairs: tuple[Pair, ...]) -> None:
    fitted = fit(Gauge(12, "mouthSmile*", absolute=True), pairs[:100], pairs[100:])
    assert fitted.gain < 9.0
    assert 0.6 < fitted.r < 0.95


def test_both_sides_count(pairs: tuple[Pair, ...]) -> None:
    scores, truths = points(Gauge(12, "mouthSmile*", absolute=True), pairs, paired=False)
    assert len(scores) == len(truths) == 2 * len(pairs)


def test_a_key_for_both_sides_is_their_mean() -> None:
    one_sided = Pair(pair(0, 0).face, pair(0, 0).neutral, {"AUL1": 4.0, "AUR1": 1.0})
    assert one_sided.truth("AU1") == 2.5
    assert one_sided.truth("AUL1") == 4.0


def test_the_jaw_drops_by_its_unit() -> None:
    scores, drops = jaw_points((pair(0, 0, jaw=5.0), pair(0, 0)))
    assert scores.tolist() == [1.0, 0.0]
    assert drops.tolist() == pytest.approx([0.95, 0.0])


def test_scores_that_never_move_correlate_with_nothing() -> None:
    assert correlation((np.zeros(5), np.arange(5.0))) == 0.0


def test_the_table_holds_what_the_fit_found_usable() -> None:
    assert set(GAUGES) <= set(CANDIDATES)
    assert all(gauge.r >= 0.3 for gauge in GAUGES)
