from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import WeightsError
from synfer_core.facs import AU_SLOTS, MIRRORED_SLOTS
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig

CONFIGS = {
    "cnn": ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1)),
    "resnet": ClassifierConfig("resnet", 64, widths=(8, 16), depths=(1, 1)),
    "convnextv2": ClassifierConfig("convnextv2", 64, widths=(8, 16, 16, 24), depths=(1, 1, 1, 1)),
}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


def make(name: str = "cnn", **changes: object) -> Classifier:
    torch.manual_seed(0)
    config = ClassifierConfig(**{**vars(CONFIGS[name]), **changes})
    return Classifier(config).eval()


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", [64, 96])
def test_each_backbone_reads_any_size_and_passes_gradients(name: str, size: int) -> None:
    images = torch.rand(2, 3, size, size, requires_grad=True)
    reading = make(name)(images)
    assert reading.expressions is not None
    assert reading.aus is not None
    assert reading.expressions.shape == (2, 8)
    assert reading.aus.shape == (2, 36)
    reading.expressions.logsumexp(-1).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_crop_keeps_the_middle() -> None:
    config = ClassifierConfig(input_size=32, crop=0.5)
    images = torch.zeros(1, 3, 64, 64)
    images[..., 16:48, 16:48] = 1
    assert torch.equal(classifier.crop_and_resize(images, config), torch.ones(1, 3, 32, 32))


def test_mirrored_slots_swap_sides_and_keep_middles() -> None:
    named = [AU_SLOTS[i] for i in MIRRORED_SLOTS]
    assert named[AU_SLOTS.index("AUL12")] == "AUR12"
    assert named[AU_SLOTS.index("AUR12")] == "AUL12"
    assert named[AU_SLOTS.index("AU25")] == "AU25"


def test_probabilities_sum_to_one_and_a_mirror_image_reads_the_same() -> None:
    net = make()
    read = classifier.probabilities(net, IMAGES)
    np.testing.assert_allclose(read.sum(1), 1, rtol=1e-5)
    mirrored = classifier.probabilities(net, IMAGES[:, :, ::-1], batch=2)
    np.testing.assert_allclose(mirrored, read, atol=1e-5)


def test_intensities_of_a_mirror_image_have_their_sides_swapped() -> None:
    net = make(aus=True)
    assert net.aus is not None
    torch.nn.init.normal_(net.aus.weight, std=0.2)
    read = classifier.intensities(net, IMAGES)
    assert read.min() >= 0
    assert 1 < read.max() <= 5
    mirrored = classifier.intensities(net, IMAGES[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, MIRRORED_SLOTS], read, atol=1e-4)


def test_reading_without_the_head_is_refused() -> None:
    with pytest.raises(ValueError, match="no AUs"):
        classifier.intensities(make(aus=False), IMAGES)
    with pytest.raises(ValueError, match="no expressions"):
        classifier.probabilities(make(expressions=False), IMAGES)


def test_saved_networks_come_back_and_keep_their_kind(tmp_path: Path) -> None:
    net = make("resnet")
    classifier.save(net, tmp_path / "judge.safetensors", "judge")
    loaded, sha256 = classifier.load(tmp_path / "judge.safetensors", "judge")
    assert loaded.config == net.config
    assert len(sha256) == 64
    expected = classifier.probabilities(net, IMAGES)
    np.testing.assert_allclose(classifier.probabilities(loaded, IMAGES), expected, atol=2e-3)
    with pytest.raises(WeightsError, match="judge"):
        classifier.load(tmp_path / "judge.safetensors", "au-reader")
