"""The latent classifier: the expression off a face's latents, for semantic guidance to follow.

A small convolutional net that needs no decoding. Every place of the latents has a basis of its own
(`models/codec.py`), so every place has weights of its own before the convolutions. What it reads on
the way from noise to image is not a clean face but the prediction of one, blurred as much as is
still unknown; it learns on such predictions (`training/latent_classifier.py`) and is not told how
far on the way they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from synfer_core.errors import WeightsError
from synfer_core.facs import AU_SLOTS, EXPRESSIONS
from synfer_core.models import checkpoints
from synfer_core.models.classifier import Reading
from synfer_core.models.codec import Codec, ResidualBlock

FILE = "latent-classifier.safetensors"
_KIND = "latent-classifier"
_GRID = 8


@dataclass(frozen=True)
class LatentClassifierConfig:
    """Sizes of the net, and whose latents it reads.

    Attributes:
        codec: Fingerprint of the codec's bases.
        latent_size: Latents on a side.
        latent_channels: Channels of the latents.
        own: Channels that each place makes with weights of its own.
        width: Channels inside, a multiple of 8.
        blocks: Residual blocks.
        hidden: Features before the heads.
        dropout: Dropout before the features.
    """

    codec: str
    latent_size: int = 8
    latent_channels: int = 24
    own: int = 16
    width: int = 48
    blocks: int = 2
    hidden: int = 48
    dropout: float = 0.2


class LatentClassifier(nn.Module):
    """Own weights at each place, residual blocks, and heads for expressions and AUs.

    The AU head serves training alone: 36 numbers say more about a face than one of eight words.

    Attributes:
        mean, deviation: (C, s, s) of each latent in the training set.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: LatentClassifierConfig):
        super().__init__()
        self.config = config
        shape = (config.latent_channels, config.latent_size, config.latent_size)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))
        places = config.latent_size**2
        scale = config.latent_channels**-0.5
        self.own = nn.Parameter(torch.randn(places, config.latent_channels, config.own) * scale)
        grid = min(_GRID, config.latent_size)
        self.trunk = nn.Sequential(
            nn.Conv2d(config.latent_channels + config.own, config.width, 1),
            *(ResidualBlock(config.width) for _ in range(config.blocks)),
            nn.GroupNorm(8, config.width),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(grid),
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width * grid**2, config.hidden),
            nn.SiLU(),
        )
        self.expressions = nn.Linear(config.hidden, len(EXPRESSIONS))
        self.aus = nn.Linear(config.hidden, len(AU_SLOTS))

    def fit(self, latents: Tensor) -> None:
        """Take mean and deviation from training latents (N, C, s, s)."""
        self.mean.copy_(latents.float().mean(0))
        self.deviation.copy_(latents.float().std(0).clamp_min(1e-3))

    def forward(self, latents: Tensor) -> Reading:
        """Latents (B, C, s, s), clean or predicted, to logits and AU intensities."""
        normal = (latents - self.mean) / self.deviation
        by_place = torch.einsum("bcp,pco->bop", normal.flatten(2), self.own)
        own = by_place.unflatten(2, normal.shape[2:])
        features = self.trunk(torch.cat([normal, own], 1))
        return Reading(self.expressions(features), self.aus(features))


def save(net: LatentClassifier, path: Path) -> None:
    """Write a classifier with its config."""
    checkpoints.save(path, _KIND, net.state_dict(), asdict(net.config))


def load(path: Path, codec: Codec) -> tuple[LatentClassifier, str]:
    """A classifier of this codec's latents in evaluation mode, and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged, no latent classifier, or learned the latents of
            another codec.
    """
    checkpoint = checkpoints.load(path, _KIND)
    config = checkpoints.config_of(checkpoint, LatentClassifierConfig)
    fingerprint = codec.linear.fingerprint()
    if config.codec != fingerprint:
        raise WeightsError("learned another codec's latents", field=path.name, allowed=fingerprint)
    net = LatentClassifier(config)
    checkpoints.fill(net, checkpoint, path.name)
    return net.eval().requires_grad_(False), checkpoint.sha256
