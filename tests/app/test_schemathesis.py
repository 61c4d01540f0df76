"""The API answers as its description says, whatever is sent: by schemathesis, on a real server.

The seconds for what it makes up beyond its fixed cases are in ``SYNFER_SCHEMATHESIS_SECONDS``.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import Settings
from synfer_core.facs import Expression
from synfer_core.report import Annotation, Pixels, Progress, Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.serving import served

SECONDS = os.environ.get("SYNFER_SCHEMATHESIS_SECONDS", "20")
SEED = "1"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
)


@dataclass(frozen=True)
class AtOnce(Synthesizer):
    """Checks recipes as it does, and answers the same face to all that it passes.

    Attributes:
        face: The answer.
    """

    face: Result | None = None

    def stream(self, recipe: Recipe) -> Iterator[Progress | Result]:
        assert self.face is not None
        yield self.face

    def annotate(self, image: Pixels, label: Expression | None = None) -> Annotation:
        assert self.face is not None
        return Annotation(self.face.image, self.face.label, (), self.face.attention)


@pytest.fixture(scope="module")
def at_once(synthesizer: Synthesizer) -> Synthesizer:
    parts: dict[str, Any] = {
        one.name: getattr(synthesizer, one.name) for one in fields(Synthesizer) if one.init
    }
    return AtOnce(**parts, face=synthesizer.generate(Recipe(aus={"AU12": 2.0}, steps=1)))


def test_the_description_is_true(at_once: Synthesizer, tmp_path: Path) -> None:
    """All checks but the one that wants whatever has the right form to be taken: a description of
    form cannot say that bytes are a picture, or that weights are those that are here.
    """
    assert np.any(at_once.generate(Recipe()).image)
    with served(at_once, Settings(waiting=64, per_client=64)) as server:
        url = f"{server.url}/api/v1"
        line = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
            *("--url", url, "--seed", SEED, "--max-time", SECONDS, "--max-examples", "20"),
            *("--exclude-checks", "positive_data_acceptance", "--continue-on-failure"),
            *("--request-timeout", "30", "--no-color"),
        ]
        environment = {**os.environ, "NO_PROXY": "*", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
        run = subprocess.run(
            line,
            check=False,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "Tested: 16" in run.stdout
