from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from synfer_core.decoding import to_tensor
from synfer_core.errors import WeightsError
from synfer_core.evaluation import features
from synfer_core.models import attributes, classifier
from synfer_core.models.attributes import AttributeConfig, AttributeReader
from synfer_core.models.classifier import Classifier, ClassifierConfig

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 32, 32, 3), np.uint8)


def judge(folder: Path, name: str, seed: int) -> Classifier:
    torch.manual_seed(seed)
    path = folder / f"judge-{name}.safetensors"
    net = Classifier(ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1)))
    classifier.save(net, path, "judge")
    return classifier.load(path, "judge")[0]


def test_the_space_of_a_judge_is_named_and_is_what_its_heads_see(tmp_path: Path) -> None:
    judge(tmp_path, "a", 0)
    judge(tmp_path, "b", 1)
    assert features.judged(tmp_path).name.startswith("judge-a:")
    net = judge(tmp_path, "convnextv2", 2)
    space = features.judged(tmp_path)
    assert space.name == "judge-convnextv2: last feature map, mean over its 9 places, 16 numbers"
    with torch.no_grad():
        expected = net.features(to_tensor(IMAGES)).view(5, 16, 3, 3).mean((2, 3))
    np.testing.assert_allclose(space.read(IMAGES), expected, atol=1e-5)
    many = space.read(np.concatenate([IMAGES] * 9))
    np.testing.assert_allclose(many[-5:], space.read(IMAGES), atol=1e-5)


def test_the_space_of_looks_is_the_attribute_judges(tmp_path: Path) -> None:
    path = tmp_path / "attributes.safetensors"
    with pytest.raises(WeightsError, match="attributes"):
        features.looks(path)
    attributes.save(AttributeReader(AttributeConfig(32, widths=(8, 12), depths=(1, 1))), path)
    space = features.looks(path)
    assert space.name.startswith("attributes: ")
    assert space.read(IMAGES).shape == (5, 12)


def test_frechet_of_many_samples_is_that_of_their_gaussians() -> None:
    mean, spread = np.array([1.0, -2.0, 0.5]), np.diag([1.0, 4.0, 0.25])
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    other = turn @ np.diag([2.0, 1.0, 0.5]) @ turn.T
    first = RNG.multivariate_normal(np.zeros(3), spread, 60_000)
    second = RNG.multivariate_normal(mean, other, 60_000)
    root = sqrtm(spread @ other)
    expected = (mean**2).sum() + np.trace(spread + other - 2 * np.real(root))
    assert features.frechet(first, second) == pytest.approx(expected, rel=0.02)
    assert features.frechet(second, first) == pytest.approx(features.frechet(first, second))


def test_frechet_is_zero_to_itself_and_real_with_more_numbers_than_images() -> None:
    few = RNG.normal(size=(12, 40))
    assert features.frechet(few, few) == pytest.approx(0, abs=1e-8)
    moved = features.frechet(few, few + 1)
    assert moved == pytest.approx(40, rel=1e-6)
    flat = np.ones((12, 40))
    assert features.frechet(flat, flat) == pytest.approx(0, abs=1e-12)


def test_covariances_of_few_samples_are_shrunk_and_those_of_many_are_not() -> None:
    scale = np.array([1.0, 9.0, 1.0, 1.0])
    few, many = (RNG.normal(size=(n, 4)) * np.sqrt(scale) for n in (8, 20_000))
    few, many = few - few.mean(0), many - many.mean(0)
    np.testing.assert_allclose(np.diag(features.shrunk(many)), scale, rtol=0.06)
    sample = few.T @ few / len(few)
    found = features.shrunk(few)
    assert np.trace(found) == pytest.approx(np.trace(sample))
    values = [np.linalg.eigvalsh(matrix) for matrix in (found, sample)]
    assert np.ptp(values[0]) < np.ptp(values[1])
    assert values[0].min() > values[1].min()


def test_shrinking_brings_covariances_nearer_to_the_truth() -> None:
    errors = []
    for _ in range(20):
        few = RNG.normal(size=(30, 20))
        few -= few.mean(0)
        pair = features.shrunk(few), few.T @ few / len(few)
        errors.append([((matrix - np.eye(20)) ** 2).sum() for matrix in pair])
    shrunk, plain = np.mean(errors, axis=0)
    assert shrunk < plain / 3


def test_distances_between_people_are_means_over_what_they_show() -> None:
    shown = np.zeros((3, 2, 2))
    shown[1, 0], shown[1, 1] = (3, 4), (0, 1)
    shown[2] = shown[1]
    distances = features.apart(shown)
    np.testing.assert_allclose(distances, [[0, 3, 3], [3, 0, 0], [3, 0, 0]])
    assert features.mean_apart(distances, np.arange(3)) == pytest.approx(2)
    assert features.mean_apart(distances, np.array([0, 1, 1])) == pytest.approx(3)
    assert features.mean_apart(distances, np.array([1, 1])) == 0


def test_each_person_is_left_out_of_both_sets() -> None:
    first, second = RNG.normal(size=(2, 4, 8, 3))
    found = features.left_out(first, second)
    assert found.shape == (4,)
    by_hand = features.frechet(first[1:].reshape(-1, 3), second[1:].reshape(-1, 3))
    assert found[0] == pytest.approx(by_hand)
