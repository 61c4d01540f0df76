"""The AU adapter: one token for each AU and side, read by decoupled cross-attention.

A token is a learned embedding of the unit, moved along a learned direction by its intensity, so
that intensity is continuous. Keys and values for these tokens stand beside the text's in every
cross-attention layer (IP-Adapter, Ye et al. 2023, https://arxiv.org/abs/2308.06721); the U-Net
stays frozen. `inject` puts the layers in, `eject` leaves the U-Net exactly as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from synfer_core.facs import ACTION_UNITS, AU_SLOTS
from synfer_core.models import attention, fineface
from synfer_core.models.attention import AUInput, Decoupled
from synfer_core.models.fineface import FineFaceTokens


@dataclass(frozen=True)
class AdapterConfig:
    """Sizes of the adapter.

    Attributes:
        token_width: Width of an AU token.
        layers: Names of the cross-attention layers of the U-Net, with their widths.
        kind: What its tokens are: ``slots``, one for each AU and side, or ``fineface``.
    """

    token_width: int
    layers: tuple[tuple[str, int], ...]
    kind: Literal["slots", "fineface"] = "slots"


class AUTokens(nn.Module):
    """Intensities (B, slots) in 0-1 as tokens (B, slots, width).

    The direction starts six times as long as the embedding: what changes must outweigh what does
    not, or attention averages it away.
    """

    def __init__(self, width: int):
        super().__init__()
        slots = len(AU_SLOTS)
        self.unit = nn.Parameter(torch.randn(slots, width) * 0.5)
        self.direction = nn.Parameter(torch.randn(slots, width) * 3.0)
        self.bend = nn.Parameter(torch.zeros(slots, width))

    def forward(self, intensities: Tensor) -> Tensor:
        a = intensities[..., None]
        return self.unit + a * self.direction + a * a * self.bend


class AUAdapter(nn.Module):
    """Keys and values for AU tokens in every cross-attention layer of a U-Net."""

    def __init__(self, config: AdapterConfig):
        super().__init__()
        self.config = config
        width = config.token_width
        self.tokens = AUTokens(width) if config.kind == "slots" else FineFaceTokens(width)
        self.keys = nn.ModuleList(nn.Linear(width, w, bias=False) for _, w in config.layers)
        self.values = nn.ModuleList(nn.Linear(width, w, bias=False) for _, w in config.layers)
        for value in self.values:
            nn.init.zeros_(value.weight)  # type: ignore[arg-type]
        self._injected: dict[str, Decoupled] = {}

    @classmethod
    def for_unet(cls, unet: UNet2DConditionModel, token_width: int) -> AUAdapter:
        """A fresh adapter whose layers fit `unet`; it changes nothing until it is trained."""
        return cls(AdapterConfig(token_width, layers_of(unet)))

    @property
    def aus(self) -> tuple[str, ...]:
        """Both-sides keys of the units it moves."""
        return tuple(au.key for au in ACTION_UNITS.values()) if self.sided else fineface.AUS

    @property
    def sided(self) -> bool:
        """Whether it tells left from right."""
        return self.config.kind == "slots"

    def inject(self, unet: UNet2DConditionModel) -> None:
        """Let the cross-attention layers of `unet` read AU tokens."""
        self._injected = {
            name: Decoupled("au", key, value)  # type: ignore[arg-type]
            for (name, _), key, value in zip(
                self.config.layers, self.keys, self.values, strict=True
            )
        }
        attention.put(unet, self._injected)

    def eject(self, unet: UNet2DConditionModel) -> None:
        """Undo `inject`, whatever else was put in since."""
        attention.take(unet, self._injected)
        self._injected = {}

    def forward(self, intensities: Tensor, scale: Tensor) -> AUInput:
        """Intensities (B, slots) in 0-1 and scales (B,) as input of the U-Net."""
        absent = None if self.sided else self.tokens(torch.zeros_like(intensities))
        return AUInput(self.tokens(intensities), scale, absent)


def layers_of(unet: UNet2DConditionModel) -> tuple[tuple[str, int], ...]:
    """Names of a U-Net's cross-attention processors, with the widths of their layers."""
    modules = dict(unet.named_modules())
    return tuple(
        (name, modules[name.removesuffix(".processor")].to_q.out_features)
        for name in unet.attn_processors
        if name.endswith("attn2.processor")
    )


def read_config(values: Mapping[str, Any]) -> AdapterConfig:
    """A stored config; files from before there were kinds have none."""
    layers = tuple((name, width) for name, width in values["layers"])
    return AdapterConfig(values["token_width"], layers, values.get("kind", "slots"))
