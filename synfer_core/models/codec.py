"""The codec: images to latents and back, 16 times smaller each way.

Pixel-unshuffle comes first, so no convolution runs at full size (as in DC-AE, Chen et al. 2025,
https://arxiv.org/abs/2410.10733); attention mixes the whole face at the latents' size, and learned
positions let it use that faces are aligned. A batch norm without parameters gives latents zero mean
and unit variance by construction, in place of a KL term and a scale measured afterwards.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.models import checkpoints


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec.

    Attributes:
        image_size: Pixels on a side.
        latent_channels: Channels of the latents.
        widths: Channels at 1/4, 1/8 and 1/16 of the image's size.
        encoder_blocks: Residual blocks at the first two sizes, attention blocks at the last.
        decoder_blocks: The same for the decoder.
        heads: Heads of the attention blocks.
    """

    image_size: int = 128
    latent_channels: int = 16
    widths: tuple[int, int, int] = (64, 160, 320)
    encoder_blocks: tuple[int, int, int] = (1, 1, 2)
    decoder_blocks: tuple[int, int, int] = (2, 2, 3)
    heads: int = 5

    @property
    def latent_size(self) -> int:
        """Latents on a side."""
        return self.image_size // 16


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


class AttentionBlock(nn.Module):
    """A pre-norm transformer block over all places of the latents."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) to the same shape."""
        qkv = self.qkv(self.norm_attention(tokens)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = tokens + self.out(mixed)
        return cast(Tensor, tokens + self.mlp(self.norm_mlp(tokens)))


class AttentionStage(nn.Module):
    """Learned positions and attention blocks on a feature map."""

    def __init__(self, width: int, size: int, blocks: int, heads: int):
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, size * size, width) * 0.02)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return (
            tokens.transpose(1, 2)
            .unflatten(2, x.shape[2:])
            .contiguous(memory_format=torch.channels_last)
        )


def _residual(width: int, blocks: int) -> list[nn.Module]:
    return [ResidualBlock(width) for _ in range(blocks)]


class Codec(nn.Module):
    """Autoencoder of aligned faces."""

    def __init__(self, config: CodecConfig):
        super().__init__()
        self.config = config
        low, mid, high = config.widths
        size = config.latent_size
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, low, 3, padding=1),
            *_residual(low, config.encoder_blocks[0]),
            nn.Conv2d(low, mid, 2, stride=2),
            *_residual(mid, config.encoder_blocks[1]),
            nn.Conv2d(mid, high, 2, stride=2),
            AttentionStage(high, size, config.encoder_blocks[2], config.heads),
            nn.Conv2d(high, config.latent_channels, 1),
        )
        self.normalise = nn.BatchNorm2d(config.latent_channels, affine=False, momentum=0.01)
        self.decoder = nn.Sequential(
            nn.Conv2d(config.latent_channels, high, 1),
            AttentionStage(high, size, config.decoder_blocks[2], config.heads),
            nn.Conv2d(high, 4 * mid, 1),
            nn.PixelShuffle(2),
            *_residual(mid, config.decoder_blocks[1]),
            nn.Conv2d(mid, 4 * low, 1),
            nn.PixelShuffle(2),
            *_residual(low, config.decoder_blocks[0]),
            nn.GroupNorm(8, low),
            nn.SiLU(),
            nn.Conv2d(low, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in -1 to 1 as latents (B, C, S/16, S/16) of about unit variance."""
        return cast(Tensor, self.normalise(self.encoder(images)))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as images (B, 3, S, S); about -1 to 1, not clamped."""
        return cast(Tensor, self.decoder(latents))


def save(codec: Codec, path: Path) -> None:
    """Write a codec with its config."""
    checkpoints.save(path, "codec", codec.state_dict(), asdict(codec.config))


def load(path: Path) -> tuple[Codec, str]:
    """A codec in evaluation mode and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or no codec.
    """
    checkpoint = checkpoints.load(path, "codec")
    codec = Codec(checkpoints.config_of(checkpoint, CodecConfig))
    checkpoints.fill(codec, checkpoint, path.name)
    return codec.eval().to(memory_format=torch.channels_last), checkpoint.sha256  # type: ignore[call-overload]
