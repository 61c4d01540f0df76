"""The denoiser: a mixer over the places of a face, with weights of its own at every place.

Faces are aligned and every place has bases of its own, so channel layers do not share weights
between places, but share them between left and right (see `places`). Channels are gated by what
conditions them (gated linear units, Shazeer 2020, https://arxiv.org/abs/2002.05202), places are
mixed as in MLP-Mixer (Tolstikhin et al. 2021, https://arxiv.org/abs/2105.01601), and words are read
by cross-attention (diffusers' `Attention`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

BANDS = 8
"""Frequencies at which the noise level is seen."""


@dataclass(frozen=True)
class MixerConfig:
    """Sizes of the network.

    Attributes:
        places: Places of a half face.
        latents: Numbers a place.
        code: Numbers of the reference's code a place.
        person: Numbers that describe the reference as a whole.
        width: Channels at a place.
        hidden: Channels that are gated.
        blocks: How many blocks.
        mixing: Width of the layers that mix places.
        gate: Width of what gates, beside the action units.
        word_width: Width of word states.
        words: Width to which they are reduced.
        heads: Attention heads for words.
        reading: Blocks that read words.
    """

    places: int
    latents: int
    code: int
    person: int
    width: int = 128
    hidden: int = 160
    blocks: int = 3
    mixing: int = 48
    gate: int = 32
    word_width: int = 384
    words: int = 96
    heads: int = 4
    reading: tuple[int, ...] = (1, 2)


class PlaceLinear(nn.Module):
    """A linear map of its own at each place: (places, B, i) to (places, B, o)."""

    def __init__(self, places: int, inputs: int, outputs: int, *, zero: bool = False):
        super().__init__()
        weight = torch.randn(places, inputs, outputs) / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.zeros_like(weight) if zero else weight)
        self.bias = nn.Parameter(torch.zeros(places, 1, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, rows, self.weight)

    def everywhere(self, shared: Tensor) -> Tensor:
        """The same input (B, i) at each place."""
        found: Tensor = self(shared.expand(len(self.weight), -1, -1))
        return found


class PlaceMixing(nn.Module):
    """What other places, of both halves, tell a place; the same for all channels."""

    def __init__(self, places: int, width: int):
        super().__init__()
        self.first = nn.Parameter(torch.randn(width, 2 * places) / math.sqrt(2 * places))
        self.second = nn.Parameter(torch.zeros(places, width))

    def forward(self, rows: Tensor) -> Tensor:
        """(places, 2 B, C), left halves first, to the same shape."""
        halves = rows.unflatten(1, (2, -1))
        seen = torch.cat([halves, halves.flip(1)]).flatten(1)
        mixed: Tensor = self.second @ F.gelu(self.first @ seen)
        return mixed.view_as(rows)


@dataclass
class WordMaps:
    """Where words were read in one picture's denoising, and what blocks put out in the last call.

    Attributes:
        maps: One for each reading, (B, 2, places, T): how much each place looked at each token.
        kept: How many blocks' outputs are kept, the last.
        outputs: They, as rows.
    """

    maps: list[Tensor] = field(default_factory=list)
    kept: int = 0
    outputs: list[Tensor] = field(default_factory=list)

    def put_out(self, rows: Tensor) -> None:
        """Keep what a block put out, and forget that of the first."""
        if self.kept:
            self.outputs = [*self.outputs, rows][-self.kept :]

    @property
    def mean(self) -> Tensor | None:
        """(T, 2, places) of the last sample, over readings; None if nothing was read."""
        if not self.maps:
            return None
        return torch.stack([looked[-1] for looked in self.maps]).mean(0).permute(2, 0, 1)


class WordReading(nn.Module):
    """Cross-attention from all places to the words of a prompt."""

    def __init__(self, config: MixerConfig):
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.attention = Attention(
            config.width,
            cross_attention_dim=config.words,
            heads=config.heads,
            dim_head=config.width // config.heads // 2,
        )
        nn.init.zeros_(self.attention.to_out[0].weight)

    def forward(
        self, rows: Tensor, words: Tensor, mask: Tensor, recorder: WordMaps | None = None
    ) -> Tensor:
        """What is read (places, 2 B, C) of words (B, T, width) where the mask (B, T) is true."""
        places, width = len(rows), rows.shape[-1]
        asked = self.norm(rows).view(places, 2, -1, width).permute(2, 1, 0, 3).flatten(1, 2)
        bias = torch.zeros_like(mask, dtype=rows.dtype).masked_fill(~mask, -1e4)[:, None]
        found: Tensor = self.attention(asked, encoder_hidden_states=words, attention_mask=bias)
        if recorder is not None:
            recorder.maps.append(self._looked(asked, words, bias))
        halves = found.view(-1, 2, places, width)
        return halves.permute(2, 1, 0, 3).flatten(1, 2)

    @torch.no_grad()
    def _looked(self, asked: Tensor, words: Tensor, bias: Tensor) -> Tensor:
        """The attention (B, 2, places, T), worked out beside it, mean over heads."""
        layer = self.attention
        query, key = (
            layer.head_to_batch_dim(part) for part in (layer.to_q(asked), layer.to_k(words))
        )
        mask = bias.repeat_interleave(layer.heads, 0)
        scores = layer.get_attention_scores(query, key, mask).unflatten(0, (-1, layer.heads))
        looked: Tensor = scores.mean(1).unflatten(1, (2, -1))
        return looked


class Block(nn.Module):
    """Mix places, then channels at each place under a gate."""

    def __init__(self, config: MixerConfig):
        super().__init__()
        places, width, hidden = config.places, config.width, config.hidden
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixing = PlaceMixing(places, config.mixing)
        self.up = PlaceLinear(places, width, 2 * hidden)
        self.gate = PlaceLinear(places, config.gate, 2 * hidden)
        self.down = PlaceLinear(places, hidden, width, zero=True)

    def forward(self, rows: Tensor, gates: Tensor, units: Tensor | None) -> Tensor:
        """Rows (places, 2 B, C), what gates (2 B, gate), and what action units add to the gate."""
        rows = rows + self.mixing(self.first(rows))
        gate = self.gate.everywhere(gates)
        gain, shift = (gate if units is None else gate + units).chunk(2, -1)
        value, inner = self.up(self.second(rows)).chunk(2, -1)
        changed: Tensor = rows + self.down(value * (gain + F.silu(inner + shift)))
        return changed


class NoiseLevel(nn.Module):
    """log(sigma / alpha) (B,) as numbers (B, width)."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * BANDS, 64), nn.SiLU(), nn.Linear(64, width))

    def forward(self, level: Tensor) -> Tensor:
        bands = torch.arange(BANDS, device=level.device) * 0.7 + 0.3
        angles = level[:, None] / 4 * bands
        found: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], -1))
        return found
