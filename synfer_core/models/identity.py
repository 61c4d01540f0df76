"""Identity tokens: a code for who is in the picture becomes four tokens beside the text.

The code comes in groups (shape, skin, hair ...), and each can be left out: what the words name,
they decide, and the identity seed fills in the rest.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import torch
from torch import Tensor, nn

from synfer_core.facekit.identity import CODE_SIZE, IDENTITY_GROUPS

TOKENS = 4


class IdentityTokens(nn.Module):
    """Codes as tokens.

    Args:
        width: Width of a token.
        hidden: Width of the hidden layer.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, hidden: int = 512):
        super().__init__()
        self.register_buffer("mean", torch.zeros(CODE_SIZE))
        self.register_buffer("deviation", torch.ones(CODE_SIZE))
        self.net = nn.Sequential(
            nn.Linear(CODE_SIZE + len(IDENTITY_GROUPS), hidden),
            nn.SiLU(),
            nn.Linear(hidden, TOKENS * width),
            nn.Unflatten(1, (TOKENS, width)),
            nn.LayerNorm(width),
        )

    def fit(self, codes: Tensor) -> None:
        """Take mean and deviation from training codes (N, CODE_SIZE)."""
        self.mean.copy_(codes.mean(0))
        self.deviation.copy_(codes.std(0).clamp_min(1e-3))

    def forward(self, codes: Tensor, known: Tensor) -> Tensor:
        """Tokens (B, 4, width) of codes (B, CODE_SIZE).

        Args:
            codes: Identity codes.
            known: (B, groups) in 0-1: which groups of the code count.
        """
        spread = torch.zeros_like(codes)
        for index, place in enumerate(IDENTITY_GROUPS.values()):
            spread[:, place] = known[:, index : index + 1]
        normal = (codes - self.mean) / self.deviation * spread
        return cast(Tensor, self.net(torch.cat([normal, known], 1)))


def known_groups(left_out: Collection[str]) -> Tensor:
    """(1, groups) mask of ones, zero for the groups named."""
    return torch.tensor([[float(name not in left_out) for name in IDENTITY_GROUPS]])
