from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from synfer_core.lab import augment, steps
from synfer_core.lab.augment import Chain, Some

IMAGES = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("maker", [augment.mild, augment.wide, augment.views])
def test_images_change_within_range_and_the_seed_decides_how(maker: Callable[[], Chain]) -> None:
    change = maker()
    with steps.seeded(3):
        first = change(IMAGES)
        second = change(IMAGES)
    with steps.seeded(3):
        again = change(IMAGES)
    assert first.shape == IMAGES.shape
    assert first.abs().max() <= 1
    assert all((one - other).abs().mean() > 0.01 for one, other in zip(first, IMAGES, strict=True))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_some_changes_its_share_alone() -> None:
    images = torch.zeros(2000, 3, 1, 1)
    with steps.seeded(0):
        changed = Some(0.3, nn.ConstantPad2d(0, 0.0))(images + 1)
        marked = Some(0.3, _One())(images)
    assert torch.equal(changed, images + 1)
    assert 0.25 < float(marked[:, 0, 0, 0].mean()) < 0.35
    assert torch.equal(Some(0.0, _One())(images), images)


class _One(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(images)


def test_none_leaves_images_as_they_are() -> None:
    assert augment.augmentation("none")(IMAGES) is IMAGES
    assert isinstance(augment.augmentation("mild"), Chain)


def test_wide_greys_and_compresses_some() -> None:
    with steps.seeded(1):
        many = augment.wide()(IMAGES[:1].expand(200, -1, -1, -1))
    spread = many.std(1).mean((1, 2))
    assert 0.1 < float((spread < 0.03).float().mean()) < 0.4
