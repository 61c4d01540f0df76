"""A rendered data set in miniature: bars on noise, in the real file format."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from synfer_core.facekit.identity import CODE_SIZE
from synfer_core.facekit.palette import BEARDS, GLASSES, HAIR_COLOURS, HAIR_STYLES
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, to_slots


def write_faces(
    folder: Path,
    *,
    size: int = 32,
    identities: int = 10,
    first_identity: int = 0,
    expressions: tuple[str, ...] = EXPRESSIONS,
) -> Path:
    """One shard with each expression of each identity; the last identity of five is ``val``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(first_identity)
    rows = [
        _row(rng, size, identity, expression)
        for identity in range(first_identity, first_identity + identities)
        for expression in expressions
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "shard-000000.parquet")
    return folder


def _row(rng: np.random.Generator, size: int, identity: int, expression: str) -> dict[str, Any]:
    prototype = PROTOTYPES.get(expression, {"AUL12": float(rng.uniform(0, 5))})
    return {
        "image": {"bytes": _picture(rng, size, expression), "path": None},
        "identity": identity,
        "expression": expression,
        "aus": [5 * slot for slot in to_slots(prototype)],
        "caption": f"a person with {expression}",
        "identity_code": rng.normal(size=CODE_SIZE).tolist(),
        **_traits(identity),
        "split": "val" if identity % 5 == 4 else "train",
    }


def _traits(identity: int) -> dict[str, Any]:
    return {
        "glasses": GLASSES[identity % len(GLASSES)],
        "beard": BEARDS[identity % len(BEARDS)],
        "hair": HAIR_STYLES[identity % len(HAIR_STYLES)],
        "hair_colour": tuple(HAIR_COLOURS)[identity % len(HAIR_COLOURS)],
        "skin_tone": 1 + identity % 10,
    }


def _picture(rng: np.random.Generator, size: int, expression: str) -> bytes:
    pixels = rng.integers(0, 60, (size, size, 3), np.uint8)
    if expression in EXPRESSIONS:
        step = size // len(EXPRESSIONS)
        top = EXPRESSIONS.index(expression) * step
        pixels[top : top + step] = 220
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=92)
    return buffer.getvalue()
