"""Shared fixtures: a whole model, tiny and untrained, in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reference import tiny


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights as `Synthesizer.load` takes it; 128 px, no readers."""
    folder = tmp_path_factory.mktemp("tiny-model")
    tiny.write(folder)
    return folder
