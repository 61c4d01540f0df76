"""Zero-shot recognition: faces and captions in one space (CLIP, Radford et al. 2021,
https://arxiv.org/abs/2103.00020).

The image network learns to find the caption of a face among those of the batch and the other way
round (figure 3 of the paper); afterwards a face takes the class whose phrase lies nearest. No label
is looked at in training. What differs: the text encoder is the frozen all-MiniLM-L6-v2 that ships,
of which only a linear projection is learned, and phrases name an expression for three subjects.
Captions of renders and of FEText name the expression in part of the images and its movements in
most, so "zero-shot" says that no class label is used, not that its name is never read.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.decoding import to_tensor
from synfer_core.enrichment import class_phrase
from synfer_core.errors import DataError
from synfer_core.facs import EXPRESSIONS
from synfer_core.lab import steps
from synfer_core.lab.augment import Strength, augmentation
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import Backbone, NetConfig, in_batches
from synfer_core.lab.steps import Budget, Tell
from synfer_core.models.text import WIDTH, TextEncoder, shared_encoder

SUBJECTS = ("a person", "a woman", "a man")
_JOINT = 64
_HOTTEST = math.log(100.0)
_TEXTS = 64


class ImageText(nn.Module):
    """A backbone, the projections of images and texts, and the temperature between them."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        self.image = nn.Linear(backbone.width, _JOINT)
        self.text = nn.Linear(WIDTH, _JOINT)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def images(self, images: Tensor) -> Tensor:
        """Unit vectors (B, 64) of images (B, 3, S, S) in -1 to 1."""
        return F.normalize(self.image(self.backbone(images)), dim=1)

    def texts(self, encoded: Tensor) -> Tensor:
        """Unit vectors (B, 64) of texts from `encode`, (B, 384)."""
        return F.normalize(self.text(encoded), dim=1)

    def forward(self, images: Tensor, encoded: Tensor) -> Tensor:
        """The symmetric loss of images (B, 3, S, S) and their captions (B, 384)."""
        scale = self.scale.clamp(max=_HOTTEST).exp()
        similar = scale * self.images(images) @ self.texts(encoded).T
        partner = torch.arange(len(images))
        return (F.cross_entropy(similar, partner) + F.cross_entropy(similar.T, partner)) / 2


def encode(texts: list[str], encoder: TextEncoder, tell: Tell = steps.untold) -> Tensor:
    """Unit vectors (N, 384): the mean over a text's token states; long texts are cut."""
    parts: list[Tensor] = []
    for start in range(0, len(texts), _TEXTS):
        read = encoder(texts[start : start + _TEXTS], cut=True)
        lengths = read.mask.sum(1, keepdim=True)
        parts.append(F.normalize(read.states.sum(1) / lengths, dim=1))
        tell(min(start + _TEXTS, len(texts)), len(texts))
    return torch.cat(parts)


def train(
    faces: Faces,
    config: NetConfig,
    budget: Budget,
    strength: Strength,
    *,
    tell: Tell = steps.untold,
) -> ImageText:
    """Images and texts in one space, learned from captioned faces.

    Raises:
        DataError: Not every face has a caption.
    """
    if not faces.captions:
        raise DataError(
            "has no captions", field=faces.name, allowed="renders, FEText or a factory's set"
        )
    captions = encode(list(faces.captions), shared_encoder())
    with steps.seeded(budget.seed):
        net = ImageText(Backbone(config))
        augment = augmentation(strength)

        def loss(batch: NDArray[np.int64]) -> Tensor:
            made: Tensor = net(augment(to_tensor(faces.images[batch])), captions[batch])
            return made

        steps.train(net, budget, steps.rows(len(faces), budget), loss, tell=tell)
    return net.requires_grad_(False)


def read(net: ImageText, faces: Faces) -> NDArray[np.int64]:
    """For each face, the index of the expression whose phrases lie nearest."""
    phrases = [f"{subject} {class_phrase(name)}" for name in EXPRESSIONS for subject in SUBJECTS]
    with torch.no_grad():
        each = net.texts(encode(phrases, shared_encoder())).unflatten(0, (len(EXPRESSIONS), -1))
    classes = F.normalize(each.mean(1), dim=1).numpy()
    nearest: NDArray[np.int64] = (in_batches(net.images, faces.images) @ classes.T).argmax(1)
    return nearest
