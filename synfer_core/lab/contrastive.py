"""SimCLR (Chen et al. 2020, https://arxiv.org/abs/2002.05709).

Two views of each face go through one network and a projector; the loss (equation 1, NT-Xent) asks
each view to find its partner among all other views of the batch. What differs: batches of some
hundred in place of thousands, AdamW in place of LARS, and crops that keep the whole face.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.lab.nets import Backbone, mlp

TEMPERATURE = 0.2


class SimCLR(nn.Module):
    """Backbone and projector."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        self.projector = mlp(backbone.width, 256, 64)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of two views (B, 3, S, S) of each face."""
        return nt_xent(self.projector(self.backbone(torch.cat([first, second]))))

    def follow(self, share: float) -> None:
        """Nothing follows here."""


def nt_xent(projected: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Normalised temperature-scaled cross-entropy of (2 B, F): all first views, then all second."""
    z = F.normalize(projected, dim=1)
    similar = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(z)).roll(len(z) // 2)
    return F.cross_entropy(similar, partner)
