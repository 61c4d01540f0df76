from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import DataError, RequestError, WeightsError
from synfer_core.evaluation.features import Space
from synfer_core.lab import align as alignment
from synfer_core.lab.align import SPACES, SpaceName, align, kernel, onto_simplex
from synfer_core.lab.images import Faces
from synfer_core.synthesizer import DEFAULT_FOLDER

BRIGHT = Space("mean colour", lambda images: images.mean((1, 2)).astype(np.float64))


def shaded(faces: Faces, shades: np.ndarray, name: str) -> Faces:
    """Faces of one shade of grey each, with a little noise."""
    rng = np.random.default_rng(len(shades))
    noise = rng.normal(0, 8, (len(shades), 1, 1, 3))
    images = np.broadcast_to(shades[:, None, None, None] + noise, (len(shades), 16, 16, 3))
    return replace(
        faces,
        name=name,
        images=images.clip(0, 255).astype(np.uint8),
        labels=np.arange(len(shades)) % 4,
        people=-1 - np.arange(len(shades)),
        captions=(),
    )


@pytest.fixture
def sets(training: Faces) -> tuple[Faces, Faces]:
    """Synthetic faces of all shades, real ones mostly dark."""
    rng = np.random.default_rng(0)
    return (
        shaded(training, rng.uniform(20, 230, 300), "synthetic"),
        shaded(training, rng.normal(70, 15, 60), "real"),
    )


def test_weights_bring_the_distributions_together(sets: tuple[Faces, Faces]) -> None:
    synthetic, real = sets
    made = align(synthetic, real, BRIGHT)
    assert made.weights.sum() == pytest.approx(1)
    assert made.weights.min() >= 0
    assert made.after < 0.2 * made.before
    assert 30 <= made.effective < 200
    shade = synthetic.images.mean((1, 2, 3))
    assert abs((made.weights * shade).sum() - real.images.mean()) < 12 < abs(shade.mean() - 70)
    for label in range(4):
        share = (synthetic.labels == label).mean()
        assert made.weights[synthetic.labels == label].sum() == pytest.approx(share)
    told = made.to_dict()
    assert told["space"] == "mean colour"
    assert (told["real_matched"], told["real_kept_out"]) == (48, 12)
    np.testing.assert_array_equal(made.weights, align(synthetic, real, BRIGHT).weights)


def test_faces_that_are_alike_keep_almost_equal_weights(sets: tuple[Faces, Faces]) -> None:
    synthetic, _ = sets
    twin = replace(synthetic, images=synthetic.images[::-1].copy())
    made = align(synthetic, twin, BRIGHT)
    assert made.effective > 0.6 * len(synthetic)


def test_the_nearest_weights_sum_to_one_under_the_cap() -> None:
    weights = onto_simplex(np.array([3.0, 2.9, 0.1, -5.0]), 0.4)
    np.testing.assert_allclose(weights, [0.4, 0.4, 0.2, 0.0], atol=1e-6)
    even = onto_simplex(np.full(5, 0.2), 0.4)
    np.testing.assert_allclose(even, 0.2)


def test_the_discrepancy_of_one_distribution_is_about_zero() -> None:
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(400, 3)), rng.normal(size=(400, 3)), rng.normal(1, 1, (400, 3))
    even = np.full(400, 1 / 400)

    def apart(other: np.ndarray) -> float:
        parts = kernel(a, a, 2.0), kernel(a, other, 2.0), kernel(other, other, 2.0)
        return alignment.discrepancy(even, *parts)

    assert abs(apart(b)) < 0.004
    assert apart(c) > 0.1


def test_a_class_without_weight_gets_equal_ones() -> None:
    kept = alignment.keep_shares(np.array([0.0, 0.0, 0.3, 0.7]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(kept, [0.25, 0.25, 0.15, 0.35])


def test_too_few_faces_and_odd_caps_are_refused(sets: tuple[Faces, Faces]) -> None:
    synthetic, real = sets
    with pytest.raises(DataError, match="has 9 faces"):
        align(synthetic, real.take(np.arange(9)), BRIGHT)
    with pytest.raises(RequestError, match="above 1"):
        align(synthetic, real, BRIGHT, most=1.0)


@pytest.mark.parametrize("name", SPACES)
def test_spaces_are_gauges_that_ship(name: SpaceName, training: Faces, tmp_path: Path) -> None:
    space = alignment.space_of(name, DEFAULT_FOLDER)
    assert space.name.startswith(name)
    assert space.read(training.images[:3]).shape[0] == 3
    with pytest.raises(WeightsError):
        alignment.space_of(name, tmp_path)
