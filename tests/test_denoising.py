"""Samplers against diffusers, and against a Gaussian whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from synfer_core import denoising
from synfer_core.models.denoiser import ddim, dpm_solver
from synfer_core.request import Scheduler

_BOTH: tuple[Scheduler, ...] = ("ddim", "dpm++")


def _gaussian(mean: float, deviation: float) -> denoising.Denoise:
    """The exact v of data drawn from one Gaussian."""
    alphas = ddim().alphas_cumprod

    def denoise(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        a = alphas[int(timestep)].sqrt()
        s = (1 - alphas[int(timestep)]).sqrt()
        variance = a**2 * deviation**2 + s**2
        clean = mean + a * deviation**2 / variance * (latents - a * mean)
        noise = s / variance * (latents - a * mean)
        return a * noise - s * clean

    return denoise


@pytest.mark.parametrize(("scheduler", "steps"), [("ddim", 50), ("dpm++", 50)])
def test_samples_have_the_moments_of_the_data(scheduler: Scheduler, steps: int) -> None:
    noise = denoising.initial_noise(0, (4, 32, 32))
    *_, last = denoising.sample(_gaussian(0.5, 0.4), noise, scheduler, steps)
    assert float(last.latents.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(last.latents.std()) == pytest.approx(0.4, rel=0.12)


@pytest.mark.parametrize(("scheduler", "solver"), [("ddim", ddim()), ("dpm++", dpm_solver())])
def test_the_loop_is_the_one_of_diffusers(scheduler: Scheduler, solver: object) -> None:
    denoise = _gaussian(0.2, 0.7)
    latents = denoising.initial_noise(3, (2, 4, 4))
    ours = [step.latents for step in denoising.sample(denoise, latents, scheduler, 7)]
    solver.set_timesteps(7)  # type: ignore[attr-defined]
    for timestep, mine in zip(solver.timesteps, ours, strict=True):  # type: ignore[attr-defined]
        velocity = denoise(latents, timestep[None])
        latents = solver.step(velocity, timestep, latents).prev_sample  # type: ignore[attr-defined]
        assert torch.equal(latents, mine)


def test_steps_are_counted_and_lazy() -> None:
    calls = 0

    def denoise(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(latents)

    steps: Iterator[denoising.Step] = denoising.sample(
        denoise, denoising.initial_noise(0, (1, 2, 2)), "ddim", 10
    )
    assert [next(steps).index for _ in range(3)] == [1, 2, 3]
    assert calls == 3


def test_noise_is_a_function_of_the_seed() -> None:
    first, again = (denoising.initial_noise(7, (2, 3, 3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, denoising.initial_noise(8, (2, 3, 3)))


def test_the_last_steps_alone_go_on_where_the_others_ended() -> None:
    denoise = _gaussian(0.2, 0.7)
    noise = denoising.initial_noise(3, (2, 4, 4))
    whole = list(denoising.sample(denoise, noise, "ddim", 7))
    rest = list(denoising.sample(denoise, whole[3].latents, "ddim", 7, last=3))
    assert [step.index for step in rest] == [1, 2, 3]
    assert torch.equal(rest[-1].latents, whole[-1].latents)


def test_the_solver_of_second_order_can_start_on_the_way() -> None:
    denoise, noise = _gaussian(0.5, 0.4), denoising.initial_noise(0, (4, 16, 16))
    on_the_way = list(denoising.sample(denoise, noise, "ddim", 50))[19].latents
    ends = [
        list(denoising.sample(denoise, on_the_way, scheduler, 50, last=30))[-1].latents
        for scheduler in _BOTH
    ]
    torch.testing.assert_close(ends[0], ends[1], atol=0.1, rtol=0)
