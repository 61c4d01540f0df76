from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from synfer_core.facs import AU_SLOTS, EXPRESSIONS
from synfer_core.training.augment import Augmentation, augment, blur, mirror

STILL = Augmentation(0, 0, 0, 0, 0, 0, 1, 0)
IMAGES = torch.rand(10, 3, 32, 32) * 1.6 - 0.8


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_mirror_swaps_sides_with_the_image_and_spares_contempt() -> None:
    count = 64
    images = torch.zeros(count, 3, 4, 4)
    images[..., 3] = 1
    aus = torch.zeros(count, 36)
    aus[:, AU_SLOTS.index("AUL12")] = 1
    contempt = EXPRESSIONS.index("contempt")
    expressions = torch.tensor([0, contempt] * (count // 2))
    flipped, sides = mirror(images, aus, expressions, generator())
    on_left = flipped[:, 0, 0, 0] == 1
    assert torch.equal(sides[:, AU_SLOTS.index("AUR12")] == 1, on_left)
    assert not on_left[expressions == contempt].any()
    assert 8 < int(on_left.sum()) < 24


def test_no_amounts_change_nothing() -> None:
    torch.testing.assert_close(augment(IMAGES, generator(), STILL), IMAGES)


@pytest.mark.parametrize(
    "amounts",
    [
        replace(STILL, degrees=20.0),
        replace(STILL, shift=0.2),
        replace(STILL, zoom=0.3),
        replace(STILL, colour=0.3),
        replace(STILL, noise=0.3),
    ],
)
def test_each_amount_changes_images_within_range(amounts: Augmentation) -> None:
    changed = augment(IMAGES, generator(), amounts)
    assert changed.shape == IMAGES.shape
    assert (changed - IMAGES).abs().mean() > 0.01
    assert changed.abs().max() <= 1


def test_blur_and_lost_resolution_take_their_parts_of_the_batch() -> None:
    amounts = replace(STILL, blur=3.0, shrink=4.0, degraded=0.3)
    changed = (augment(IMAGES, generator(), amounts) - IMAGES).abs().mean((1, 2, 3))
    assert changed[:4].max() < 1e-5
    assert changed[4:].min() > 0.01


def test_blur_keeps_the_mean_of_flat_images_and_spreads_a_point() -> None:
    torch.testing.assert_close(
        blur(torch.full((1, 3, 16, 16), 0.5), 1.0), torch.full((1, 3, 16, 16), 0.5)
    )
    point = torch.zeros(1, 1, 17, 17)
    point[0, 0, 8, 8] = 1
    spread = blur(point, 1.0)
    torch.testing.assert_close(spread.sum(), torch.tensor(1.0))
    assert 0.1 < float(spread[0, 0, 8, 8]) < 0.2
