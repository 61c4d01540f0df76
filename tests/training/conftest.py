"""A tiny Stable Diffusion model and a data set to train it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import tiny_sd
from tests.training.tiny import write_faces


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a data set."""
    place = tmp_path_factory.mktemp("sd-training")
    tiny_sd.write(place / "model")
    write_faces(place / "data", identities=5)
    return place
