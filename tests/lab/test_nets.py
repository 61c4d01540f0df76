from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import WeightsError
from synfer_core.lab import nets
from synfer_core.lab.nets import ARCHITECTURES, CBAM, Architecture, Backbone, NetConfig, Recogniser
from synfer_core.synthesizer import DEFAULT_FOLDER


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nets_are_small_learn_throughout_and_come_back(
    architecture: Architecture, tmp_path: Path
) -> None:
    config = NetConfig(architecture, 32)
    net = Recogniser(Backbone(config))
    assert sum(p.numel() for p in net.parameters()) < 1_000_000
    net(torch.randn(4, 3, 48, 48)).square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None]
    assert not idle
    net.eval().requires_grad_(False)
    nets.save(net, config, tmp_path / "net.safetensors", "recogniser")
    again = nets.load_recogniser(tmp_path / "net.safetensors")
    images = np.random.default_rng(0).integers(0, 255, (300, 32, 32, 3), np.uint8)
    read = nets.in_batches(net, images)
    assert read.shape == (300, 8)
    np.testing.assert_array_equal(read, nets.in_batches(again, images))


def test_only_the_lab_s_own_weights_are_taken() -> None:
    for judge in DEFAULT_FOLDER.glob("judge-*.safetensors"):
        with pytest.raises(WeightsError, match="holds 'judge'"):
            nets.load_recogniser(judge)


def test_attention_weighs_channels_and_places() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 16, 5, 5)
    ratio = CBAM(16)(x).detach() / x
    assert 0 < float(ratio.min()) < float(ratio.max()) < 1
    # Each place's weight is the same for all channels once their own weights are divided out.
    places = ratio / ratio[:, :, :1, :1]
    torch.testing.assert_close(places, places[:, :1].expand_as(places))
    assert places.std() > 0
    assert ratio[:, :, 0, 0].std() > 0


def test_only_a_vit_freezes_its_patches() -> None:
    for architecture in ARCHITECTURES:
        net = Backbone(NetConfig(architecture, 32))
        net.freeze_patches()
        frozen = [name for name, p in net.named_parameters() if not p.requires_grad]
        assert bool(frozen) == (architecture == "vit")
        assert all("patch_embeddings" in name for name in frozen)


def test_a_perceptron_has_as_many_layers_as_asked() -> None:
    assert [m.out_features for m in nets.mlp(4, 5, 6, 7) if isinstance(m, torch.nn.Linear)] == [
        5,
        6,
        7,
    ]
