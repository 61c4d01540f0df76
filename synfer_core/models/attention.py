"""Attention processors: text, what adapters add beside text (AUs, a picture), a recorder of maps.

Fused attention hides its maps, so a recorder takes q and k of the very call that makes the image
and works the map out beside it: one code path, and recording changes no pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synfer_core.facs import AU_SLOTS, slots_of
from synfer_core.report import AttentionMaps


@dataclass
class Recorder:
    """Sums attention maps over layers and calls, for the last row of the batch.

    Attributes:
        size: Only layers with maps of this many places on a side are recorded.
        sums: By source (``text`` or ``au``): (tokens, size, size) summed maps.
        counts: By source: how many maps were summed.
    """

    size: int
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, source: str, q: Tensor, k: Tensor, bias: Tensor | None) -> None:
        """Record q (B, heads, places, d) against k (B, heads, tokens, d)."""
        if q.shape[2] != self.size**2:
            return
        with torch.no_grad():
            scores = q[-1] @ k[-1].transpose(-1, -2) / math.sqrt(q.shape[-1])
            if bias is not None:
                scores = scores + bias[-1]
            maps = scores.float().softmax(-1).mean(0).T.reshape(-1, self.size, self.size)
        maps = maps.cpu()
        self.sums[source] = self.sums.get(source, torch.zeros_like(maps)) + maps
        self.counts[source] = self.counts.get(source, 0) + 1

    def watching(self, unet: nn.Module) -> AbstractContextManager[object]:
        """Around the one call of a U-Net that is recorded; nobody else calls it meanwhile."""
        return nullcontext()

    def mean(self, source: str) -> Tensor | None:
        """Mean map of each token, (tokens, size, size), or None if nothing was recorded."""
        if source not in self.sums:
            return None
        return self.sums[source] / self.counts[source]


def attention_maps(
    recorder: Recorder, units: Iterable[str], words: Sequence[tuple[str, tuple[int, ...]]]
) -> AttentionMaps:
    """Recorded maps by AU asked for (the mean of its sides) and by word.

    Args:
        recorder: What was recorded.
        units: Keys of the AUs; there are no maps of them where all are one token.
        words: With their token positions.
    """
    mass = {}
    by_au, by_token = recorder.mean("au"), recorder.mean("text")
    if by_au is not None and len(by_au) == len(AU_SLOTS):
        for key in units:
            rows = [AU_SLOTS.index(slot) for slot in slots_of(key)]
            mass[key] = by_au[rows].mean(0).numpy()
    if by_token is not None:
        for index, (word, tokens) in enumerate(words):
            mass[f"word:{index}:{word}"] = by_token[list(tokens)].mean(0).numpy()
    return AttentionMaps(mass)


@dataclass(frozen=True)
class AdapterInput:
    """An adapter's tokens for one call of the U-Net.

    Attributes:
        tokens: (B, N, width).
        scale: (B,) scale of the attention to them; 0 leaves the U-Net as it was.
    """

    tokens: Tensor
    scale: Tensor

    @classmethod
    def cat(cls, inputs: Sequence[Self | None]) -> Self | None:
        """The rows of all in one; None where one has no tokens."""
        there = [one for one in inputs if one is not None]
        if len(there) < len(inputs):
            return None
        return cls(torch.cat([i.tokens for i in there]), torch.cat([i.scale for i in there]))

    def to(self, device: torch.device, dtype: torch.dtype) -> Self:
        """The same on the U-Net's device and in its format."""
        return replace(
            self, tokens=self.tokens.to(device, dtype), scale=self.scale.to(device, dtype)
        )


@dataclass(frozen=True)
class AUInput(AdapterInput):
    """AU tokens for one call of the U-Net.

    Attributes:
        absent: (B, slots, width) tokens of a face that does nothing, for an adapter that was
            trained without ever being switched off.
    """

    absent: Tensor | None = None

    def without(self) -> AUInput:
        """The same for a face that does nothing: the attention is off, or reads `absent`."""
        if self.absent is not None:
            return replace(self, tokens=self.absent)
        return replace(self, scale=torch.zeros_like(self.scale))


