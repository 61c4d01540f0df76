"""Pairs as latents: worked out once for each shard, kept in a cache, and held in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from synfer_core.files import placed
from synfer_core.models.text import TextEncoder, TextStates
from synfer_core.reference.denoiser import Words
from synfer_core.reference.model import Prior
from synfer_core.training.groups import PairBatch, pairs_of, shards

CAPTIONED = 12
"""One pair of so many gets words: the text encoder takes longer than all else."""

_FIELDS = ("latents", "code", "moved", "aus", "still", "states", "mask", "worded")


@dataclass(frozen=True)
class CodedPairs:
    """Pairs as what the denoiser sees of them; floats in float16.

    Attributes:
        latents: (N, 2, places, n) of the targets.
        code: (N, 2, places, code) of the references.
        moved: The same of the references moved by the guess.
        aus: (N, 36) of the targets in 0-1.
        still: (N,) bool, whether the reference shows no expression.
        states: (W, 48, width) token states of the captions of some of the pairs.
        mask: (W, 48) where there is a token.
        worded: (W,) those pairs.
    """

    latents: Tensor
    code: Tensor
    moved: Tensor
    aus: Tensor
    still: Tensor
    states: Tensor
    mask: Tensor
    worded: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    @classmethod
    def cat(cls, parts: Iterable[CodedPairs]) -> CodedPairs:
        """All pairs in one."""
        parts = list(parts)
        offsets = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0)
        values = {name: torch.cat([getattr(p, name) for p in parts]) for name in _FIELDS[:-1]}
        worded = [part.worded + offset for part, offset in zip(parts, offsets, strict=False)]
        return cls(**values, worded=torch.cat(worded))

    def words(self, which: Tensor) -> Words:
        """The words of pairs `worded[which]`, as those of the first samples of a batch."""
        return Words(self.states[which].float(), self.mask[which], torch.arange(len(which)))


def load_coded(
    prior: Prior,
    fingerprint: str,
    data: Path,
    cache: Path,
    encoder: Callable[[], TextEncoder],
    *,
    limit: int | None = None,
) -> CodedPairs:
    """All pairs of a folder, from the cache where they are in it.

    Args:
        prior: Bases and guess.
        fingerprint: Of the prior's file; latents of another are of no use.
        data: A folder of groups.
        cache: Folder for the latents of each shard.
        encoder: Of captions.
        limit: Use at most so many pairs.

    Raises:
        DataError: There are no groups.
    """
    parts: list[CodedPairs] = []
    cache.mkdir(parents=True, exist_ok=True)
    for shard in shards(data):
        path = cache / f"{shard.stem}-{fingerprint[:12]}.safetensors"
        if not path.exists():
            write(code(prior, pairs_of(shard), encoder), path)
        parts.append(read(path))
        if limit is not None and sum(map(len, parts)) >= limit:
            break
    return CodedPairs.cat(parts)


@torch.no_grad()
def code(
    prior: Prior, batches: Iterable[PairBatch], encoder: Callable[[], TextEncoder]
) -> CodedPairs:
    """Pairs as latents, with the words of some."""
    latents, form = prior.latents, prior.form
    rows: list[tuple[Tensor, ...]] = []
    captions: list[str] = []
    for batch in batches:
        seen = latents.look(batch.reference)
        guess = form.guess(form.person(seen, batch.still), batch.aus)
        moved = latents.look_moved(batch.reference, guess.mean)
        rows.append((latents.encode(*batch.pair), seen, moved, batch.aus, batch.still))
        captions += batch.captions
    coded, seen, moved, aus, still = (torch.cat(part) for part in zip(*rows, strict=True))
    worded = torch.arange(0, len(captions), CAPTIONED)
    words = _states([captions[i] for i in worded.tolist()], encoder())
    halves = (part.half() for part in (coded, seen, moved, aus, words.states))
    names = ("latents", "code", "moved", "aus", "states")
    tensors = dict(zip(names, halves, strict=True))
    return CodedPairs(**tensors, still=still, mask=words.mask, worded=worded)


def _states(captions: list[str], encoder: TextEncoder) -> TextStates:
    parts = [encoder(captions[i : i + 32], cut=True) for i in range(0, len(captions), 32)]
    states, masks = torch.cat([p.states for p in parts]), torch.cat([p.mask for p in parts])
    return TextStates(states, masks, ())


def write(pairs: CodedPairs, path: Path) -> None:
    """Keep pairs in a file, written whole or not at all."""
    tensors = {name: getattr(pairs, name).contiguous() for name in _FIELDS}
    with placed(path) as aside:
        save_file(tensors, aside, metadata={"pairs": json.dumps(len(pairs))})


def read(path: Path) -> CodedPairs:
    """Pairs that `write` kept."""
    with safe_open(path, framework="pt") as file:
        return CodedPairs(*(file.get_tensor(name) for name in _FIELDS))
