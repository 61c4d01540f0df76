"""The identity reader: the code of the person in an image, for "same person, other expression"."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, cast

import torch
from torch import Tensor, nn

from synfer_core.decoding import to_tensor
from synfer_core.facekit.identity import CODE_SIZE
from synfer_core.models import checkpoints
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.report import Pixels


@dataclass(frozen=True)
class IdentityReaderConfig:
    """Sizes of the reader: those of its ResNet trunk."""

    input_size: int = 96
    widths: tuple[int, ...] = (16, 32, 64, 96)
    depths: tuple[int, ...] = (1, 2, 2, 2)


class IdentityReader(nn.Module):
    """A ResNet trunk and a linear head; codes come out in their own units."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: IdentityReaderConfig):
        super().__init__()
        self.config = config
        trunk = ClassifierConfig(
            "resnet",
            input_size=config.input_size,
            widths=config.widths,
            depths=config.depths,
            expressions=False,
            aus=False,
        )
        self.trunk = Classifier(trunk)
        self.head = nn.Linear(self.trunk.width, CODE_SIZE)
        self.register_buffer("mean", torch.zeros(CODE_SIZE))
        self.register_buffer("deviation", torch.ones(CODE_SIZE))

    def fit(self, codes: Tensor) -> None:
        """Take mean and deviation from training codes (N, CODE_SIZE)."""
        self.mean.copy_(codes.mean(0))
        self.deviation.copy_(codes.std(0).clamp_min(1e-3))

    def normal(self, images: Tensor) -> Tensor:
        """Codes (B, CODE_SIZE) of images in -1 to 1, as deviations from the mean."""
        return cast(Tensor, self.head(self.trunk.features(images)))

    def forward(self, images: Tensor) -> Tensor:
        """Codes (B, CODE_SIZE) of images (B, 3, S, S) in -1 to 1."""
        return self.normal(images) * self.deviation + self.mean

    @torch.no_grad()
    def read(self, image: Pixels) -> tuple[float, ...]:
        """The code of one face (S, S, 3), as `Recipe.identity_code` takes it."""
        return tuple(round(float(v), 4) for v in self(to_tensor(image[None]))[0])

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the weights, in evaluation mode.

        Raises:
            WeightsError: The file is missing, damaged or no identity reader.
        """
        checkpoint = checkpoints.load(path, "identity")
        net = cls(checkpoints.config_of(checkpoint, IdentityReaderConfig))
        checkpoints.fill(net, checkpoint, path.name)
        return net.eval().requires_grad_(False)


def save(net: IdentityReader, path: Path) -> None:
    """Write a reader with its config."""
    checkpoints.save(path, "identity", net.state_dict(), asdict(net.config))
