"""Two renders of one person that stand in for photos, and a mark for tests that need MediaPipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from synfer_core.errors import DependencyError
from synfer_core.faces.landmarks import Landmarker


def _why_not() -> str | None:
    """Why MediaPipe does not start here: a system library. Its model ships and is never missing."""
    try:
        Landmarker.load()
    except DependencyError as error:
        return str(error)
    return None


_REASON = _why_not()
needs_landmarker = pytest.mark.skipif(_REASON is not None, reason=_REASON or "")


def portrait(size: int, name: str = "smile") -> NDArray[np.uint8]:
    """A render, ``smile`` (AU12 at 4.8) or ``neutral``, scaled to (size, size, 3)."""
    with Image.open(Path(__file__).with_name(f"{name}.webp")) as image:
        return np.array(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))
