"""The data pack for tests that render: the one that is found on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from synfer_core.facekit.pack import locate


@pytest.fixture(scope="session")
def pack_path() -> Path:
    return locate()


@pytest.fixture(scope="session")
def renderer(pack_path: Path):  # type: ignore[no-untyped-def]
    from synfer_core.facekit.renderer import Renderer

    return Renderer.load(pack_path)
