"""The data pack for tests that render: $SYNFER_FACEKIT, or the one beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synfer_core.facekit.pack import VARIABLE

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ict_facekit.npz"


def find_pack() -> Path | None:
    """The pack for tests, or None where there is none."""
    named = os.environ.get(VARIABLE)
    for path in (Path(named) if named else None, _BESIDE):
        if path is not None and path.is_file():
            return path
    return None


@pytest.fixture(scope="session")
def pack_path() -> Path:
    path = find_pack()
    if path is None:
        pytest.skip(f"no FaceKit pack: set {VARIABLE} or run `synfer facekit fetch`")
    return path


@pytest.fixture(scope="session")
def renderer(pack_path: Path):  # type: ignore[no-untyped-def]
    from synfer_core.facekit.renderer import Renderer

    return Renderer.load(pack_path)
