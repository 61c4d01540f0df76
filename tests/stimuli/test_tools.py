"""Who tells where the eyes are, and what a pack that is damaged stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from synfer_core.errors import DependencyError, PackError
from synfer_core.facekit.pack import VARIABLE
from synfer_core.faces import landmarks
from synfer_core.request import Recipe
from synfer_core.stimuli.tools import Tools
from synfer_core.synthesizer import Synthesizer
from tests.stimuli import sets
from tests.stimuli.drawn import ORIGIN, find_eyes, tools

EXACT = Recipe.parse({"identity_seed": 1, "backbone": "facekit", "size": 64})
BLANK = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)


def test_mediapipe_is_asked_about_diffusion_faces_alone(
    synthesizer: Synthesizer, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(patience: float | None = None) -> NoReturn:
        raise DependencyError("MediaPipe does not start", field="mediapipe")

    monkeypatch.setattr(landmarks, "shared_landmarker", refuse)
    made = Tools.of(synthesizer, tiny_model_folder, "eyes")
    assert made.eyes is not None
    (left, right) = made.eyes(EXACT, BLANK)
    assert 0 < left[0] < 32 < right[0] < 64
    with pytest.raises(DependencyError):
        made.eyes(Recipe.parse({"identity_seed": 1}), BLANK)
    assert Tools.of(synthesizer, tiny_model_folder, "none").eyes is None


def test_a_damaged_pack_stops_only_sets_of_exact_faces(
    tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.npz"))
    made = Tools.of(Synthesizer.load(tiny_model_folder), tiny_model_folder, "none")
    assert made.maker
    assert made.model_sha256(Recipe.parse({"weights_sha256": "a" * 64})) == "a" * 64
    with pytest.raises(PackError):
        made.model_sha256(EXACT)


def test_methods_say_who_told_where_the_eyes_are() -> None:
    seen = tools(detect=find_eyes)
    known = replace(seen, origin=lambda _: replace(ORIGIN, located=True))
    texts = [sets.written(with_)[1]["methods.md"].decode() for with_ in (seen, known)]
    assert "MediaPipe; Kartynnik et al., 2019" in texts[0]
    assert "are those of the 3D model, and all images" in texts[1]
    assert "MediaPipe" not in texts[1]
