from __future__ import annotations

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from synfer_core.cli import main
from synfer_core.facekit import warming
from synfer_core.facekit.jit import kernels
from synfer_core.facekit.scene import DISTRIBUTIONS, sample_scene


def compiled() -> dict[Dispatcher, int]:
    return {kernel: len(kernel.signatures) for kernel in kernels()}


def test_after_warming_no_face_compiles_anything() -> None:
    renderer = warming.warm()
    before = compiled()
    for seed in range(100, 112):
        distribution = list(DISTRIBUTIONS.values())[seed % len(DISTRIBUTIONS)]
        rng = np.random.default_rng(seed)
        renderer.render(sample_scene(rng, identity=seed, distribution=distribution), 48)
    assert compiled() == before
    assert sum(before.values()) > 20


def test_the_command_says_how_long_it_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warming, "PEOPLE", 1)
    assert main(["facekit", "warm"]) == 0
    assert "ready" in capsys.readouterr().out
