"""IP-Adapters in miniature: the published layout with random numbers, and an image encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from synfer_core.models.au_adapter import layers_of
from synfer_core.models.ip_adapter import ENCODER
from tests.models import tiny_sd

HIDDEN, EMBEDDING, SIDE = 48, 40, 32
"""Widths of the encoder's places and of its one embedding, and pixels that it looks at."""
_PLUS = 64
"""Width of the resampler: heads of published files are 64 wide, and there is one."""


def write(folder: Path, kind: str = "plain") -> Path:
    """A folder as its authors publish it; the file."""
    write_encoder(folder / ENCODER)
    file = folder / f"ip-adapter-{kind}_sd15.safetensors"
    save_file(tensors(kind), file)
    return file


def write_encoder(folder: Path, hidden: int = HIDDEN) -> None:
    torch.manual_seed(7)
    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=64,
        projection_dim=EMBEDDING,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=8,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)


def tensors(kind: str) -> dict[str, Tensor]:
    """``plain``, ``plus`` or ``full``; layers are counted 1, 3, 5, as in the published files."""
    torch.manual_seed(8)
    found = {f"image_proj.{name}": tensor.contiguous() for name, tensor in _projection(kind)}
    for index, (_, width) in enumerate(layers_of(tiny_sd.unet())):
        for part in "kv":
            weight = torch.randn(width, tiny_sd.WIDTH) * 0.2
            found[f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight"] = weight
    return found


def _projection(kind: str) -> Iterator[tuple[str, Tensor]]:
    if kind == "plus":
        yield from _resampler()
        return
    sizes = {"plain": {"proj": (4 * tiny_sd.WIDTH, EMBEDDING)},
             "full": {"proj.0": (HIDDEN, HIDDEN), "proj.2": (tiny_sd.WIDTH, HIDDEN)}}  # fmt: skip
    for name, shape in sizes[kind].items():
        yield f"{name}.weight", torch.randn(shape) * 0.3
        yield f"{name}.bias", torch.randn(shape[0]) * 0.1
    norm = "norm" if kind == "plain" else "proj.3"
    yield f"{norm}.weight", 1 + torch.randn(tiny_sd.WIDTH) * 0.1
    yield f"{norm}.bias", torch.randn(tiny_sd.WIDTH) * 0.1


def _resampler() -> Iterator[tuple[str, Tensor]]:
    """The resampler of ``plus`` files under its authors' names."""
    net = IPAdapterPlusImageProjection(HIDDEN, tiny_sd.WIDTH, _PLUS, heads=1, num_queries=5)
    state = net.state_dict()
    for name, tensor in state.items():
        if not name.startswith("layers."):
            yield name, tensor
    parts = {"ln0": "0.norm1", "ln1": "0.norm2", "attn.to_q": "0.to_q", "attn.to_out.0": "0.to_out",
             "ff.0": "1.0", "ff.1.net.0.proj": "1.1", "ff.1.net.2": "1.3"}  # fmt: skip
    for layer in range(len(net.layers)):
        for ours, theirs in parts.items():
            for end in ("weight", "bias"):
                if f"layers.{layer}.{ours}.{end}" in state:
                    name = f"layers.{layer}.{theirs}.{end}"
                    yield name, state[f"layers.{layer}.{ours}.{end}"]
        both = [state[f"layers.{layer}.attn.to_{part}.weight"] for part in "kv"]
        yield f"layers.{layer}.0.to_kv.weight", torch.cat(both)
