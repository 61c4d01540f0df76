"""AU directions: what each action unit adds to the latents, and how to read it off them, linearly.

Latents are linear in pixels and faces are aligned, so within one person's pictures an AU moves the
latents along nearly one direction. Directions and reader come in closed form by ridge regression on
the denoiser's own training set; nothing here takes part in measuring results.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from synfer_core.facs import AU_SLOTS
from synfer_core.models import checkpoints

_RIDGE_DIRECTIONS = 20.0
_RIDGE_READER = 300.0
_DAMPING = 0.05
_LEAST_SHARE = 0.02
"""Latents of which AUs explain less are left alone: hair and background must not move."""


class AUDirections(nn.Module):
    """Linear relations between AUs and latents.

    Attributes:
        mean: (D,) mean latents, D = C * s * s.
        mean_aus: (36,) mean intensities in 0-1.
        directions: (36, D) what one unit of intensity adds.
        reader: (D, 36) reads intensities off the difference to the mean.
        gain: (36, 36) turns an error in reading into the move that removes it.
        share: (D,) share of the variance within a person that AUs explain.
    """

    mean: Tensor
    mean_aus: Tensor
    directions: Tensor
    reader: Tensor
    gain: Tensor
    share: Tensor

    def __init__(self, size: int):
        super().__init__()
        slots = len(AU_SLOTS)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("mean_aus", torch.zeros(slots))
        self.register_buffer("directions", torch.zeros(slots, size))
        self.register_buffer("reader", torch.zeros(size, slots))
        self.register_buffer("gain", torch.zeros(slots, slots))
        self.register_buffer("share", torch.zeros(size))

    @torch.no_grad()
    def fit(self, latents: Tensor, aus: Tensor, people: Tensor) -> Self:
        """Fit to latents (N, D) with AUs (N, 36) in 0-1 of people (N,), several images each."""
        moved, units = _within(latents, people), _within(aus, people)
        self.directions.copy_(_ridge(units, moved, _RIDGE_DIRECTIONS))
        left = (moved - units @ self.directions).var(0)
        self.share.copy_((1 - left / moved.var(0).clamp_min(1e-8)).clamp(0, 1))
        self.directions.mul_(self.share > _LEAST_SHARE)
        self.mean.copy_(latents.mean(0))
        self.mean_aus.copy_(aus.mean(0))
        self.reader.copy_(_ridge(latents - self.mean, aus - self.mean_aus, _RIDGE_READER))
        response = self.directions @ self.reader
        damped = response + _DAMPING * torch.eye(len(response))
        self.gain.copy_(torch.linalg.inv(damped))
        return self

    def read(self, latents: Tensor) -> Tensor:
        """Intensities (B, 36), about 0-1, of latents (B, C, s, s)."""
        return (latents.flatten(1) - self.mean) @ self.reader + self.mean_aus

    def move(self, latents: Tensor, target: Tensor) -> Tensor:
        """What to add to latents (B, C, s, s) so that they read as `target` (B, 36) in 0-1."""
        change = (target - self.read(latents)) @ self.gain @ self.directions
        return change.view_as(latents)


def _within(values: Tensor, people: Tensor) -> Tensor:
    """Values (N, K) less the mean of each person's."""
    _, index = torch.unique(people, return_inverse=True)
    groups = int(index.max()) + 1
    counts = torch.zeros(groups).index_add_(0, index, torch.ones(len(index)))
    sums = torch.zeros(groups, values.shape[1]).index_add_(0, index, values)
    return values - (sums / counts[:, None])[index]


def _ridge(inputs: Tensor, outputs: Tensor, strength: float) -> Tensor:
    gram = inputs.T @ inputs + strength * torch.eye(inputs.shape[1])
    solution: Tensor = torch.linalg.solve(gram, inputs.T @ outputs)
    return solution


def save(directions: AUDirections, path: Path) -> None:
    """Write directions, in float32: the gain does not survive half precision."""
    config = {"size": len(directions.mean)}
    checkpoints.save(path, "au-directions", directions.state_dict(), config, half=False)


def load(path: Path) -> tuple[AUDirections, str]:
    """Directions and the SHA-256 of their file.

    Raises:
        WeightsError: The file is missing, damaged or holds something else.
    """
    checkpoint = checkpoints.load(path, "au-directions")
    directions = AUDirections(checkpoint.config["size"])
    checkpoints.fill(directions, checkpoint, path.name)
    return directions.eval(), checkpoint.sha256
