"""Self-supervised pre-training: two views of each face, and a method that makes them agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synfer_core.decoding import to_tensor
from synfer_core.lab import steps
from synfer_core.lab.augment import views
from synfer_core.lab.byol import BYOL
from synfer_core.lab.contrastive import SimCLR
from synfer_core.lab.images import Faces
from synfer_core.lab.moco import MoCo
from synfer_core.lab.nets import Backbone, NetConfig
from synfer_core.lab.steps import Budget, Tell

Method = Literal["simclr", "byol", "moco"]
METHODS: tuple[Method, ...] = get_args(Method)

_MAKERS: Mapping[Method, Callable[[Backbone], SimCLR | BYOL | MoCo]] = MappingProxyType(
    {"simclr": SimCLR, "byol": BYOL, "moco": MoCo}
)


def pretrain(
    method: Method,
    faces: Faces,
    config: NetConfig,
    budget: Budget,
    *,
    tell: Tell = steps.untold,
) -> Backbone:
    """A backbone that learned from faces without their labels.

    Args:
        method: Which one.
        faces: Labels, where there are any, are not looked at.
        config: The network.
        budget: Faces seen (each in two views), rates and seed.
        tell: Told of every step.
    """
    with steps.seeded(budget.seed):
        learner = _MAKERS[method](Backbone(config))
        change = views()

        def loss(batch: NDArray[np.int64]) -> Tensor:
            images = to_tensor(faces.images[batch])
            made: Tensor = learner(change(images), change(images))
            return made

        drawn = steps.rows(len(faces), budget)
        steps.train(learner, budget, drawn, loss, after=learner.follow, tell=tell)
    return learner.backbone.requires_grad_(False)
