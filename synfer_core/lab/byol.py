"""BYOL, bootstrap your own latent (Grill et al. 2020, https://arxiv.org/abs/2006.07733).

A network and a predictor foresee, from one view of a face, what a slow copy of the network makes of
the other (equation 2); no view is pushed away from another. What differs: small batches and
projectors, AdamW in place of LARS, and a copy that starts from 0.98 in place of 0.996, because it
has hundreds of steps to follow in place of many thousands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.lab.momentum import follow, keep_at, slow_copy
from synfer_core.lab.nets import Backbone, mlp

KEEP = 0.98


class BYOL(nn.Module):
    """The network that learns, its predictor, and the slow copy."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        self.projector = mlp(backbone.width, 256, 64)
        self.predictor = mlp(64, 128, 64)
        self.slow = slow_copy(nn.Sequential(backbone, self.projector))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The symmetric loss of two views (B, 3, S, S) of each face."""
        views = torch.cat([first, second])
        foreseen = self.predictor(self.projector(self.backbone(views)))
        with torch.no_grad():
            made = self.slow(torch.cat([second, first]))
        return 2 - 2 * F.cosine_similarity(foreseen, made, dim=1).mean()

    def follow(self, share: float) -> None:
        """Let the copy follow, `share` of the training being done."""
        follow(self.slow, nn.Sequential(self.backbone, self.projector), keep_at(share, KEEP))
