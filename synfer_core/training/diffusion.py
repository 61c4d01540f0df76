"""What stages that train a denoiser on latents and words share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from synfer_core.models.denoiser import SCHEDULE, TRAIN_STEPS, NoiseSchedule, ddim


@dataclass(frozen=True)
class LatentSet:
    """Row i of every field is one image.

    Attributes:
        latents: (N, C, s, s) float16.
        states: (N, T, width) float16 text states.
        mask: (N, T) bool.
        aus: (N, 36) float32 in 0-1.
        null_states, null_mask: (1, T, width) and (1, T), of the empty text.
    """

    latents: Tensor
    states: Tensor
    mask: Tensor
    aus: Tensor
    null_states: Tensor
    null_mask: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def to(self, device: str) -> LatentSet:
        """The same on another device."""
        return LatentSet(**{name: tensor.to(device) for name, tensor in vars(self).items()})


class Noiser:
    """Draws timesteps and noise, and the v that goes with them.

    Args:
        schedule: Of the noise that the denoiser knows.
    """

    def __init__(self, schedule: NoiseSchedule = SCHEDULE) -> None:
        self.scheduler = ddim(schedule)

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Clean latents (B, C, s, s) to noisy latents, timesteps (B,) and v."""
        timesteps = torch.randint(TRAIN_STEPS, (len(clean),), generator=generator).to(clean.device)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        return noisy, timesteps, self.scheduler.get_velocity(clean, noise, timesteps)


def draw_text(
    samples: LatentSet, rows: Tensor, drop: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Text states and mask of the rows, the empty text's in a share `drop` of them."""
    empty = (torch.rand(len(rows), generator=generator) < drop).to(samples.mask.device)
    states, mask = samples.states[rows].float(), samples.mask[rows]
    states = torch.where(empty[:, None, None], samples.null_states, states)
    return states, torch.where(empty[:, None], samples.null_mask, mask)


def fixed_loss(loss: Callable[[torch.Generator], Tensor]) -> float:
    """Mean of a loss over eight batches that are the same every time."""
    generator = torch.Generator().manual_seed(0)
    return sum(float(loss(generator)) for _ in range(8)) / 8
