from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synfer_core.errors import WeightsError
from synfer_core.models import latent_classifier
from synfer_core.models.codec import Codec, CodecConfig
from synfer_core.models.latent_classifier import LatentClassifier, LatentClassifierConfig


def make(**changes: object) -> LatentClassifier:
    torch.manual_seed(0)
    sizes = {"latent_size": 4, "latent_channels": 6, "own": 4, "width": 16, "blocks": 1}
    return LatentClassifier(LatentClassifierConfig(**{"codec": "x", **sizes, **changes})).eval()


def codec() -> Codec:
    torch.manual_seed(0)
    net = Codec(CodecConfig(64, 6, (8, 8, 16), (1, 1, 1), heads=2))
    net.linear.basis.normal_()
    return net


def test_it_reads_both_heads_and_passes_gradients() -> None:
    latents = torch.randn(3, 6, 4, 4, requires_grad=True)
    reading = make()(latents)
    assert reading.expressions is not None
    assert reading.aus is not None
    assert reading.expressions.shape == (3, 8)
    assert reading.aus.shape == (3, 36)
    reading.expressions.logsumexp(-1).sum().backward()
    assert latents.grad is not None
    assert (latents.grad.abs().amax((0, 1)) > 0).all()


def test_places_have_weights_of_their_own() -> None:
    net = make()
    there = torch.zeros(1, 6, 4, 4)
    there[0, :, 1, 1] = 2.0
    with torch.no_grad():
        here = net(there.roll((1, 1), (2, 3))).expressions
        assert not torch.allclose(net(there).expressions, here, atol=1e-4)


def test_mean_and_deviation_of_the_training_set_do_not_matter_to_it() -> None:
    latents = torch.randn(50, 6, 4, 4)
    net, moved = make(), make()
    net.fit(latents)
    moved.fit(latents * 3 + 5)
    with torch.no_grad():
        expected = net(latents).expressions
        torch.testing.assert_close(moved(latents * 3 + 5).expressions, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [8, 16])
def test_it_is_small_in_both_profiles(size: int, tmp_path: Path) -> None:
    net = LatentClassifier(LatentClassifierConfig("x", latent_size=size))
    latent_classifier.save(net, tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").stat().st_size < 800_000


def test_it_comes_back_for_its_own_codec_alone(tmp_path: Path) -> None:
    ours = codec()
    net = make(codec=ours.linear.fingerprint())
    path = tmp_path / "latent-classifier.safetensors"
    latent_classifier.save(net, path)
    loaded, sha256 = latent_classifier.load(path, ours)
    assert len(sha256) == 64
    assert loaded.config == net.config
    latents = torch.randn(2, 6, 4, 4)
    with torch.no_grad():
        expected = net(latents).expressions
        torch.testing.assert_close(loaded(latents).expressions, expected, atol=2e-3, rtol=0)
    ours.linear.scale.mul_(2)
    with pytest.raises(WeightsError, match="another codec") as caught:
        latent_classifier.load(path, ours)
    assert caught.value.field == path.name
