"""FERAnno: reads the expression off what the denoiser itself sees in an image.

After SynFER (He et al., ICCV 2025, https://arxiv.org/abs/2410.09865, section 3.4): the image is
inverted, the frozen U-Net's features at several scales and its cross-attention maps are read at
chosen steps, and a cascade of blocks, each a convolution and a cross-attention both ways between
image features and queries, ends in a distribution over the expressions.

What differs here. The image is inverted under one probe for all images, so that a photo without a
prompt can be read: words that name the eight expressions, and AU tokens at full intensity whose
attention is recorded but scaled to zero. Queries stand for the 36 AU slots beside the eight
expressions and learn the intensities too. One step of inversion is enough by default. The
latents themselves are read beside the features; as every place has a basis of its own in them, it
also has weights of its own.

The model around a reference looks at a face in its own way (`reference.probe`); FERAnno is the
same for both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from synfer_core import guidance
from synfer_core.decoding import fitted
from synfer_core.errors import WeightsError
from synfer_core.facs import AU_SLOTS, EXPRESSIONS
from synfer_core.inversion import invert
from synfer_core.models import checkpoints
from synfer_core.models.attention import Recorder
from synfer_core.models.codec import ImageCodec
from synfer_core.models.denoiser import SCHEDULE, Context, NoiseSchedule, Predictor
from synfer_core.models.text import TextStates

QUERIES = len(EXPRESSIONS) + len(AU_SLOTS)
PROBE = ", ".join(EXPRESSIONS)
"""The words under which every image is inverted."""


@dataclass(frozen=True)
class FERAnnoConfig:
    """Sizes of FERAnno, and which U-Net it reads.

    Attributes:
        channels: Channels of the features by places on a side, such as ``((4, 900), (8, 1200))``.
        backbone: SHA-256 over the weights whose features it learned.
        steps: Steps of the sampler that is inverted.
        taps: Indices, from 0, of the inversion steps whose features are read.
        latents: How many of the finest scale's channels, its first, mean something else at each
            place, such as the latents themselves, and are read through weights of each place.
        halves: Of a face read as two half faces, of which the right one is mirrored: the places of
            a half, row by row, that have weights of their own; both halves share them. Empty where
            every place of the face has.
        width: Channels inside.
        blocks: Blocks for each scale.
        heads: Attention heads.
        dropout: Dropout of features and queries in training.
        temperature: Divides the logits; fitted on validation images.
    """

    channels: tuple[tuple[int, int], ...]
    backbone: str
    steps: int = 20
    taps: tuple[int, ...] = (0,)
    latents: int = 0
    halves: tuple[int, ...] = ()
    width: int = 160
    blocks: int = 2
    heads: int = 4
    dropout: float = 0.15
    temperature: float = 1.0


Features = Mapping[int, Tensor]
"""By places on a side s: (B, channels, s, s) of all layers, maps and taps of that size."""


class FeatureTap:
    """Keeps what chosen layers of a U-Net put out in its last call.

    A context manager: hooks come in on entering and go on leaving, and the U-Net is as it was. They
    hear every call of it, whoever's, so that it is held for one call alone.

    Args:
        unet: The U-Net.
        layers: Names of the modules to tap.
        outputs: Where to keep it.
    """

    def __init__(
        self, unet: nn.Module, layers: tuple[str, ...], outputs: dict[str, Tensor] | None = None
    ):
        self._modules = {name: unet.get_submodule(name) for name in layers}
        self._handles: list[RemovableHandle] = []
        self.outputs: dict[str, Tensor] = {} if outputs is None else outputs

    def __enter__(self) -> Self:
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_hook(self._keeper(name)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _keeper(self, name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            self.outputs[name] = output[0] if isinstance(output, tuple) else output

        return keep


def tap_layers(unet: nn.Module) -> tuple[str, ...]:
    """The last attention of each block: features that have seen the conditions."""
    found: dict[str, str] = {}
    for name, module in unet.named_modules():
        parts = name.split(".")
        if len(parts) >= 2 and parts[-2] == "attentions" and hasattr(module, "transformer_blocks"):
            found[".".join(parts[:-2])] = name
    return tuple(found.values())


def _grid(x: Tensor, side: int) -> Tensor:
    """(B, N, side * side) as (B, N, side, side)."""
    return x.reshape(*x.shape[:2], side, side)


@dataclass
class MapTap(Recorder):
    """Keeps every row's attention maps of one call: the probe's words, and all AUs; and what the
    last attention of each block put out.

    Attributes:
        words: For each expression, the token positions that spell it.
        maps: By places on a side: (B, words or slots, s, s), about 1 on average.
        outputs: By layer (see `tap_layers`).
    """

    size: int = 0
    words: tuple[tuple[int, ...], ...] = ()
    maps: dict[int, list[Tensor]] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def watching(self, unet: nn.Module) -> FeatureTap:
        """Around the one call of a U-Net that is recorded; nobody else calls it meanwhile."""
        return FeatureTap(unet, tap_layers(unet), self.outputs)

    def add(self, source: str, q: Tensor, k: Tensor, bias: Tensor | None) -> None:
        """Record q (B, heads, places, d) against k (B, heads, tokens, d)."""
        side = math.isqrt(q.shape[2])
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if bias is not None:
            scores = scores + bias
        maps = _grid(scores.float().softmax(-1).mean(1).mT, side) * k.shape[2]
        if source == "text":
            maps = torch.stack([maps[:, list(tokens)].mean(1) for tokens in self.words], 1)
        self.maps.setdefault(side, []).append(maps)


@dataclass(frozen=True)
class Probe:
    """A denoiser that is a U-Net, and the one condition under which it looks at every image.

    Attributes:
        codec: Images to latents.
        denoiser: The denoiser, with the AU adapter injected.
        context: One row: the probe's words, no person, all AUs at scale 0.
        words: For each expression, the token positions that spell it.
        schedule: Of the noise that the denoiser knows.
    """

    codec: ImageCodec
    denoiser: Predictor
    context: Context
    words: tuple[tuple[int, ...], ...]
    schedule: NoiseSchedule = field(default_factory=lambda: SCHEDULE)

    halves: ClassVar[tuple[int, ...]] = ()

    def placed(self, taps: int) -> int:
        """How many channels the latents have."""
        return self.codec.config.latent_channels

    def look(self, images: Tensor, steps: int, taps: tuple[int, ...]) -> Features:
        """Features of images (B, 3, S, S) in -1 to 1, brought to the codec's size."""
        pixels = fitted(images, self.codec.config.image_size)
        return self.features(self.codec.encode(pixels), steps, taps)

    @torch.no_grad()
    def features(self, latents: Tensor, steps: int, taps: tuple[int, ...]) -> Features:
        """Features of clean latents (B, C, s, s) at the inversion steps in `taps`.

        The latents come first among those of their size.
        """
        context = Context.cat([self.context] * len(latents))
        found: dict[int, list[Tensor]] = {latents.shape[-1]: [latents]}
        for index, outputs in self._calls(context, latents, steps):
            if index in taps:
                for tensor in outputs:
                    found.setdefault(tensor.shape[-1], []).append(tensor.to(latents))
            if index >= max(taps):
                break
        return {side: torch.cat(parts, 1) for side, parts in sorted(found.items())}

    def _calls(
        self, context: Context, latents: Tensor, steps: int
    ) -> Iterator[tuple[int, list[Tensor]]]:
        """For each inversion step from 0, the layers' outputs and the attention maps."""
        maps = MapTap(words=self.words)
        denoise = guidance.plain(self.denoiser, context, maps)
        for index, _ in enumerate(invert(denoise, latents, steps, schedule=self.schedule)):
            recorded = [m for side in maps.maps.values() for m in side]
            yield index, [*maps.outputs.values(), *recorded]
            maps.maps.clear()


