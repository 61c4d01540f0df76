"""Pictures to mark, and what may happen to them on their way."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from synfer_core import samples
from synfer_core.faces.images import read_image
from synfer_core.report import Pixels


@cache
def faces() -> tuple[Pixels, ...]:
    """The built-in samples, 128 px: sharp exact renders."""
    return tuple(read_image(samples.FOLDER / sample.file) for sample in samples.shipped())


def resized(image: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def sent_as(image: Pixels, kind: str, **options: Any) -> Pixels:
    """The pixels after a lossy file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))
