from __future__ import annotations

import pytest
import torch

from synfer_core.reference import places
from synfer_core.reference.places import Grid

GRIDS = [Grid(32, 8, 2), Grid(32, 8, 0), Grid(64, 8, 1)]


@pytest.mark.parametrize("grid", GRIDS)
def test_windows_weighted_twice_add_up_to_the_picture(grid: Grid) -> None:
    picture = torch.rand(3, 2, grid.size, grid.size)
    weight = places.weights(grid).repeat(1, 2)[:, None]
    again = places.lay(grid, places.cut(grid, picture) * weight * weight, 2)
    assert torch.allclose(again, picture, atol=1e-5)


def test_mirroring_a_picture_exchanges_its_halves() -> None:
    grid, picture = GRIDS[0], torch.rand(2, 3, 32, 32)
    left, right = places.cut(grid, picture).unflatten(1, (2, -1)).unbind(1)
    swapped = places.cut(grid, picture.flip(-1)).unflatten(1, (2, -1))
    assert torch.equal(swapped[:, 0], right)
    assert torch.equal(swapped[:, 1], left)


def test_a_mirrored_flow_turns_around() -> None:
    flow = torch.zeros(1, 2, 4, 4)
    flow[0, 0, 1, 0], flow[0, 1, 1, 0] = 2.0, 3.0
    turned = places.mirrored(flow, flow=True)
    assert turned[0, :, 1, 3].tolist() == [-2.0, 3.0]
