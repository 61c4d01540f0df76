"""Denoising: from noise to latents, one step at a time, under any denoise function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from synfer_core.guidance import Denoise
from synfer_core.models.denoiser import SCHEDULE, NoiseSchedule, ddim, dpm_solver
from synfer_core.request import Scheduler

_SCHEDULERS = {"ddim": ddim, "dpm++": dpm_solver}


@dataclass(frozen=True)
class Step:
    """State after one denoising step.

    Attributes:
        index: Steps done, from 1.
        latents: (1, C, s, s) latents after the step.
        clean: (1, C, s, s) the clean latents as predicted in this step.
    """

    index: int
    latents: Tensor
    clean: Tensor


def initial_noise(seed: int, shape: tuple[int, int, int]) -> Tensor:
    """Unit Gaussian latents (1, C, s, s) of a seed; a generator of its own for each sample."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, *shape), generator=generator)


@torch.no_grad()
def sample(
    denoise: Denoise,
    latents: Tensor,
    scheduler: Scheduler,
    steps: int,
    *,
    last: int | None = None,
    schedule: NoiseSchedule = SCHEDULE,
) -> Iterator[Step]:
    """Denoise `latents` in `steps` steps; closing the iterator stops it.

    Args:
        denoise: Predicts v.
        latents: (1, C, s, s) unit Gaussian noise; with `last`, latents of that step's noise level.
        scheduler: ``ddim`` or ``dpm++``.
        steps: Number of steps from pure noise.
        last: Take only this many of them, the last ones.
        schedule: Of the noise that the denoiser knows.
    """
    solver: Any = _SCHEDULERS[scheduler](schedule)
    solver.set_timesteps(steps)
    first = 0 if last is None else steps - last
    for index, timestep in enumerate(solver.timesteps[first:], start=1):
        velocity = denoise(latents, timestep[None])
        clean = predicted_clean(latents, velocity, solver.alphas_cumprod[int(timestep)])
        latents = solver.step(velocity, timestep, latents, return_dict=False)[0]
        yield Step(index, latents, clean)


def predicted_clean(latents: Tensor, velocity: Tensor, alpha: Tensor) -> Tensor:
    """The clean latents that a v-prediction implies at cumulative alpha (Salimans and Ho 2022)."""
    return alpha.sqrt() * latents - (1 - alpha).sqrt() * velocity