def spelled(text: TextStates) -> tuple[tuple[int, ...], ...]:
    """For each expression, the token positions that spell it in the encoded probe."""
    tokens = dict(text.words[0])
    return tuple(tokens[name] for name in EXPRESSIONS)


class Looking(Protocol):
    """A model that looks at images under one condition."""

    def placed(self, taps: int) -> int:
        """`FERAnnoConfig.latents` where features are read at so many steps."""

    @property
    def halves(self) -> tuple[int, ...]:
        """See `FERAnnoConfig.halves`."""

    def look(self, images: Tensor, steps: int, taps: tuple[int, ...]) -> Features:
        """Features of images (B, 3, S, S) in -1 to 1, any S.

        Args:
            images: In the model's crop.
            steps: Steps of the sampler that is inverted.
            taps: Indices, from 0, of the inversion steps whose features are read.
        """


class Readable(Protocol):
    """A backbone whose features FERAnno can read."""

    def probe(self) -> Looking:
        """What looks at images."""

    def fingerprint(self) -> str:
        """SHA-256 over all that makes features."""


@dataclass(frozen=True)
class Annotated:
    """What FERAnno says of a batch.

    Attributes:
        logits: (B, 8), `facs.EXPRESSIONS` order, before temperature.
        aus: (B, 36) intensities, about 0 to 1, `facs.AU_SLOTS` order.
        attention: (B, 44, s, s): where each expression's, then each AU's query looked, at the
            finest scale; sums to 1 over places.
    """

    logits: Tensor
    aus: Tensor
    attention: Tensor


