"""What denoisers share: the noise schedule and its samplers, and what conditions a U-Net.

v-prediction (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512) with a schedule that ends in
pure noise (Lin et al. 2024, https://arxiv.org/abs/2305.08891).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, Self

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from synfer_core.models.attention import AdapterInput, AUInput, Recorder

TRAIN_STEPS = 1000
NoiseSchedule = Mapping[str, Any]
"""What a scheduler of `diffusers` is built from; all here predict v, at trailing timesteps."""
SCHEDULE: NoiseSchedule = MappingProxyType(
    {
        "num_train_timesteps": TRAIN_STEPS,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
)
"""Where none is given."""


@dataclass(frozen=True)
class Context:
    """What conditions a call of the denoiser.

    Attributes:
        tokens: (B, T, width) text tokens.
        mask: (B, T) bool, false where padded.
        au: AU tokens for the adapter, if any.
        image: Tokens of a picture for an IP-Adapter, if any.
    """

    tokens: Tensor
    mask: Tensor
    au: AUInput | None = None
    image: AdapterInput | None = None

    @classmethod
    def cat(cls, parts: list[Self]) -> Context:
        """One context with the rows of all; all have AUs or none has, and likewise a picture."""
        tokens, mask = torch.cat([p.tokens for p in parts]), torch.cat([p.mask for p in parts])
        au, image = AUInput.cat([p.au for p in parts]), AdapterInput.cat([p.image for p in parts])
        return Context(tokens, mask, au, image)

    def without_au(self) -> Context:
        """The same for a face that does nothing: see `AUInput.without`."""
        return self if self.au is None else replace(self, au=self.au.without())

    def part(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Words or AU tokens for `semantic` to move."""
        if name == "text":
            return self.tokens.detach(), self.mask
        if self.au is None:
            return None
        tokens = self.au.tokens.detach()
        return tokens, tokens.new_ones(tokens.shape[:2])

    def with_part(self, name: str, tokens: Tensor) -> Context:
        """The same with other words or AU tokens."""
        if name == "text":
            return replace(self, tokens=tokens)
        assert self.au is not None
        return replace(self, au=replace(self.au, tokens=tokens))


class Predictor(Protocol):
    """A denoiser: any U-Net that predicts v under a context."""

    @property
    def unet(self) -> Any:
        """The U-Net itself, for those who look at its layers."""

    def __call__(
        self, latents: Tensor, timesteps: Tensor, context: Context, recorder: Recorder | None = None
    ) -> Tensor:
        """Predicted v (B, C, s, s) of noisy latents at timesteps (B,) in 0-999."""


def ddim(schedule: NoiseSchedule = SCHEDULE) -> DDIMScheduler:
    """DDIM (Song et al. 2021, https://arxiv.org/abs/2010.02502), without noise between steps."""
    return DDIMScheduler(**schedule, clip_sample=False)


def dpm_solver(schedule: NoiseSchedule = SCHEDULE) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (Lu et al. 2022, https://arxiv.org/abs/2211.01095), second order."""
    return DPMSolverMultistepScheduler(**schedule, algorithm_type="dpmsolver++")
