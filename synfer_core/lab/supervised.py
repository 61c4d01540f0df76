"""Supervised training: cross-entropy on labelled faces, the plainest use of a synthetic set.

SynFER (He et al. 2025, https://arxiv.org/abs/2410.09865) trains recognisers on real and generated
faces together. Here the share of real ones among the samples seen is free, from none to
all, and samples may carry weights, such as those of `align`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synfer_core.decoding import to_tensor
from synfer_core.errors import RequestError
from synfer_core.lab import steps
from synfer_core.lab.augment import Strength, augmentation
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import Backbone, NetConfig, Recogniser
from synfer_core.lab.steps import Budget, Tell

_SMOOTHING = 0.05

Weights = NDArray[np.float64]


def train(
    faces: Faces,
    config: NetConfig,
    budget: Budget,
    strength: Strength,
    *,
    weights: Weights | None = None,
    tell: Tell = steps.untold,
) -> Recogniser:
    """A recogniser that learned from labelled faces.

    Args:
        faces: All with a label.
        config: The network.
        budget: Samples seen, rates and seed.
        strength: Of the augmentation.
        weights: (N,) how often each image is seen, relative to the others; None for equally often.
        tell: Told of every step.
    """
    with steps.seeded(budget.seed):
        net = Recogniser(Backbone(config))
        augment = augmentation(strength)
        labels = torch.from_numpy(faces.labels)

        def loss(batch: NDArray[np.int64]) -> Tensor:
            logits = net(augment(to_tensor(faces.images[batch])))
            return F.cross_entropy(logits, labels[batch], label_smoothing=_SMOOTHING)

        steps.train(net, budget, steps.rows(len(faces), budget, weights), loss, tell=tell)
    return net


def mixed(
    synthetic: Faces, real: Faces, share: float, weights: Weights | None = None
) -> tuple[Faces, Weights]:
    """Two sets as one, and weights by which `share` of the samples seen are real.

    Args:
        synthetic: Labelled faces.
        real: Labelled faces.
        share: 0 to 1.
        weights: (N,) of the synthetic ones among each other; None for equal ones.

    Raises:
        RequestError: The share is out of range.
    """
    if not 0 <= share <= 1:
        raise RequestError("is out of range", field="--mix", allowed="0 to 1")
    inner = np.ones(len(synthetic)) if weights is None else weights
    both = replace(
        synthetic,
        name=f"{synthetic.name}+{real.name}",
        images=np.concatenate([synthetic.images, real.images]),
        labels=np.concatenate([synthetic.labels, real.labels]),
        people=np.concatenate([synthetic.people, real.people]),
        captions=(),
        cropped={
            way: synthetic.cropped.get(way, 0) + real.cropped.get(way, 0)
            for way in (*synthetic.cropped, *real.cropped)
        },
    )
    each = np.full(len(real), share / len(real))
    return both, np.concatenate([(1 - share) * inner / inner.sum(), each])
