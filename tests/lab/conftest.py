"""Faces in miniature: bars whose place tells the expression, and photos of noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core.facs import EXPRESSIONS
from synfer_core.lab.images import Faces, Reading
from tests.training.tiny import write_faces


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parquet shards: ten people in eight expressions; each fifth person is of the split val."""
    return write_faces(tmp_path_factory.mktemp("lab") / "shards")


@pytest.fixture(scope="session")
def training(shards: Path) -> Faces:
    """Eight people of `shards`, 32 px."""
    return Reading(size=32, split="train").read(shards)


@pytest.fixture(scope="session")
def test_faces(shards: Path) -> Faces:
    """Two other people of `shards`, 32 px."""
    return Reading(size=32, split="val").read(shards)


def write_photos(folder: Path, names: tuple[str, ...] = EXPRESSIONS, *, count: int = 2) -> Path:
    """A folder of class folders with PNG images of noise."""
    rng = np.random.default_rng(5)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (48, 40, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder
