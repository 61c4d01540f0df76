"""The lab's own networks: small enough that a CPU trains one in minutes, and no one else's judge.

A ResNet (He et al. 2016, https://arxiv.org/abs/1512.03385), the same with CBAM's attention over
channels and places after each stage (Woo et al. 2018, https://arxiv.org/abs/1807.06521), and a ViT
(Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929). Stages and transformer are those of
`transformers`. Nothing of them takes part in generation, guidance, verdicts or the gauges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from synfer_core.decoding import fitted, to_tensor
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import checkpoints

Architecture = Literal["resnet", "cbam", "vit"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
Part = Literal["recogniser", "image-text"]

_GRID = 2
_BATCH = 256


@dataclass(frozen=True)
class NetConfig:
    """Sizes of a network.

    Attributes:
        architecture: ``resnet``, ``cbam`` or ``vit``.
        size: Pixels on a side that it sees.
        widths: Channels of the stages (resnet and cbam).
        depths: Blocks of the stages (resnet and cbam).
        tokens: Width of a token (vit).
        layers, heads: Of the transformer (vit).
        patch: Pixels on a side of a patch (vit).
    """

    architecture: Architecture = "resnet"
    size: int = 64
    widths: tuple[int, ...] = (24, 48, 96)
    depths: tuple[int, ...] = (1, 2, 2)
    tokens: int = 96
    layers: int = 4
    heads: int = 4
    patch: int = 8


class Backbone(nn.Module):
    """Images to features."""

    def __init__(self, config: NetConfig):
        super().__init__()
        self.config = config
        self.body = _BODIES[config.architecture](config)

    @property
    def width(self) -> int:
        """Length of the features."""
        vit = self.config.architecture == "vit"
        return self.config.tokens if vit else self.config.widths[-1] * _GRID**2

    def freeze_patches(self) -> None:
        """Leave a ViT's patch projection at random; other networks have none."""
        if isinstance(self.body, _ViT):
            self.body.net.embeddings.patch_embeddings.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, width) of images (B, 3, S, S) in -1 to 1, any S."""
        return cast(Tensor, self.body(fitted(images, self.config.size)))


class Recogniser(nn.Module):
    """A backbone and a linear layer over the eight expressions."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.width, len(EXPRESSIONS))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 8) of images (B, 3, S, S) in -1 to 1."""
        return cast(Tensor, self.head(self.backbone(images)))


class _ResNet(nn.Module):
    """The stages, each with attention where asked, and the mean over a grid of places."""

    def __init__(self, config: NetConfig, *, attention: bool):
        super().__init__()
        net = ResNetModel(
            ResNetConfig(
                embedding_size=config.widths[0],
                hidden_sizes=list(config.widths),
                depths=list(config.depths),
                layer_type="basic",
            )
        )
        self.embedder = net.embedder
        self.stages = nn.ModuleList(net.encoder.stages)
        self.attention = nn.ModuleList(
            CBAM(width) if attention else nn.Identity() for width in config.widths
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(_GRID), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        x = self.embedder(images)
        for stage, attention in zip(self.stages, self.attention, strict=True):
            x = attention(stage(x))
        return cast(Tensor, self.pool(x))


class CBAM(nn.Module):
    """Convolutional block attention: channels are weighed, then places.

    Args:
        width: Channels.
        reduction: Of the channels within the perceptron (equation 2).
    """

    def __init__(self, width: int, reduction: int = 8):
        super().__init__()
        self.channels = nn.Sequential(
            nn.Linear(width, width // reduction), nn.ReLU(), nn.Linear(width // reduction, width)
        )
        self.places = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps (B, C, H, W), weighed by equations 2 and 3."""
        weights = self.channels(x.mean((2, 3))) + self.channels(x.amax((2, 3)))
        x = x * weights.sigmoid()[:, :, None, None]
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return cast(Tensor, x * self.places(seen).sigmoid())


class _ViT(nn.Module):
    """The mean over the tokens of all patches."""

    def __init__(self, config: NetConfig):
        super().__init__()
        self.net = ViTModel(
            ViTConfig(
                hidden_size=config.tokens,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=2 * config.tokens,
                image_size=config.size,
                patch_size=config.patch,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            add_pooling_layer=False,
        )

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.net(images).last_hidden_state[:, 1:].mean(1))


_BODIES: MappingProxyType[Architecture, Callable[[NetConfig], nn.Module]] = MappingProxyType(
    {
        "resnet": lambda config: _ResNet(config, attention=False),
        "cbam": lambda config: _ResNet(config, attention=True),
        "vit": _ViT,
    }
)


def mlp(*widths: int) -> nn.Sequential:
    """A perceptron with batch norm and ReLU between its layers, as projectors have."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


@torch.no_grad()
def in_batches(net: Callable[[Tensor], Tensor], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a network in evaluation mode says of images (N, S, S, 3), as (N, outputs)."""
    starts = range(0, len(images), _BATCH)
    parts = [net(to_tensor(images[start : start + _BATCH])).numpy() for start in starts]
    return np.concatenate(parts)


def save(net: nn.Module, config: NetConfig, path: Path, part: Part) -> None:
    """Write a network with its config, in float32."""
    checkpoints.save(path, f"lab-{part}", net.state_dict(), asdict(config), half=False)


def load_recogniser(path: Path) -> Recogniser:
    """A recogniser in evaluation mode.

    Raises:
        WeightsError: The file is missing, damaged or holds no recogniser.
    """
    checkpoint = checkpoints.load(path, "lab-recogniser")
    net = Recogniser(Backbone(checkpoints.config_of(checkpoint, NetConfig)))
    checkpoints.fill(net, checkpoint, path.name)
    return net.eval().requires_grad_(False)
