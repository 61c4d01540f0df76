"""FineFace's AU tokens: twelve intensities as one token, for Stable Diffusion 2.1-base.

Varanka et al. 2024, https://arxiv.org/abs/2407.20175. A linear layer makes 64 numbers of the twelve
intensities; the twelve, the 64 and zeros fill one token as wide as the text's (1024). The keys and
values that read it stand beside the text's, as in `au_adapter`, and the U-Net carries a LoRA that
was trained with them. The published files are in `sd_adapter.read_fineface`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synfer_core.facs import AU_SLOTS, MAX_INTENSITY, slots_of

AUS = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU12", "AU15", "AU17", "AU20", "AU25", "AU26")
"""The units it moves, in the order of its input; it knows no sides."""
HIDDEN = 64
LEAST_WIDTH = len(AUS) + HIDDEN
"""Least width of a token."""


class FineFaceTokens(nn.Module):
    """Intensities (B, 36) in 0-1 as one token (B, 1, width); sides are averaged.

    Args:
        width: Width of the token, at least `LEAST_WIDTH`.
    """

    sides: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.encoder = nn.Linear(len(AUS), HIDDEN)
        self.register_buffer("sides", _sides(), persistent=False)

    def forward(self, intensities: Tensor) -> Tensor:
        values = MAX_INTENSITY * intensities @ self.sides.to(intensities.dtype)
        token = torch.cat([values, self.encoder(values)], -1)
        return nn.functional.pad(token, (0, self.width - LEAST_WIDTH))[:, None]


def _sides() -> Tensor:
    """(36, 12): each unit as the mean of its slots."""
    matrix = torch.zeros(len(AU_SLOTS), len(AUS))
    for column, key in enumerate(AUS):
        slots = slots_of(key)
        for slot in slots:
            matrix[AU_SLOTS.index(slot), column] = 1 / len(slots)
    return matrix
