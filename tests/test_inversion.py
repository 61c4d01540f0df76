from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from diffusers import DDIMInverseScheduler
from torch import Tensor

from synfer_core import denoising
from synfer_core.errors import RequestError
from synfer_core.guidance import Denoise
from synfer_core.inversion import invert
from synfer_core.models.denoiser import ddim

LATENTS = 0.7 * torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def gaussian(spread: float) -> Denoise:
    """The exact v-prediction of a Gaussian of this spread around zero."""
    scheduler: Any = ddim()
    alphas: Tensor = scheduler.alphas_cumprod

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        a = alphas[timestep][:, None, None, None].expand(len(latents), -1, -1, -1)
        variance = a * spread**2 + 1 - a
        return (a * (1 - a)).sqrt() * (1 - spread**2) / variance * latents

    return denoise


def curved(latents: Tensor, timestep: Tensor) -> Tensor:
    """Some smooth function of latents and time."""
    time = timestep.float()[:, None, None, None] / 1000
    return torch.tanh(latents.roll(1, -1)) * (0.5 + time) - 0.3 * latents


@pytest.mark.parametrize("steps", [5, 20])
def test_without_refinement_it_is_diffusers_inverse_scheduler(steps: int) -> None:
    theirs: Any = DDIMInverseScheduler(  # type: ignore[no-untyped-call]
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    theirs.set_timesteps(steps)
    expected = LATENTS
    ours = list(invert(curved, LATENTS, steps))
    assert [step.timestep for step in ours] == theirs.timesteps.tolist()
    for timestep, step in zip(theirs.timesteps, ours, strict=True):
        velocity = curved(expected, timestep.expand(len(LATENTS)))
        expected = theirs.step(velocity, timestep, expected).prev_sample
        torch.testing.assert_close(step.latents, expected, atol=2e-5, rtol=1e-4)


def round_trip(denoise: Denoise, steps: int, refine: int) -> float:
    noise = list(invert(denoise, LATENTS, steps, refine=refine))[-1].latents
    back = list(denoising.sample(denoise, noise, "ddim", steps))[-1].latents
    return float((back - LATENTS).norm() / LATENTS.norm())


@pytest.mark.parametrize("denoise", [gaussian(0.7), curved])
def test_refinement_brings_the_sampler_back_to_the_image(denoise: Denoise) -> None:
    plain, once, often = (round_trip(denoise, 20, refine) for refine in (0, 1, 8))
    assert plain > 0.02
    assert once < 0.6 * plain
    assert often < 1e-3


def test_the_noise_of_a_gaussian_has_unit_spread() -> None:
    noise = list(invert(gaussian(0.7), LATENTS, 100, refine=3))[-1].latents
    assert float(noise.std()) == pytest.approx(float(LATENTS.std()) / 0.7, rel=0.03)


def test_it_stops_where_the_caller_leaves() -> None:
    calls = []

    def counted(latents: Tensor, timestep: Tensor) -> Tensor:
        calls.append(timestep.tolist())
        return curved(latents, timestep)

    (first,) = islice(invert(counted, LATENTS, 20), 1)
    assert calls == [[49, 49, 49]]
    assert first.index == 1


def test_one_step_is_refused() -> None:
    with pytest.raises(RequestError, match="at least 2"):
        next(invert(curved, LATENTS, 1))
