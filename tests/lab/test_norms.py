from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from synfer_core.decoding import to_tensor
from synfer_core.errors import DataError, RequestError
from synfer_core.lab import norms
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import Backbone, NetConfig, Recogniser
from synfer_core.lab.target import Target

SMALL = NetConfig("resnet", 32, widths=(8, 16), depths=(1, 1))


def batch_norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.fixture
def net() -> Recogniser:
    torch.manual_seed(0)
    return Recogniser(Backbone(SMALL)).eval()


def test_moments_become_those_of_the_faces_and_weights_stay(
    net: Recogniser, training: Faces
) -> None:
    before = {name: value.clone() for name, value in net.named_parameters()}
    usual = [norm.momentum for norm in batch_norms(net)]
    seen: list[torch.Tensor] = []
    first = batch_norms(net)[0]
    hook = first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    faces = training.take(np.arange(60))
    norms.adapt(net, faces)
    hook.remove()
    assert first.running_mean is not None
    assert first.running_var is not None
    torch.testing.assert_close(first.running_mean, seen[0].mean((0, 2, 3)))
    torch.testing.assert_close(first.running_var, seen[0].var((0, 2, 3)))
    assert all(torch.equal(before[name], value) for name, value in net.named_parameters())
    assert [norm.momentum for norm in batch_norms(net)] == usual
    assert not any(part.training for part in net.modules())


def test_moments_that_were_off_are_made_right(net: Recogniser, training: Faces) -> None:
    first = training.take(np.arange(60))
    images = to_tensor(first.images)
    norms.adapt(net, first)
    stem = net.backbone.body.embedder  # type: ignore[union-attr]
    usual = stem(images)
    with torch.no_grad():
        for norm in batch_norms(net):
            assert norm.running_mean is not None
            norm.running_mean += 0.5
    assert not torch.allclose(stem(images), usual, atol=0.05)
    norms.adapt(net, first)
    torch.testing.assert_close(stem(images), usual)


def test_faces_of_less_contrast_are_seen_as_the_usual_ones(
    net: Recogniser, training: Faces
) -> None:
    """The first layer has no bias: what scales its input scales its moments alike."""
    first = training.take(np.arange(60))
    faint = replace(first, images=(first.images // 4 + 96).astype(np.uint8))
    stem = net.backbone.body.embedder  # type: ignore[union-attr]
    norms.adapt(net, first)
    usual = stem(to_tensor(first.images))
    before = (stem(to_tensor(faint.images)) - usual).abs().mean()
    norms.adapt(net, faint)
    after = (stem(to_tensor(faint.images)) - usual).abs().mean()
    assert after < 0.25 * before


def test_networks_without_batch_normalisation_are_refused(training: Faces) -> None:
    vit = Recogniser(Backbone(NetConfig("vit", 32, tokens=16, layers=1, heads=2)))
    with pytest.raises(RequestError, match="weights"):
        norms.adapt(vit, training)


def test_a_target_has_ten_faces_or_more(training: Faces) -> None:
    with pytest.raises(DataError, match="10 or more"):
        Target(training.take(np.arange(9)))
