"""The codec: images to latents and back, 16 times smaller each way.

Faces are aligned, so each 16x16 block of the image has a small linear basis of its own: its
principal components. They encode in closed form, without training and 5 dB above a convolutional
encoder of the same compression after nine minutes on two cores (docs/training-log.md). Bases of
neighbouring blocks are turned towards a common one (orthogonal Procrustes), so that a channel
means about the same everywhere. Channels are scaled by the root of their deviation: the order from
coarse to fine stays, but is milder than in pixels. The decoder starts from the linear
reconstruction and adds what a network sees beyond block borders; pixel-unshuffle keeps its
convolutions small (as in DC-AE, Chen et al. 2025, https://arxiv.org/abs/2410.10733).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.models import checkpoints
from synfer_core.models.attention import attend

BLOCK = 16
_VALUES = 3 * BLOCK**2


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec.

    Attributes:
        image_size: Pixels on a side, a multiple of 16.
        latent_channels: Principal components of a block.
        widths: Channels of the decoder at 1/4, 1/8 and 1/16 of the image's size.
        blocks: Residual blocks at the first two sizes, attention blocks at the last.
        heads: Heads of the attention blocks.
    """

    image_size: int = 128
    latent_channels: int = 24
    widths: tuple[int, int, int] = (64, 128, 256)
    blocks: tuple[int, int, int] = (3, 1, 2)
    heads: int = 4

    @property
    def latent_size(self) -> int:
        """Latents on a side."""
        return self.image_size // BLOCK


class Sizes(Protocol):
    """What others need of a codec's config."""

    @property
    def image_size(self) -> int:
        """Pixels on a side."""

    @property
    def latent_channels(self) -> int:
        """Numbers at a place of the latents."""


class ImageCodec(Protocol):
    """Images to latents and back, whichever network does it."""

    @property
    def config(self) -> Sizes:
        """Its sizes."""

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in -1 to 1 as latents (B, C, s, s) of about unit variance."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as images (B, 3, S, S); about -1 to 1, not clamped."""


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
        batch, places, width = tokens.shape
        qkv = self.qkv(self.norm_attention(tokens)).view(batch, places, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v).transpose(1, 2)
        tokens = tokens + self.out(mixed.reshape(batch, places, width))
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
        maps = tokens.transpose(1, 2).reshape_as(x)
        return maps.contiguous(memory_format=torch.channels_last)


class BlockBasis(nn.Module):
    """Principal components of every block of an aligned image.

    Attributes:
        mean: (places, 768) mean block.
        basis: (places, 768, channels) orthonormal columns.
        scale: (channels,) what a latent of 1 amounts to.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, size: int, channels: int):
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.zeros(size * size, _VALUES))
        self.register_buffer("basis", torch.zeros(size * size, _VALUES, channels))
        self.register_buffer("scale", torch.ones(channels))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Take mean, basis and scale from images (N, 3, S, S) in -1 to 1, N above 768."""
        blocks = self._split(images)
        self.mean.copy_(blocks.mean(1))
        channels = self.basis.shape[-1]
        covariances = torch.stack([torch.cov(place.T) for place in blocks])
        common = _principal(covariances.mean(0), channels)
        for place, covariance in enumerate(covariances):
            own = _principal(covariance, channels)
            left, _, right = torch.linalg.svd(own.T @ common)
            self.basis[place] = own @ (left @ right)
        deviations = torch.einsum("pvc,pvw,pwc->pc", self.basis, covariances, self.basis)
        roots = deviations.mean(0).sqrt()
        self.scale.copy_(roots.sqrt() * roots.mean().sqrt())

    def encode(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) as latents (B, channels, size, size)."""
        latents = torch.bmm(self._split(images) - self.mean[:, None], self.basis) / self.scale
        return latents.permute(1, 2, 0).reshape(-1, latents.shape[2], self.size, self.size)

    def decode(self, latents: Tensor) -> Tensor:
        """The linear reconstruction (B, 3, S, S)."""
        scaled = latents.flatten(2).permute(2, 0, 1) * self.scale
        blocks = torch.bmm(scaled, self.basis.transpose(1, 2)) + self.mean[:, None]
        grid = blocks.view(self.size, self.size, -1, 3, BLOCK, BLOCK)
        return grid.permute(2, 3, 0, 4, 1, 5).reshape(-1, 3, self.size * BLOCK, self.size * BLOCK)

    def fingerprint(self) -> str:
        """SHA-256 of the bases: equal fingerprints make equal latents."""
        digest = hashlib.sha256()
        for tensor in (self.mean, self.basis, self.scale):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _split(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) as blocks (places, B, 768)."""
        grid = images.reshape(-1, 3, self.size, BLOCK, self.size, BLOCK)
        return grid.permute(2, 4, 0, 1, 3, 5).reshape(self.size**2, -1, _VALUES)


def _principal(covariance: Tensor, count: int) -> Tensor:
    """The first `count` eigenvectors as columns."""
    vectors: Tensor = torch.linalg.eigh(covariance).eigenvectors
    return vectors.flip(1)[:, :count]


class Codec(nn.Module):
    """Autoencoder of aligned faces: block bases, and a decoder that refines them."""

    def __init__(self, config: CodecConfig):
        super().__init__()
        self.config = config
        low, mid, high = config.widths
        self.linear = BlockBasis(config.latent_size, config.latent_channels)
        self.from_latents = nn.Sequential(
            nn.Conv2d(config.latent_channels, high, 1),
            AttentionStage(high, config.latent_size, config.blocks[2], config.heads),
            nn.Conv2d(high, 4 * mid, 1),
            nn.PixelShuffle(2),
            *(ResidualBlock(mid) for _ in range(config.blocks[1])),
            nn.Conv2d(mid, 4 * low, 1),
            nn.PixelShuffle(2),
        )
        self.from_linear = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, low, 3, padding=1))
        last = nn.Conv2d(low, 48, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(cast(Tensor, last.bias))
        self.refine = nn.Sequential(
            *(ResidualBlock(low) for _ in range(config.blocks[0])),
            nn.GroupNorm(8, low),
            nn.SiLU(),
            last,
            nn.PixelShuffle(4),
        )

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in -1 to 1 as latents (B, C, S/16, S/16) of about unit variance."""
        return self.linear.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents as images (B, 3, S, S); about -1 to 1, not clamped."""
        rough = self.linear.decode(latents).contiguous(memory_format=torch.channels_last)
        features = self.from_latents(latents) + self.from_linear(rough)
        return cast(Tensor, rough + self.refine(features))


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
    channels_last = codec.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return cast(Codec, channels_last), checkpoint.sha256