class SelfAttention:
    """Plain attention that accepts, and ignores, what is meant for cross-attention.

    Args:
        sliced: Work out one head after another, which takes longer and less memory.
    """

    def __init__(self, *, sliced: bool = False):
        self.sliced = sliced

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        au: AUInput | None = None,
        image: AdapterInput | None = None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        q, k, v = (_heads(attn, f(hidden_states)) for f in (attn.to_q, attn.to_k, attn.to_v))
        if self.sliced:
            heads = zip(*(x.split(1, dim=1) for x in (q, k, v)), strict=True)
            return _project(attn, torch.cat([attend(*head) for head in heads], 1))
        return _project(attn, attend(q, k, v))


@dataclass(frozen=True)
class Decoupled:
    """What an adapter adds to one cross-attention layer: keys and values of its own tokens.

    Attributes:
        source: Which tokens: those of ``au``, or those of an ``image``.
        key: From tokens to keys.
        value: From tokens to values.
    """

    source: Literal["au", "image"]
    key: nn.Linear
    value: nn.Linear

    def attend(self, attn: Any, q: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What queries (B, heads, places, d) find among tokens (B, N, width), and their keys."""
        k, v = _heads(attn, self.key(tokens)), _heads(attn, self.value(tokens))
        return attend(q, k, v), k


class CrossAttention:
    """Attention to text, and beside it, with their own keys, to adapters' tokens.

    The decoupled form of IP-Adapter (Ye et al. 2023, https://arxiv.org/abs/2308.06721, eq. 5).

    Args:
        *added: What adapters add; of two with one source the later one acts.
        bare: The processor in whose place this one is, to be put back with the last adapter.
    """

    def __init__(self, *added: Decoupled, bare: Any = None):
        self.added = added
        self.bare = bare
        self._acting = {one.source: one for one in added}

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        au: AUInput | None = None,
        image: AdapterInput | None = None,
        recorder: Recorder | None = None,
    ) -> Tensor:
        q = _heads(attn, attn.to_q(hidden_states))
        k = _heads(attn, attn.to_k(encoder_hidden_states))
        v = _heads(attn, attn.to_v(encoder_hidden_states))
        bias = _bias(attention_mask, attn.heads)
        output = attend(q, k, v, bias)
        if recorder is not None:
            recorder.add("text", q, k, bias)
        if au is not None and "au" in self._acting:
            acted, au_k = self._acting["au"].attend(attn, q, au.tokens)
            # Attention takes a mean over the units; several may act at one place.
            gain = math.sqrt(au.tokens.shape[1]) * au.scale[:, None, None, None]
            output = output + gain * acted
            if recorder is not None:
                recorder.add("au", q, au_k, None)
        if image is not None and "image" in self._acting:
            shown, _ = self._acting["image"].attend(attn, q, image.tokens)
            output = output + image.scale[:, None, None, None] * shown
        return _project(attn, output)


def put(unet: Any, layers: Mapping[str, Decoupled]) -> None:
    """Let cross-attention layers, named by their processors, read an adapter's tokens too."""
    held = dict(unet.attn_processors)
    for name, one in layers.items():
        before = held[name]
        added = before.added if isinstance(before, CrossAttention) else ()
        held[name] = CrossAttention(*added, one, bare=before.bare if added else before)
    unet.set_attn_processor(held)


def take(unet: Any, layers: Mapping[str, Decoupled]) -> None:
    """Undo `put`, whatever else was put in since; with the last adapter all is as it was."""
    held = dict(unet.attn_processors)
    for name, one in layers.items():
        now = held[name]
        added = now.added if isinstance(now, CrossAttention) else ()
        left = [other for other in added if other is not one]
        if len(left) < len(added):
            held[name] = CrossAttention(*left, bare=now.bare) if left else now.bare
    unet.set_attn_processor(held)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention, on CPUs in float32: backwards PyTorch's bfloat16 kernel is eight times slower."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    with torch.autocast("cpu", enabled=False):
        bias = None if bias is None else bias.float()
        found = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=bias)
    return found.to(q.dtype)


def _heads(attn: Any, x: Tensor) -> Tensor:
    """(B, N, heads * d) as (B, heads, N, d)."""
    return x.view(*x.shape[:2], attn.heads, -1).transpose(1, 2)


def _project(attn: Any, x: Tensor) -> Tensor:
    merged = x.transpose(1, 2).flatten(2)
    output: Tensor = attn.to_out[1](attn.to_out[0](merged))
    return output


def _bias(mask: Tensor | None, heads: int) -> Tensor | None:
    """Diffusers hands a (B, 1, tokens) bias on; attention wants (B, heads, 1, tokens)."""
    return None if mask is None else mask[:, None].expand(-1, heads, -1, -1)
