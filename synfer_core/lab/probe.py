"""The linear probe: how much of the expression a frozen backbone's features tell by a plane alone.

Multinomial logistic regression on features, as Chen et al. 2020 (https://arxiv.org/abs/2002.05709)
and those before them measure representations. Features are standardised, the weights penalised, and
the optimum is found by L-BFGS: nothing is random.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.facs import EXPRESSIONS
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import Backbone, Recogniser, in_batches

PENALTY = 3e-3
_ROUNDS = 150


def fit(backbone: Backbone, faces: Faces, *, penalty: float = PENALTY) -> Recogniser:
    """A recogniser of a frozen backbone and a linear layer that learned from labelled faces.

    Args:
        backbone: In evaluation mode; it stays as it is.
        faces: All with a label.
        penalty: Weight of half the squared length of the layer's weights.
    """
    features = torch.from_numpy(in_batches(backbone, faces.images))
    mean, deviation = features.mean(0), features.std(0) + 1e-5
    layer = regress((features - mean) / deviation, torch.from_numpy(faces.labels), penalty)
    net = Recogniser(backbone)
    with torch.no_grad():  # The standardisation becomes part of the layer.
        net.head.weight.copy_(layer.weight / deviation)
        net.head.bias.copy_(layer.bias - (layer.weight / deviation) @ mean)
    return net.eval().requires_grad_(False)


def regress(features: Tensor, labels: Tensor, penalty: float) -> nn.Linear:
    """The layer over standardised features (N, F) that fits labels (N,) best."""
    layer = nn.Linear(features.shape[1], len(EXPRESSIONS))
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(
        layer.parameters(), max_iter=_ROUNDS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(layer(features), labels)
        loss = loss + penalty / 2 * layer.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return layer
