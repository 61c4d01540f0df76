"""Each way to learn finds out the bars, and the same seed finds out the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from synfer_core.errors import DataError, RequestError
from synfer_core.lab import few_shot, nets, probe, supervised, zero_shot
from synfer_core.lab.byol import BYOL
from synfer_core.lab.contrastive import SimCLR, nt_xent
from synfer_core.lab.few_shot import Episodes, FewShot
from synfer_core.lab.images import Faces
from synfer_core.lab.moco import MoCo, contrast
from synfer_core.lab.momentum import follow, keep_at
from synfer_core.lab.nets import Backbone, NetConfig
from synfer_core.lab.pretraining import METHODS, Method, pretrain
from synfer_core.lab.steps import Budget

NET = NetConfig("resnet", 32, widths=(16, 32), depths=(1, 1))
QUICK = Budget(1280, 32, learning_rate=5e-3)


def right(net: nets.Recogniser, faces: Faces) -> float:
    return float((nets.in_batches(net, faces.images).argmax(1) == faces.labels).mean())


def test_supervised_learns_and_repeats(training: Faces, test_faces: Faces) -> None:
    assert right(supervised.train(training, NET, QUICK, "none"), test_faces) > 0.9
    few = replace(QUICK, samples=96)
    first, again = (supervised.train(training, NET, few, "mild") for _ in range(2))
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    other = supervised.train(training, NET, replace(few, seed=1), "mild")
    assert not torch.equal(first.head.weight, other.head.weight)


def test_weights_of_zero_leave_faces_out(training: Faces, test_faces: Faces) -> None:
    weights = (training.labels < 4).astype(float)
    net = supervised.train(training, NET, QUICK, "none", weights=weights)
    assert set(nets.in_batches(net, test_faces.images).argmax(1)) <= {0, 1, 2, 3}


def test_mixing_sees_the_share_that_was_asked_for(training: Faces) -> None:
    few = training.first(8, 0)
    both, weights = supervised.mixed(training, few, 0.25, np.arange(64.0))
    assert len(both) == 72
    np.testing.assert_allclose([weights[:64].sum(), weights[64:].sum()], [0.75, 0.25])
    np.testing.assert_allclose(weights[:64] / weights[63], np.arange(64) / 63)
    with pytest.raises(RequestError, match="0 to 1"):
        supervised.mixed(training, few, 1.5)


@pytest.mark.parametrize("method", METHODS)
def test_pretraining_ignores_labels_repeats_and_tells_more_than_chance(
    method: Method, training: Faces, test_faces: Faces
) -> None:
    budget = replace(QUICK, samples=192)
    backbone = pretrain(method, training, NET, budget)
    unlabelled = replace(training, labels=np.full(len(training), -1))
    again = pretrain(method, unlabelled, NET, budget)
    for one, other in zip(backbone.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not backbone.training
    assert right(probe.fit(backbone, training), test_faces) > 0.4


def test_the_probe_leaves_the_backbone_and_separates_what_a_plane_can() -> None:
    torch.manual_seed(0)
    features = torch.randn(400, 6)
    labels = (features[:, 2] > 0).long()
    layer = probe.regress(features, labels, 1e-4)
    read = layer(features).argmax(1)
    assert (read == labels).float().mean() > 0.98
    strict = probe.regress(features, labels, 1.0)
    assert strict.weight.norm() < layer.weight.norm() / 4


def test_nt_xent_is_low_where_partners_agree_and_counts_no_view_itself() -> None:
    views = torch.eye(4)
    assert float(nt_xent(torch.cat([views, views]), 0.05)) < 1e-6
    assert float(nt_xent(torch.cat([views, views.roll(1, 0)]), 0.05)) > 10
    assert float(contrast(views, views, 0.05)) < float(contrast(views, views.roll(1, 0), 0.05))


@pytest.mark.parametrize("kind", [BYOL, MoCo])
def test_slow_copies_take_no_gradients_and_follow(kind: type[BYOL] | type[MoCo]) -> None:
    torch.manual_seed(0)
    learner = kind(Backbone(NET))
    first, second = torch.randn(2, 8, 3, 32, 32).unbind()
    learner(first, second).backward()
    assert all(p.grad is None for p in learner.slow.parameters())
    assert all(p.grad is not None for p in learner.backbone.parameters())
    with torch.no_grad():
        for p in learner.backbone.parameters():
            p.add_(1.0)
    before = next(learner.slow.parameters()).clone()
    learner.follow(0.0)
    torch.testing.assert_close(next(learner.slow.parameters()), before + 0.02)


def test_a_copy_keeps_all_of_itself_at_the_end() -> None:
    assert keep_at(0.0, 0.9) == pytest.approx(0.9)
    assert keep_at(1.0, 0.9) == pytest.approx(1.0)
    slow, net = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    follow(slow, net, 0.0)
    torch.testing.assert_close(slow.weight, net.weight)


def test_simclr_has_nothing_that_follows() -> None:
    learner = SimCLR(Backbone(NET))
    before = {name: p.clone() for name, p in learner.named_parameters()}
    learner.follow(0.5)
    assert all(torch.equal(p, before[name]) for name, p in learner.named_parameters())


def test_zero_shot_reads_classes_off_captions(training: Faces, test_faces: Faces) -> None:
    unlabelled = replace(training, labels=np.full(len(training), -1))
    net = zero_shot.train(unlabelled, NET, replace(QUICK, samples=1600), "none")
    read = zero_shot.read(net, test_faces)
    assert (read == test_faces.labels).mean() > 0.5
    with pytest.raises(DataError, match="no captions"):
        zero_shot.train(replace(training, captions=()), NET, QUICK, "none")


def test_few_shots_find_what_features_tell(training: Faces) -> None:
    backbone = supervised.train(training, NET, QUICK, "none").backbone
    found = few_shot.measure(backbone, training, Episodes(2, 3, 40))
    assert found.accuracy.value > 0.8
    assert found.table.sum() == 40 * 3 * 8
    again = few_shot.measure(backbone, training, Episodes(2, 3, 40))
    np.testing.assert_array_equal(found.shares, again.shares)
    assert found.to_dict()["chance"] == 0.125


def test_episodes_that_differ_make_an_interval() -> None:
    shares = np.array([0.2, 0.4] * 50)
    accuracy = FewShot(shares, np.zeros((8, 8), np.int64), ("neutral", "fear")).accuracy
    assert accuracy.value == pytest.approx(0.3)
    assert accuracy.high - accuracy.low == pytest.approx(2 * 1.96 * shares.std(ddof=1) / 10)


def test_few_shots_need_enough_faces(training: Faces) -> None:
    backbone = Backbone(NET).eval()
    with pytest.raises(DataError, match="has 8 faces of neutral"):
        few_shot.measure(backbone, training, Episodes(5, 10))
    for values in ({"shots": 0}, {"queries": 0}, {"count": 1}):
        with pytest.raises(RequestError):
            Episodes(**values)
