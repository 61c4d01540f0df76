"""The built-in tools, loaded once."""

from __future__ import annotations

import pytest

from synfer_core.fetext.gate import Gate
from synfer_core.fetext.records import Tools
from synfer_core.synthesizer import DEFAULT_FOLDER


@pytest.fixture(scope="session")
def tools() -> Tools:
    """With the weights that ship; images of 96 pixels."""
    return Tools.load(DEFAULT_FOLDER, Gate(), 96)
