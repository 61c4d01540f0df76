"""Alignment by the moments of features: AdaBN (Li et al. 2016, https://arxiv.org/abs/1603.04779).

A batch normalisation carries the mean and variance that each of its channels had on the faces it
learned from. Faces of another kind, such as photos after a training on synthetic ones, have other
moments, and all that follows reads shifted values. Here the moments are taken anew over a few faces
of that kind, whose labels are not looked at; no weight changes.
"""

from __future__ import annotations

import torch
from torch import nn

from synfer_core.decoding import to_tensor
from synfer_core.errors import RequestError
from synfer_core.lab.images import Faces

_BATCH = 128


def adapt(net: nn.Module, faces: Faces) -> None:
    """Take the moments of every batch normalisation anew, as the mean over batches of the faces.

    Args:
        net: Takes images (B, 3, S, S) in -1 to 1; left in evaluation mode.
        faces: At least two; their labels are not looked at.

    Raises:
        RequestError: The network has no batch normalisation.
    """
    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    if not norms:
        raise RequestError(
            "the network has no batch normalisation", field="--align-by", allowed="weights"
        )
    usual = [norm.momentum for norm in norms]
    net.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    with torch.no_grad():
        for start in range(0, len(faces), _BATCH):
            net(to_tensor(faces.images[start : start + _BATCH]))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    net.eval()
