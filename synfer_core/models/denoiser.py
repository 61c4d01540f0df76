"""The denoiser: a U-Net on latents that predicts v, conditioned on text and identity tokens.

v-prediction (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512) with a schedule that ends in
pure noise (Lin et al. 2024, https://arxiv.org/abs/2305.08891).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, Self, cast

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from synfer_core.models import checkpoints, text
from synfer_core.models.attention import (
    AdapterInput,
    AUInput,
    CrossAttention,
    Recorder,
    SelfAttention,
)
from synfer_core.models.identity import TOKENS, IdentityTokens

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
"""The built-in model's."""


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the U-Net.

    Attributes:
        latent_size: Latents on a side.
        latent_channels: Channels of the latents.
        widths: Channels at each level.
        layers: Residual blocks a level.
        heads: Attention heads.
        positions: Channels of learned positions beside the latents: every place has its own basis.
        token_width: Width of text, identity and AU tokens.
    """

    latent_size: int = 8
    latent_channels: int = 24
    widths: tuple[int, ...] = (192, 192)
    layers: int = 1
    heads: int = 6
    positions: int = 8
    token_width: int = text.WIDTH


@dataclass(frozen=True)
class Context:
    """What conditions a call of the denoiser.

    Attributes:
        tokens: (B, T, width) text and identity tokens.
        mask: (B, T) bool, false where padded.
        au: AU tokens for the adapter, if any.
        person: How many of the tokens, the last ones, say who it is.
        image: Tokens of a picture for an IP-Adapter, if any.
    """

    tokens: Tensor
    mask: Tensor
    au: AUInput | None = None
    person: int = TOKENS
    image: AdapterInput | None = None

    @classmethod
    def cat(cls, parts: list[Self]) -> Context:
        """One context with the rows of all; all have AUs or none has, and likewise a picture."""
        tokens, mask = torch.cat([p.tokens for p in parts]), torch.cat([p.mask for p in parts])
        au, image = AUInput.cat([p.au for p in parts]), AdapterInput.cat([p.image for p in parts])
        return Context(tokens, mask, au, parts[0].person, image)

    def without_au(self) -> Context:
        """The same for a face that does nothing: see `AUInput.without`."""
        return self if self.au is None else replace(self, au=self.au.without())

    def part(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Words or AU tokens for `semantic` to move; the last tokens are the person's."""
        if name == "text":
            words = self.tokens.shape[1] - self.person
            return self.tokens[:, :words].detach(), self.mask[:, :words]
        if self.au is None:
            return None
        tokens = self.au.tokens.detach()
        return tokens, tokens.new_ones(tokens.shape[:2])

    def with_part(self, name: str, tokens: Tensor) -> Context:
        """The same with other words or AU tokens."""
        if name == "text":
            person = self.tokens[:, tokens.shape[1] :]
            return replace(self, tokens=torch.cat([tokens, person], 1))
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


class Denoiser(nn.Module):
    """U-Net and identity tokens."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.config = config
        levels = len(config.widths)
        self.unet = UNet2DConditionModel(
            sample_size=config.latent_size,
            in_channels=config.latent_channels + config.positions,
            out_channels=config.latent_channels,
            down_block_types=("CrossAttnDownBlock2D",) * levels,
            up_block_types=("CrossAttnUpBlock2D",) * levels,
            block_out_channels=config.widths,
            layers_per_block=config.layers,
            cross_attention_dim=config.token_width,
            attention_head_dim=config.heads,
            norm_num_groups=16,
            use_linear_projection=True,
        )
        self.unet.set_attn_processor(plain_processors(self.unet))
        self.identity = IdentityTokens(config.token_width)
        size = (1, config.positions, config.latent_size, config.latent_size)
        self.position = nn.Parameter(torch.randn(size))

    def context(self, states: Tensor, mask: Tensor, codes: Tensor, known: Tensor) -> Context:
        """Text states (B, 48, width) and identity codes (B, code) as one context."""
        tokens = torch.cat([states, self.identity(codes, known)], 1)
        always = mask.new_ones(len(mask), TOKENS)
        return Context(tokens, torch.cat([mask, always], 1))

    def forward(
        self, latents: Tensor, timesteps: Tensor, context: Context, recorder: Recorder | None = None
    ) -> Tensor:
        """Predicted v (B, C, s, s) of noisy latents at timesteps (B,) in 0-999."""
        places = self.position.expand(len(latents), -1, -1, -1)
        output = self.unet(
            torch.cat([latents, places], 1),
            timesteps,
            context.tokens,
            encoder_attention_mask=context.mask,
            cross_attention_kwargs={"au": context.au, "recorder": recorder},
            return_dict=False,
        )
        return cast(Tensor, output[0])


def plain_processors(unet: UNet2DConditionModel) -> dict[str, Any]:
    """Processors for every attention layer: to itself, and to text and identity tokens."""
    return {
        name: CrossAttention() if name.endswith("attn2.processor") else SelfAttention()
        for name in unet.attn_processors
    }


def ddim(schedule: NoiseSchedule = SCHEDULE) -> DDIMScheduler:
    """DDIM (Song et al. 2021, https://arxiv.org/abs/2010.02502), without noise between steps."""
    return DDIMScheduler(**schedule, clip_sample=False)


def dpm_solver(schedule: NoiseSchedule = SCHEDULE) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (Lu et al. 2022, https://arxiv.org/abs/2211.01095), second order."""
    return DPMSolverMultistepScheduler(**schedule, algorithm_type="dpmsolver++")


def save(denoiser: Denoiser, path: Path) -> None:
    """Write a denoiser with its config."""
    checkpoints.save(path, "denoiser", denoiser.state_dict(), asdict(denoiser.config))


def load(path: Path) -> tuple[Denoiser, str]:
    """A denoiser in evaluation mode and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or no denoiser.
    """
    checkpoint = checkpoints.load(path, "denoiser")
    denoiser = Denoiser(checkpoints.config_of(checkpoint, DenoiserConfig))
    checkpoints.fill(denoiser, checkpoint, path.name)
    channels_last = denoiser.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return cast(Denoiser, channels_last), checkpoint.sha256
