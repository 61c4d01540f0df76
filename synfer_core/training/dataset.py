"""A FaceKit data set in memory: images, captions, AUs, expressions and identities."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image

from synfer_core.errors import DataError
from synfer_core.facs import EXPRESSIONS, MAX_INTENSITY

UNLABELLED = -1
"""Expression index of a free mix of AUs: it has no label and trains no classifier."""

_COLUMNS = ["image", "identity", "expression", "aus", "caption", "identity_code", "split"]


@dataclass(frozen=True)
class FaceSet:
    """Samples of one split; row i of every field is one image.

    Attributes:
        images: (N, size, size, 3) uint8.
        aus: (N, 36) float32 in 0-1, `facs.AU_SLOTS` order.
        expressions: (N,) int64, index into `facs.EXPRESSIONS`, or `UNLABELLED`.
        identities: (N,) int64 identity seeds.
        codes: (N, code) float32 identity codes.
        captions: N texts.
        factors: Further columns asked for by name.
    """

    images: NDArray[np.uint8]
    aus: NDArray[np.float32]
    expressions: NDArray[np.int64]
    identities: NDArray[np.int64]
    codes: NDArray[np.float32]
    captions: tuple[str, ...]
    factors: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.images)


def load(
    folder: Path, split: str, *, limit: int | None = None, factors: Sequence[str] = ()
) -> FaceSet:
    """Read the images of one split from the shards of a folder.

    Args:
        folder: Holds ``shard-*.parquet``.
        split: ``train``, ``val`` or ``test``.
        limit: Read at most this many.
        factors: Names of further columns to keep.

    Raises:
        DataError: The folder has no shards, or none of that split.
    """
    rows: list[dict[str, Any]] = []
    for shard in sorted(folder.glob("shard-*.parquet")):
        table = pq.read_table(shard, columns=[*_COLUMNS, *factors], filters=[("split", "=", split)])
        rows += table.to_pylist()
        if limit is not None and len(rows) >= limit:
            rows = rows[:limit]
            break
    if not rows:
        raise DataError(f"no {split} images", field=folder.name, allowed="a rendered data set")
    return _assemble(rows, factors)


def _assemble(rows: list[dict[str, Any]], factors: Sequence[str]) -> FaceSet:
    with ThreadPoolExecutor(2) as pool:
        images = np.stack(list(pool.map(decode, (r["image"]["bytes"] for r in rows))))
    aus = np.array([r["aus"] for r in rows], np.float32) / MAX_INTENSITY
    index = {name: i for i, name in enumerate(EXPRESSIONS)}
    return FaceSet(
        images=images,
        aus=aus,
        expressions=np.array([index.get(r["expression"], UNLABELLED) for r in rows], np.int64),
        identities=np.array([r["identity"] for r in rows], np.int64),
        codes=np.array([r["identity_code"] for r in rows], np.float32),
        captions=tuple(r["caption"] for r in rows),
        factors={name: np.array([r[name] for r in rows]) for name in factors},
    )


def decode(data: bytes) -> NDArray[np.uint8]:
    """The picture (H, W, 3) in a shard's cell."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def draw(generator: torch.Generator, count: int, total: int) -> NDArray[np.int64]:
    """`count` random row numbers below `total`."""
    rows: NDArray[np.int64] = torch.randint(total, (count,), generator=generator).numpy()
    return rows


def chunks(total: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `range(total)`."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
