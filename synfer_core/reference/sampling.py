"""From noise to latents: the project's samplers over the denoiser around a reference."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from synfer_core import denoising
from synfer_core.guidance import Denoise
from synfer_core.reference.denoiser import SCHEDULE, ReferenceContext
from synfer_core.request import Scheduler

Predictor = Callable[[Tensor, Tensor, ReferenceContext], Tensor]
"""Noisy latents, timesteps (B,) and a context to v."""


def plain(denoiser: Predictor, context: ReferenceContext) -> Denoise:
    """The denoiser under one context, without guidance."""

    def denoise(latents: Tensor, timestep: Tensor) -> Tensor:
        return denoiser(latents, timestep.expand(len(latents)), context)

    return denoise


def noise(count: int, shape: tuple[int, ...], seed: int, share: float = 1.0) -> Tensor:
    """Gaussian latents (count, *shape) of a deviation of `share`: less is nearer to the mean."""
    generator = torch.Generator().manual_seed(seed)
    return share * torch.randn((count, *shape), generator=generator)


@torch.no_grad()
def sampled(denoise: Denoise, start: Tensor, steps: int, scheduler: Scheduler = "ddim") -> Tensor:
    """Latents after the last of `steps` steps; one step gives the mean."""
    latents = start
    for step in denoising.sample(denoise, start, scheduler, steps, schedule=SCHEDULE):
        latents = step.latents
    return latents
