"""Networks that read a face: its expression, its action units, or both.

Three small backbones of different make share one head. The guidance classifier is a plain
convolutional net with smooth gradients; the judges are a ResNet (He et al. 2016,
https://arxiv.org/abs/1512.03385) and a ConvNeXt V2 (Woo et al. 2023,
https://arxiv.org/abs/2301.00808), so that what fools one need not fool the other; the AU reader
is a ResNet. The head keeps a 3x3 grid of the last feature map: faces are aligned, and where
something moves is what tells left from right and brow from mouth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ConvNextV2Config, ConvNextV2Model, ResNetConfig, ResNetModel

from synfer_core.decoding import to_tensor
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, MAX_INTENSITY, MIRRORED_SLOTS
from synfer_core.models import checkpoints

Architecture = Literal["cnn", "resnet", "convnextv2"]
Kind = Literal["classifier", "judge", "au-reader"]

_GRID = 3


@dataclass(frozen=True)
class ClassifierConfig:
    """Sizes of a reading network.

    Attributes:
        architecture: The backbone.
        input_size: Pixels on a side that the backbone sees.
        crop: Share of the image's side that is kept, around the middle, before resizing.
        widths: Channels of the backbone's stages.
        depths: Blocks of the backbone's stages.
        expressions: Whether there is a head for the eight expressions.
        aus: Whether there is a head for the AU slots.
        dropout: Dropout before the heads.
    """

    architecture: Architecture = "resnet"
    input_size: int = 96
    crop: float = 0.86
    widths: tuple[int, ...] = (32, 64, 128, 176)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    expressions: bool = True
    aus: bool = True
    dropout: float = 0.2


@dataclass(frozen=True)
class Reading:
    """What a network reads off a batch; None where it has no such head.

    Attributes:
        expressions: Logits (B, 8), `facs.EXPRESSIONS` order.
        aus: Intensities (B, 36), `facs.AU_SLOTS` order, about 0 to 1, not clamped.
    """

    expressions: Tensor | None
    aus: Tensor | None


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with group norm, added to the input."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, x + self.second(F.silu(self.first(F.silu(self.norm(x))))))


class Classifier(nn.Module):
    """A backbone and its heads."""

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = config
        self.backbone = _BACKBONES[config.architecture](config)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(_GRID), nn.Flatten(), nn.Dropout(config.dropout)
        )
        self.expressions = _linear(self.width, len(EXPRESSIONS)) if config.expressions else None
        self.aus = _linear(self.width, len(AU_SLOTS)) if config.aus else None

    @property
    def width(self) -> int:
        """Length of `features`."""
        return self.config.widths[-1] * _GRID**2

    def features(self, images: Tensor) -> Tensor:
        """What the heads see, (B, width), of images (B, 3, S, S) in -1 to 1."""
        out = self.backbone(crop_and_resize(images, self.config))
        return cast(Tensor, self.head(out if isinstance(out, Tensor) else out.last_hidden_state))

    def forward(self, images: Tensor) -> Reading:
        """Images (B, 3, S, S) in -1 to 1, any S; gradients flow back to them."""
        features = self.features(images)
        return Reading(
            self.expressions(features) if self.expressions else None,
            self.aus(features) if self.aus else None,
        )


def crop_and_resize(images: Tensor, config: ClassifierConfig) -> Tensor:
    """The middle of images (B, 3, S, S) at the backbone's input size."""
    size = images.shape[-1]
    margin = round(size * (1 - config.crop) / 2)
    middle = images[..., margin : size - margin, margin : size - margin]
    if middle.shape[-1] != config.input_size:
        edge = (config.input_size, config.input_size)
        middle = F.interpolate(middle, edge, mode="bilinear", antialias=True)
    return middle.contiguous(memory_format=torch.channels_last)


def _linear(features: int, outputs: int) -> nn.Linear:
    """A head that starts near zero: AU losses are over small variances."""
    layer = nn.Linear(features, outputs)
    nn.init.normal_(layer.weight, std=0.002)
    nn.init.zeros_(layer.bias)
    return layer


def _cnn(config: ClassifierConfig) -> nn.Module:
    layers: list[nn.Module] = [nn.PixelUnshuffle(4)]
    before = 48
    for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        step = 1 if stage == 0 else 2
        layers.append(nn.Conv2d(before, width, 3, stride=step, padding=1))
        layers += [ResidualBlock(width) for _ in range(depth)]
        before = width
    return nn.Sequential(*layers, nn.GroupNorm(8, before), nn.SiLU())


def _resnet(config: ClassifierConfig) -> nn.Module:
    return ResNetModel(
        ResNetConfig(
            embedding_size=config.widths[0],
            hidden_sizes=list(config.widths),
            depths=list(config.depths),
            layer_type="basic",
        )
    )


def _convnextv2(config: ClassifierConfig) -> nn.Module:
    return ConvNextV2Model(
        ConvNextV2Config(hidden_sizes=list(config.widths), depths=list(config.depths))
    )


_BACKBONES = {"cnn": _cnn, "resnet": _resnet, "convnextv2": _convnextv2}


@torch.no_grad()
def probabilities(
    net: Classifier, images: NDArray[np.uint8], *, batch: int = 32
) -> NDArray[np.float32]:
    """Expression probabilities (N, 8) of images (N, S, S, 3), each read with its mirror image.

    Raises:
        ValueError: The network has no expression head.
    """
    parts = []
    for both in _with_mirror(net, images, batch):
        logits = net(both).expressions
        if logits is None:
            raise ValueError("this network reads no expressions")
        parts.append(logits.softmax(-1).unflatten(0, (2, -1)).mean(0).cpu().numpy())
    return np.concatenate(parts)


@torch.no_grad()
def intensities(
    net: Classifier, images: NDArray[np.uint8], *, batch: int = 32
) -> NDArray[np.float32]:
    """AU intensities (N, 36) in 0 to 5 of images (N, S, S, 3), each read with its mirror image.

    Raises:
        ValueError: The network has no AU head.
    """
    parts = []
    for both in _with_mirror(net, images, batch):
        aus = net(both).aus
        if aus is None:
            raise ValueError("this network reads no AUs")
        plain, mirrored = aus.clamp(0, 1).unflatten(0, (2, -1))
        both_ways = (plain + mirrored[:, MIRRORED_SLOTS]) / 2
        parts.append((both_ways * MAX_INTENSITY).cpu().numpy())
    return np.concatenate(parts)


def _with_mirror(net: Classifier, images: NDArray[np.uint8], batch: int) -> Iterator[Tensor]:
    """Batches as tensors in -1 to 1, images first, then their mirror images."""
    rows = (images[start : start + batch] for start in range(0, len(images), batch))
    for part in rows:
        scaled = to_tensor(part, next(net.parameters()).device)
        yield torch.cat([scaled, scaled.flip(-1)])


def save(net: Classifier, path: Path, kind: Kind) -> None:
    """Write a network with its config."""
    checkpoints.save(path, kind, net.state_dict(), asdict(net.config))


def load(path: Path, kind: Kind) -> tuple[Classifier, str]:
    """A network in evaluation mode and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or holds another kind of network.
    """
    checkpoint = checkpoints.load(path, kind)
    net = Classifier(checkpoints.config_of(checkpoint, ClassifierConfig))
    checkpoints.fill(net, checkpoint, path.name)
    frozen = net.eval().requires_grad_(False)
    return cast(Classifier, frozen.to(memory_format=torch.channels_last)), checkpoint.sha256  # type: ignore[call-overload]
