"""Inversion: from a clean image's latents back towards the noise that would make it.

DDIM inversion (Song et al. 2021, https://arxiv.org/abs/2010.02502) runs the sampler's steps
backwards. It assumes that v hardly changes within a step; fixed-point refinement (ReNoise, Garibi
et al. 2024, https://arxiv.org/abs/2403.14602; without its averaging) looks v up again at the
latents just found. Guidance must be 1: stronger guidance cannot be inverted.

With angles phi = arccos(sqrt(alpha)), a DDIM step on v is a turn by delta = phi_t - phi_prev:

    prev = cos(delta) x_t - sin(delta) v(x_t, t)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from synfer_core.errors import RequestError
from synfer_core.guidance import Denoise
from synfer_core.models.denoiser import SCHEDULE, TRAIN_STEPS, NoiseSchedule, ddim


@dataclass(frozen=True)
class InversionStep:
    """State after one step of inversion.

    Attributes:
        index: Steps done, from 1; after step 1 the denoiser was called once (without refinement).
        timestep: The timestep of the denoiser's call, and of the latents now.
        latents: (B, C, s, s) latents at that timestep.
    """

    index: int
    timestep: int
    latents: Tensor


@torch.no_grad()
def invert(
    denoise: Denoise,
    latents: Tensor,
    steps: int,
    *,
    refine: int = 0,
    schedule: NoiseSchedule = SCHEDULE,
) -> Iterator[InversionStep]:
    """Carry clean latents to noise along the timesteps of a `steps`-step DDIM sampler.

    Stop early by leaving the iterator: the first step alone is FERAnno's fast path.

    Args:
        denoise: Predicts v, without guidance.
        latents: (B, C, s, s) clean latents.
        steps: Steps of the sampler to invert, at least 2.
        refine: Further looks at v in each step; 0 is diffusers' DDIMInverseScheduler.
        schedule: Of the noise that the denoiser knows.

    Raises:
        RequestError: `steps` is below 2: one step ends in pure noise, which forgets its start.
    """
    if steps < 2:
        raise RequestError("inversion needs a way back", field="steps", allowed="at least 2")
    for index, (timestep, turn) in enumerate(_turns(steps, schedule), start=1):
        moments = torch.full((len(latents),), timestep)
        noisier = math.cos(turn) * latents + math.sin(turn) * denoise(latents, moments)
        for _ in range(refine):
            velocity = denoise(noisier, moments)
            noisier = (latents + math.sin(turn) * velocity) / math.cos(turn)
        latents = noisier
        yield InversionStep(index, timestep, latents)


def _turns(steps: int, schedule: NoiseSchedule) -> list[tuple[int, float]]:
    """Timesteps from clean to noise, each with its angle to the one before."""
    solver: Any = ddim(schedule)
    solver.set_timesteps(steps)
    stride = TRAIN_STEPS // steps
    alphas = solver.alphas_cumprod

    def angle(timestep: int) -> float:
        return math.acos(float(alphas[timestep].sqrt())) if timestep >= 0 else 0.0

    timesteps = [int(t) for t in solver.timesteps.flip(0)]
    return [(t, angle(t) - angle(t - stride)) for t in timesteps]
