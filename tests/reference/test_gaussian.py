from __future__ import annotations

import torch

from synfer_core.reference import gaussian
from synfer_core.reference.gaussian import Guess


def _case(deviation: float) -> tuple[Guess, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(1, 2, 3, 4, generator=generator)
    clean = mean + deviation * torch.randn(20_000, 2, 3, 4, generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    return Guess(mean, torch.full((3, 4), deviation)), clean, noise


def test_what_is_seen_and_what_is_left_have_unit_variance_at_every_noise_level() -> None:
    guess, clean, noise = _case(0.4)
    for alpha, sigma in ((1.0, 0.05), (0.8, 0.6), (0.05, 0.9987), (0.0, 1.0)):
        a, s = torch.tensor([alpha]).view(1, 1, 1, 1), torch.tensor([sigma]).view(1, 1, 1, 1)
        noisy, v = a * clean + s * noise, a * noise - s * clean
        assert abs(float(gaussian.whitened(guess, noisy, a, s).std()) - 1) < 0.02
        assert abs(float(gaussian.left_over(guess, noisy, a, s, v).std()) - 1) < 0.02


def test_nothing_left_is_the_best_guess() -> None:
    guess, clean, noise = _case(0.4)
    a, s = torch.tensor([0.8]).view(1, 1, 1, 1), torch.tensor([0.6]).view(1, 1, 1, 1)
    noisy, v = a * clean + s * noise, a * noise - s * clean
    best = gaussian.velocity(guess, noisy, a, s, torch.zeros_like(noisy))
    correlation = ((v - best) * gaussian.whitened(guess, noisy, a, s)).mean()
    assert abs(float(correlation)) < 0.01


def test_velocity_undoes_left_over() -> None:
    guess, clean, noise = _case(0.7)
    a, s = torch.tensor([0.6]).view(1, 1, 1, 1), torch.tensor([0.8]).view(1, 1, 1, 1)
    noisy, v = a * clean + s * noise, a * noise - s * clean
    left = gaussian.left_over(guess, noisy, a, s, v)
    assert torch.allclose(gaussian.velocity(guess, noisy, a, s, left), v, atol=1e-4)
