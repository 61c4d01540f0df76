"""The attribute judge: does the person wear glasses, have a beard, and which hair and skin colour?

It took no part in generation and says whether words were followed. What no two people would call
alike has no class: stubble is neither a beard nor none, and a bald head has no hair colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synfer_core.decoding import to_tensor
from synfer_core.models import checkpoints
from synfer_core.models.classifier import Classifier, ClassifierConfig

UNKNOWN = -1
"""Class of what is left open."""

SKIN_TONES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"light": (1, 2, 3, 4), "medium": (5, 6, 7), "dark": (8, 9, 10)}
)
"""Steps of the Monk Skin Tone scale (https://skintone.google) in the usual three groups."""

CLASSES: Mapping[str, Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "glasses": {"none": ("none",), "glasses": ("thin", "thick", "round")},
        "beard": {
            "none": ("none",),
            "beard": ("short beard", "full beard", "goatee", "moustache"),
        },
        "hair_colour": {
            "black": ("black", "dark brown"),
            "brown": ("brown", "light brown"),
            "red": ("auburn", "red"),
            "blonde": ("dark blonde", "blonde", "platinum blonde"),
            "grey": ("grey", "white"),
        },
        "skin_tone": SKIN_TONES,
    }
)
"""For each attribute its classes, and the values of FaceKit's traits that belong to each."""

FACTORS = ("glasses", "beard", "hair", "hair_colour", "skin_tone")
"""Columns of a rendered data set that `classes_of` needs."""


def class_of(attribute: str, value: object) -> int:
    """Index of the class that a trait's value belongs to, or `UNKNOWN`."""
    places = (i for i, values in enumerate(CLASSES[attribute].values()) if value in values)
    return next(places, UNKNOWN)


def classes_of(traits: Mapping[str, object]) -> dict[str, int]:
    """Class of each attribute of a person with these traits; `UNKNOWN` where they leave it open."""
    hairless = traits.get("hair") == "bald"
    return {
        name: UNKNOWN if hairless and name == "hair_colour" else class_of(name, traits.get(name))
        for name in CLASSES
    }


@dataclass(frozen=True)
class AttributeConfig:
    """Sizes of the judge: those of its ResNet trunk."""

    input_size: int = 96
    widths: tuple[int, ...] = (16, 32, 64, 96)
    depths: tuple[int, ...] = (1, 2, 2, 1)
    dropout: float = 0.2


class AttributeReader(nn.Module):
    """A ResNet trunk and a linear head for each attribute."""

    def __init__(self, config: AttributeConfig):
        super().__init__()
        self.config = config
        self.trunk = Classifier(
            ClassifierConfig(
                "resnet",
                input_size=config.input_size,
                crop=1.0,
                widths=config.widths,
                depths=config.depths,
                expressions=False,
                aus=False,
                dropout=config.dropout,
            )
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(self.trunk.width, len(c)) for name, c in CLASSES.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits (B, classes) by attribute of images (B, 3, S, S) in -1 to 1."""
        features = self.trunk.features(images)
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, images: NDArray[np.uint8], *, batch: int = 32) -> dict[str, NDArray[np.float32]]:
        """Probabilities (N, classes) by attribute of faces (N, S, S, 3), each with its mirror."""
        device = next(self.parameters()).device
        parts = [
            self._both_ways(to_tensor(images[start : start + batch], device))
            for start in range(0, len(images), batch)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in CLASSES}

    def _both_ways(self, images: Tensor) -> dict[str, NDArray[np.float32]]:
        logits = self(torch.cat([images, images.flip(-1)]))
        return {
            name: values.softmax(-1).unflatten(0, (2, -1)).mean(0).cpu().numpy()
            for name, values in logits.items()
        }

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the weights, in evaluation mode.

        Raises:
            WeightsError: The file is missing, damaged or no attribute judge.
        """
        checkpoint = checkpoints.load(path, "attributes")
        net = cls(checkpoints.config_of(checkpoint, AttributeConfig))
        checkpoints.fill(net, checkpoint, path.name)
        return net.eval().requires_grad_(False)


def save(net: AttributeReader, path: Path) -> None:
    """Write a judge with its config."""
    checkpoints.save(path, "attributes", net.state_dict(), asdict(net.config))