def both_halves(side: int, places: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Where places of a half face, row by row, lie in the face: those of the left, of the right."""
    columns = side // 2
    rows = [divmod(place, columns) for place in places]
    left = tuple(row * side + column for row, column in rows)
    right = tuple(row * side + side - 1 - column for row, column in rows)
    return (left, right) if places else ()


class CrossBlock(nn.Module):
    """A convolution, then queries look at places and places at queries."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.conv = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.to_queries = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.to_places = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(
        self, x: Tensor, queries: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, width, s, s) and queries (B, Q, width), and where queries looked."""
        x = x + self.conv(x)
        places = x.flatten(2).mT
        n0, n1, n2, n3 = self.norms
        seen, looked = self._attend(self.to_queries, n0(queries), n1(places) + position)
        queries = queries + seen
        told, _ = self._attend(self.to_places, n2(places) + position, n3(queries))
        side = x.shape[-1]
        x = _grid((places + told).mT, side)
        return x, queries + self.mlp(queries), _grid(looked.mean(1), side)

    def _attend(
        self, layers: nn.ModuleList, target: Tensor, source: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attention of `target` to `source`; its weights (B, heads, target, source) come along."""
        *inward, outward = layers
        q, k, v = (
            layer(t).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, t in zip(inward, (target, source, source), strict=True)
        )
        weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
        return outward((weights @ v).transpose(1, 2).flatten(2)), weights


