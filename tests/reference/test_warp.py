from __future__ import annotations

import torch

from synfer_core.reference.warp import resized, warp


def test_no_flow_is_the_reference_itself() -> None:
    for size in (32, 128, 256):
        picture = torch.rand(1, 3, size, size)
        assert torch.allclose(warp(picture, torch.zeros(1, 2, 64, 64)), picture, atol=1e-5)


def test_the_flow_tells_where_a_pixel_lies_in_the_reference() -> None:
    picture = torch.rand(1, 3, 128, 128)
    flow = torch.zeros(1, 2, 128, 128)
    flow[:, 0], flow[:, 1] = 3.0, -2.0
    moved = warp(picture, flow)
    assert torch.allclose(moved[..., 10:100, 10:100], picture[..., 8:98, 13:103], atol=1e-4)


def test_a_flow_moves_a_larger_picture_by_as_much_of_its_width() -> None:
    picture = torch.rand(1, 1, 512, 512)
    moved = warp(picture, torch.full((1, 2, 64, 64), 1.0))
    assert torch.allclose(moved[..., 40:400, 40:400], picture[..., 44:404, 44:404], atol=1e-3)


def test_it_can_be_differentiated_in_the_flow() -> None:
    flow = torch.zeros(1, 2, 16, 16, requires_grad=True)
    warp(torch.rand(1, 3, 64, 64), flow).square().sum().backward()
    assert flow.grad is not None
    assert bool(flow.grad.abs().sum() > 0)


def test_a_picture_that_shrinks_keeps_its_mean() -> None:
    picture = torch.rand(1, 2, 128, 128)
    assert torch.allclose(resized(picture, 32).mean(), picture.mean(), atol=1e-6)
    assert torch.allclose(resized(torch.ones(1, 2, 32, 32), 128), torch.ones(1, 2, 128, 128))
