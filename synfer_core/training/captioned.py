"""Captioned faces for Stable Diffusion: renders, FEText's shards, or a folder of pictures.

Renders and FEText lie in ``shard-*.parquet`` with the columns ``image``, ``caption`` and ``aus``; a
folder of pictures has ``metadata.jsonl`` beside them, as `datasets` and `diffusers` read it, with
``file_name``, ``text`` and, where they are known, ``aus`` (``{"AU12": 3.0}``, 0-5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from synfer_core.errors import DataError
from synfer_core.faces.images import read_image
from synfer_core.facs import MAX_INTENSITY, to_slots, validate_aus
from synfer_core.report import Pixels
from synfer_core.training import dataset

METADATA = "metadata.jsonl"
_EVERY = 20
"""Where no split is named, one picture of so many is held out."""


@dataclass(frozen=True)
class Captioned:
    """One face.

    Attributes:
        image: (H, W, 3) uint8.
        caption: What it shows, in words.
        aus: 36 intensities in 0-1, `facs.AU_SLOTS` order; None where they are not known.
        held_out: Whether it is kept for validation.
    """

    image: Pixels
    caption: str
    aus: tuple[float, ...] | None
    held_out: bool


def read(folder: Path) -> Iterator[Captioned]:
    """The faces of a folder, in order.

    Raises:
        DataError: There are none, or a line of the metadata cannot be read.
        ImageError: A picture cannot be read.
        RequestError: An AU or its intensity is not allowed.
    """
    shards = sorted(folder.glob("shard-*.parquet"))
    if shards:
        yield from _of_shards(shards)
    elif (folder / METADATA).is_file():
        yield from _of_pictures(folder)
    else:
        raise DataError(
            "has no captioned faces", field=str(folder), allowed=f"shard-*.parquet or {METADATA}"
        )


def _of_shards(shards: list[Path]) -> Iterator[Captioned]:
    number = 0
    for shard in shards:
        for batch in pq.ParquetFile(shard).iter_batches(
            64, columns=["image", "caption", "aus", "split"]
        ):
            for row in batch.to_pylist():
                values = np.array(row["aus"] or [np.nan], np.float64) / MAX_INTENSITY
                known = bool(np.isfinite(values).all())
                yield Captioned(
                    dataset.decode(row["image"]["bytes"]),
                    row["caption"],
                    tuple(values.tolist()) if known else None,
                    _held_out(row["split"], number),
                )
                number += 1


def _of_pictures(folder: Path) -> Iterator[Captioned]:
    for number, line in enumerate((folder / METADATA).read_text().splitlines()):
        row = _row(line, number)
        aus = row.get("aus")
        yield Captioned(
            read_image(folder / row["file_name"]),
            row["text"],
            None if aus is None else to_slots(validate_aus(aus)),
            _held_out(row.get("split"), number),
        )


def _row(line: str, number: int) -> dict[str, Any]:
    allowed = 'an object with "file_name" and "text"'
    field = f"{METADATA} line {number + 1}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", field=field, allowed=allowed) from error
    if not isinstance(row, dict) or not {"file_name", "text"} <= set(row):
        raise DataError("lacks a key", field=field, allowed=allowed)
    return row


def _held_out(split: str | None, number: int) -> bool:
    return number % _EVERY == _EVERY - 1 if split is None else split != "train"
