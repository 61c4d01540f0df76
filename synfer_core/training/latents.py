"""Training samples of the denoiser, computed once: latents, text states, codes and AUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from synfer_core.decoding import to_tensor
from synfer_core.models import checkpoints
from synfer_core.models.au_directions import AUDirections
from synfer_core.models.codec import Codec
from synfer_core.models.text import TextEncoder, shared_encoder
from synfer_core.models.text_tokens import MAX_TOKENS
from synfer_core.training import dataset
from synfer_core.training.dataset import FaceSet

_BATCH = 64


@dataclass(frozen=True)
class LatentSet:
    """Row i of every field is one image.

    Attributes:
        latents: (N, C, s, s) float16.
        states: (N, 48, 384) float16 text states.
        mask: (N, 48) bool.
        codes: (N, code) float32.
        people: (N,) int64 identity seeds.
        aus: (N, 36) float32 in 0-1.
        null_states, null_mask: (1, 48, 384) and (1, 48), of the empty text.
    """

    latents: Tensor
    states: Tensor
    mask: Tensor
    codes: Tensor
    people: Tensor
    aus: Tensor
    null_states: Tensor
    null_mask: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def to(self, device: str) -> LatentSet:
        """The same on another device."""
        return LatentSet(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@torch.no_grad()
def build(faces: FaceSet, codec: Codec, encoder: TextEncoder) -> LatentSet:
    """Encode images and captions."""
    latents, states, masks = [], [], []
    for rows in dataset.chunks(len(faces), _BATCH):
        latents.append(codec.encode(to_tensor(faces.images[rows])).half())
        text = encoder(list(faces.captions[rows]), cut=True)
        states.append(text.states.half())
        masks.append(text.mask)
    null = encoder([""])
    return LatentSet(
        latents=torch.cat(latents),
        states=torch.cat(states),
        mask=torch.cat(masks),
        codes=torch.from_numpy(faces.codes),
        people=torch.from_numpy(faces.identities),
        aus=torch.from_numpy(faces.aus),
        null_states=null.states,
        null_mask=null.mask,
    )


def load_or_build(
    data: Path, split: str, cache: Path, codec: Codec, encoder: TextEncoder
) -> LatentSet:
    """The samples of a split, from `cache` where it was made with these bases and this data.

    Raises:
        DataError: The data set has no images of that split.
        WeightsError: The cache is damaged.
    """
    names = sorted(path.name for path in data.glob("shard-*.parquet"))
    key = {"bases": codec.linear.fingerprint(), "shards": names, "tokens": MAX_TOKENS}
    if cache.exists():
        stored = checkpoints.load(cache, "latents", widen=False)
        if stored.config == key:
            return LatentSet(**stored.tensors)
    samples = build(dataset.load(data, split), codec, encoder)
    checkpoints.save(cache, "latents", vars(samples), key, half=False)
    return samples


def load_splits(data: Path, out: Path, codec: Codec) -> tuple[LatentSet, LatentSet]:
    """Training and validation samples, cached in `out`; see `load_or_build`."""
    encoder = shared_encoder()
    train, held_out = (
        load_or_build(data, split, out / f"latents-{split}.safetensors", codec, encoder)
        for split in ("train", "val")
    )
    return train, held_out


def fit_directions(samples: LatentSet) -> AUDirections:
    """The AU directions of a set of samples."""
    flat = samples.latents.float().flatten(1)
    return AUDirections(flat.shape[1]).fit(flat, samples.aus, samples.people)
