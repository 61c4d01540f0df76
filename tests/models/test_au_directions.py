"""AU directions on latents that are linear in AUs by construction."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synfer_core import guidance
from synfer_core.models import au_directions
from synfer_core.models.au_directions import AUDirections
from synfer_core.models.denoiser import ddim

SHAPE = (8, 4, 4)


@pytest.fixture(scope="module")
def fitted() -> tuple[AUDirections, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Directions fitted to people + AUs @ truth + a little noise, and what they were fitted to."""
    generator = torch.Generator().manual_seed(0)
    size = 8 * 4 * 4
    truth = torch.randn(36, size, generator=generator)
    people = torch.arange(4000) // 8
    looks = torch.randn(500, 4, generator=generator) @ torch.randn(4, size, generator=generator)
    aus = torch.rand(4000, 36, generator=generator)
    noise = 0.1 * torch.randn(4000, size, generator=generator)
    latents = looks[people] + aus @ truth + noise
    return AUDirections(size).fit(latents, aus, people), truth, latents, aus


def test_directions_are_found_whoever_the_person_is(
    fitted: tuple[AUDirections, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    directions, truth, _, _ = fitted
    cosines = torch.cosine_similarity(directions.directions, truth)
    assert float(cosines.min()) > 0.99
    assert float(directions.share.min()) > 0.9


def test_a_move_makes_latents_read_as_asked(
    fitted: tuple[AUDirections, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    directions, _, latents, aus = fitted
    before = latents[:5].view(5, *SHAPE)
    assert torch.allclose(directions.read(before), aus[:5], atol=0.1)
    target = torch.full((5, 36), 0.3)
    after = before + directions.move(before, target)
    assert torch.allclose(directions.read(after), target, atol=0.05)


def test_steering_moves_the_predicted_face_and_leaves_the_end_alone(
    fitted: tuple[AUDirections, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    directions, _, latents, _ = fitted
    clean = latents[:1].view(1, *SHAPE)
    alphas = ddim().alphas_cumprod
    target = torch.full((1, 36), 0.5)

    def exact(noisy: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        a = alphas[int(timestep)]
        return (a.sqrt() * noisy - clean) / (1 - a).sqrt()

    steered = guidance.au_steering(exact, directions, target, 1.0)
    noisy = torch.randn(1, *SHAPE)
    for step, expected in ((700, target), (100, directions.read(clean))):
        a = alphas[step]
        seen = a.sqrt() * noisy - (1 - a).sqrt() * steered(noisy, torch.tensor([step]))
        assert torch.allclose(directions.read(seen), expected, atol=0.05)


def test_strength_zero_is_the_denoiser_itself(
    fitted: tuple[AUDirections, torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    def denoise(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        return latents

    assert guidance.au_steering(denoise, fitted[0], torch.zeros(1, 36), 0.0) is denoise


def test_round_trip_through_a_file(
    fitted: tuple[AUDirections, torch.Tensor, torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "au-directions.safetensors"
    au_directions.save(fitted[0], path)
    again, _ = au_directions.load(path)
    assert torch.equal(again.gain, fitted[0].gain)
