"""MoCo v3 (Chen, Xie and He 2021, https://arxiv.org/abs/2104.02057).

Queries, from the network with a predictor, must find their keys, from a slow copy of the network,
among those of the batch; there is no queue (algorithm 1). What differs: small batches and
projectors, a copy that starts from 0.98 in place of 0.99, and where the network is a ViT its patch
projection is frozen at random, as in the paper's section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.lab.momentum import follow, keep_at, slow_copy
from synfer_core.lab.nets import Backbone, mlp

KEEP = 0.98
TEMPERATURE = 0.2


class MoCo(nn.Module):
    """The network of the queries, its predictor, and the slow copy that makes keys."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        backbone.freeze_patches()
        self.projector = mlp(backbone.width, 256, 64)
        self.predictor = mlp(64, 128, 64)
        self.slow = slow_copy(nn.Sequential(backbone, self.projector))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The symmetric loss of two views (B, 3, S, S) of each face."""
        queries = self.predictor(self.projector(self.backbone(torch.cat([first, second]))))
        with torch.no_grad():
            keys = self.slow(torch.cat([first, second]))
        one, two = queries.chunk(2)
        key_one, key_two = keys.chunk(2)
        return contrast(one, key_two) + contrast(two, key_one)

    def follow(self, share: float) -> None:
        """Let the copy follow, `share` of the training being done."""
        follow(self.slow, nn.Sequential(self.backbone, self.projector), keep_at(share, KEEP))


def contrast(queries: Tensor, keys: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """InfoNCE of queries (B, F) whose keys (B, F) stand in the same rows (algorithm 1)."""
    similar = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T / temperature
    return 2 * temperature * F.cross_entropy(similar, torch.arange(len(queries)))
