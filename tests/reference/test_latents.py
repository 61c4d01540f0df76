from __future__ import annotations

import torch

from synfer_core.reference.bases import Moments, from_rows, shared_out, to_rows
from synfer_core.reference.places import Grid
from tests.reference import tiny


def test_no_latents_are_the_reference_at_any_size() -> None:
    latents = tiny.latents()
    for size in (128, 512):
        picture = torch.rand(2, 3, size, size)
        zero = torch.zeros(2, *latents.shape)
        assert torch.allclose(latents.decode(picture, zero), picture, atol=1e-5)


def test_what_is_painted_is_read_back() -> None:
    latents = tiny.latents()
    numbers = torch.randn(2, *latents.shape) * 0.1
    numbers[..., : tiny.CONFIG.flow] = 0
    picture = torch.rand(2, 3, 128, 128)
    target = latents.decode(picture, numbers)
    read = latents.encode(picture, target, torch.zeros(2, 2, 128, 128))
    # Neighbours overlap, so that random bases do not read exactly what they painted.
    assert float((read - numbers).square().sum() / numbers.square().sum()) < 0.3


def test_mirroring_a_pair_exchanges_the_halves_of_its_latents() -> None:
    latents = tiny.latents()
    reference, target = torch.rand(2, 1, 3, 128, 128)
    flow = torch.randn(1, 2, 16, 16).repeat_interleave(8, 2).repeat_interleave(8, 3)
    turned = flow.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    plain = latents.encode(reference, target, flow)
    mirrored = latents.encode(reference.flip(-1), target.flip(-1), turned)
    assert torch.allclose(mirrored, plain.flip(1), atol=1e-4)
    assert torch.allclose(
        latents.look(reference.flip(-1)), latents.look(reference).flip(1), atol=1e-5
    )


def test_decoding_can_be_differentiated() -> None:
    latents = tiny.latents()
    numbers = torch.zeros(1, *latents.shape, requires_grad=True)
    latents.decode(torch.rand(1, 3, 128, 128), numbers).square().sum().backward()
    assert numbers.grad is not None
    assert bool((numbers.grad.abs().sum((0, 1, 2)) > 0).all())


def test_components_are_those_of_the_largest_variance() -> None:
    grid = Grid(16, 8, 0)
    moments = Moments(grid, 1)
    pattern = torch.randn(8, 8)
    picture = torch.zeros(5, 1, 16, 16)
    picture[:, 0, :8, :8] = pattern * torch.arange(1.0, 6).view(5, 1, 1)
    moments.add(picture)
    _, vectors, variances = moments.components(2)
    wanted = (pattern * 0.5).flatten() / (pattern * 0.5).norm()
    assert abs(float(vectors[0, :, 0].abs() @ wanted.abs())) > 0.98
    assert float(variances[0, 1]) < 1e-3 * float(variances[0, 0])


def test_components_are_shared_out_by_variance() -> None:
    kept = shared_out(torch.tensor([[9.0, 4.0, 1.0], [8.0, 0.5, 0.1]]), 3, 3)
    assert kept.tolist() == [[True, True, False], [True, False, False]]


def test_rows_of_places_go_back() -> None:
    numbers = torch.randn(3, 2, 4, 5)
    assert torch.equal(from_rows(to_rows(numbers)), numbers)
