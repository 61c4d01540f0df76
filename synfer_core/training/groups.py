"""Pairs of pictures of one person in one scene, from groups that were rendered with flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from synfer_core.decoding import to_tensor
from synfer_core.errors import DataError
from synfer_core.facekit.groups import PER_GROUP, Group, GroupSet
from synfer_core.reference.warp import UNIT, resized

_TENSORS = ("reference", "target", "flow", "aus", "reference_aus")
_GROUPS = 8
"""Groups whose pairs make a batch."""


@dataclass(frozen=True)
class PairBatch:
    """Some pairs.

    Attributes:
        reference, target: (B, 3, 128, 128) in -1 to 1.
        flow: (B, 2, 128, 128) from the target back to the reference, in pixels.
        aus, reference_aus: (B, 36) in 0-1.
        captions: What the targets show, in words.
    """

    reference: Tensor
    target: Tensor
    flow: Tensor
    aus: Tensor
    reference_aus: Tensor
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.target)

    @property
    def pair(self) -> tuple[Tensor, Tensor, Tensor]:
        """Reference, target and flow."""
        return self.reference, self.target, self.flow

    @property
    def still(self) -> Tensor:
        """(B,) bool, whether the reference shows no expression."""
        return self.reference_aus.sum(1) == 0

    def flow_at(self, size: int) -> Tensor:
        """The flow (B, 2, size, size), still in pixels of 128 px pictures."""
        return resized(self.flow, size)

    def at(self, rows: Tensor) -> PairBatch:
        """Some of the pairs."""
        tensors = {name: getattr(self, name)[rows] for name in _TENSORS}
        return PairBatch(**tensors, captions=tuple(self.captions[i] for i in rows.tolist()))

    @classmethod
    def cat(cls, parts: Iterable[PairBatch]) -> PairBatch:
        """The pairs of all."""
        parts = list(parts)
        tensors = {name: torch.cat([getattr(part, name) for part in parts]) for name in _TENSORS}
        return cls(**tensors, captions=sum((part.captions for part in parts), ()))


def shards(folder: Path) -> list[Path]:
    """The shards of a folder of groups, in order.

    Raises:
        DataError: There are none.
    """
    found = sorted(folder.glob("shard-*.parquet"))
    if not found:
        allowed = "a folder of `synfer facekit render --groups N --flow`"
        raise DataError("holds no groups", field=str(folder), allowed=allowed)
    return found


def pairs_in(folder: Path, *, limit: int | None = None) -> Iterator[PairBatch]:
    """The pairs of a folder of groups, batch by batch.

    Args:
        folder: Holds shards of groups with flow, 128 px.
        limit: Stop after so many pairs; whole batches come.

    Raises:
        DataError: There are no such shards.
    """
    done = 0
    for shard in shards(folder):
        for batch in pairs_of(shard):
            yield batch
            done += len(batch)
            if limit is not None and done >= limit:
                return


def pairs_of(shard: Path) -> Iterator[PairBatch]:
    """The pairs of one shard: each picture with the neutral one and with another one.

    Raises:
        DataError: The shard is of another size, or damaged.
    """
    groups = GroupSet([shard], [pq.read_metadata(shard).num_rows], UNIT)
    for start in range(0, len(groups), _GROUPS):
        yield PairBatch.cat(pairs_of_group(group) for group in groups[start : start + _GROUPS])


def pairs_of_group(group: Group) -> PairBatch:
    """Each picture but the first with the first as its reference; then each with another.

    Raises:
        DataError: The group is of another size.
    """
    if group.images.shape[1] != UNIT:
        raise DataError("holds pictures of another size", field="groups", allowed=f"{UNIT} px")
    targets = np.array([*range(1, PER_GROUP), *range(PER_GROUP)])
    references = np.array([0] * (PER_GROUP - 1) + group.others.tolist())
    pictures, aus = to_tensor(group.images).contiguous(), torch.from_numpy(group.aus)
    flow = np.concatenate([group.to_neutral[1:], group.to_other])
    return PairBatch(
        pictures[references],
        pictures[targets],
        torch.from_numpy(flow).permute(0, 3, 1, 2),
        aus[targets],
        aus[references],
        tuple(group.captions[i] for i in targets),
    )