class Scale(nn.Module):
    """One scale of the cascade: its features, brought to width, and its blocks."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, side: int, channels: int, latents: int, config: FERAnnoConfig):
        super().__init__()
        width = config.width
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.drop = nn.Dropout2d(config.dropout)
        self.reduce = nn.Conv2d(channels, width, 1)
        self.position = nn.Parameter(torch.randn(1, side * side, width) * 0.02)
        self.halves = both_halves(side, config.halves)
        own = len(config.halves) or side * side
        self.latents = nn.Parameter(torch.randn(own, latents, width) * 0.1)
        self.blocks = nn.ModuleList(
            CrossBlock(width, config.heads, config.dropout) for _ in range(config.blocks)
        )

    def fit(self, features: Tensor) -> None:
        """Take each channel's mean and deviation from (N, channels, s, s)."""
        flat = features.float().transpose(0, 1).flatten(1)
        self.mean.copy_(flat.mean(1))
        self.deviation.copy_(flat.std(1).clamp_min(1e-3))

    def forward(
        self, features: Tensor, coarser: Tensor | None, queries: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, channels, s, s), what the coarser scale made, and queries."""
        normal = (features - self.mean[:, None, None]) / self.deviation[:, None, None]
        normal = normal.clamp(-8, 8)
        dropped = self.drop(normal)
        x = self.reduce(dropped) + self._by_place(dropped)
        if coarser is not None:
            x = x + F.interpolate(coarser, x.shape[2:], mode="nearest")
        for block in self.blocks:
            x, queries, looked = block(x, queries, self.position)
        return x, queries, looked

    def _by_place(self, normal: Tensor) -> Tensor:
        """Position, and the latents through each place's own weights, (B, width, s, s)."""
        latents = normal[:, : self.latents.shape[1]].flatten(2)
        if not self.halves:
            read = torch.einsum("bcp,pcw->bpw", latents, self.latents)
            return _grid((read + self.position).mT, normal.shape[-1])
        both = torch.cat([latents[..., half] for half in self.halves])
        read = torch.einsum("bcp,pcw->bpw", both, self.latents)
        where = torch.cat([torch.tensor(half) for half in self.halves]).to(read.device)
        told = self.position.expand(len(normal), -1, -1)
        told = told.index_add(1, where, torch.cat(read.chunk(2), 1))
        return _grid(told.mT, normal.shape[-1])


class FERAnno(nn.Module):
    """The cascade, from the coarsest scale to the finest."""

    def __init__(self, config: FERAnnoConfig):
        super().__init__()
        self.config = config
        finest = max(side for side, _ in config.channels)
        self.scales = nn.ModuleList(
            Scale(side, n, config.latents if side == finest else 0, config)
            for side, n in config.channels
        )
        self.queries = nn.Parameter(torch.randn(1, QUERIES, config.width) * 0.5)
        self.norm = nn.LayerNorm(config.width)
        self.expressions = nn.Linear(len(EXPRESSIONS) * config.width, len(EXPRESSIONS))
        self.aus = nn.Linear(config.width, 1)

    def fit(self, features: Features) -> None:
        """Take the features' means and deviations from training images."""
        for (side, _), scale in zip(self.config.channels, self.scales, strict=True):
            cast(Scale, scale).fit(features[side])

    def forward(self, features: Features) -> Annotated:
        """Features of a batch to logits, AU intensities and attention."""
        x, queries = None, self.queries.expand(len(next(iter(features.values()))), -1, -1)
        for (side, _), scale in zip(self.config.channels, self.scales, strict=True):
            x, queries, looked = scale(features[side], x, queries)
        read = self.norm(queries)
        count = len(EXPRESSIONS)
        logits = self.expressions(read[:, :count].flatten(1))
        return Annotated(logits, self.aus(read[:, count:])[..., 0], looked)


def save(net: FERAnno, path: Path, *, temperature: float) -> None:
    """Write FERAnno with its config and its fitted temperature."""
    config = asdict(net.config) | {"temperature": temperature}
    checkpoints.save(path, "feranno", net.state_dict(), config)


def load(path: Path) -> tuple[FERAnno, str]:
    """FERAnno in evaluation mode and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or no FERAnno.
    """
    checkpoint = checkpoints.load(path, "feranno")
    config = dict(checkpoint.config)
    config["channels"] = tuple((side, n) for side, n in config["channels"])
    ready = checkpoints.Checkpoint(config, checkpoint.tensors, checkpoint.sha256)
    net = FERAnno(checkpoints.config_of(ready, FERAnnoConfig))
    checkpoints.fill(net, checkpoint, path.name)
    return net.eval().requires_grad_(False), checkpoint.sha256


def check_backbone(net: FERAnno, backbone: str) -> None:
    """Make sure that `net` learned the features of these weights.

    Raises:
        WeightsError: It learned those of others.
    """
    if net.config.backbone != backbone:
        raise WeightsError(
            "was trained on another denoiser", field="feranno.safetensors", allowed=backbone
        )
