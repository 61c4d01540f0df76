from __future__ import annotations

import pytest
import torch

from synfer_core.training.diffusion import LatentSet, Noiser, draw_text, fixed_loss


def test_text_is_left_out_of_the_share_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = LatentSet(
        latents=torch.zeros(1, 1, 1, 1),
        states=torch.ones(1, 2, 3).half(),
        mask=torch.ones(1, 2, dtype=torch.bool),
        aus=torch.zeros(1, 36),
        null_states=torch.zeros(1, 2, 3),
        null_mask=torch.tensor([[True, False]]),
    )
    states, mask = draw_text(samples, torch.zeros(4000, dtype=torch.long), 0.3, generator)
    empty = states[:, 0, 0] == 0
    assert float(empty.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(empty, ~mask[:, 1])


def test_noise_and_v_lead_back_to_what_was_clean() -> None:
    noiser, clean = Noiser(), torch.randn(64, 2, 4, 4)
    noisy, timesteps, velocity = noiser(clean, torch.Generator().manual_seed(1))
    alphas = noiser.scheduler.alphas_cumprod[timesteps][:, None, None, None]
    back = alphas.sqrt() * noisy - (1 - alphas).sqrt() * velocity
    torch.testing.assert_close(back, clean, atol=1e-4, rtol=1e-4)


def test_the_loss_that_is_watched_sees_the_same_batches() -> None:
    first, again = (fixed_loss(lambda g: torch.rand((), generator=g)) for _ in range(2))
    assert first == again
