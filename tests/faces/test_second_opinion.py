from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from synfer_core.faces import landmarks
from synfer_core.faces.blendshapes import ALONE, reader_name
from synfer_core.faces.landmarks import VARIABLE
from synfer_core.faces.second_opinion import NO_FACE, second_opinion
from tests.faces.photo import needs_landmarker, portrait


@needs_landmarker
def test_a_smile_is_read_by_mediapipe_too() -> None:
    opinion = second_opinion(portrait(128))
    assert opinion.reading is not None
    assert opinion.reading.reader == reader_name()
    assert opinion.reading.aus["AUL12"] > 3.0
    assert {int(key.lstrip("AULR")) for key in opinion.reading.aus} == set(ALONE)
    assert not opinion.why


@needs_landmarker
def test_no_face_is_said() -> None:
    assert second_opinion(np.full((128, 128, 3), 90, np.uint8)) == NO_FACE


def test_an_absent_model_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(landmarks, "_loading", cache(landmarks._loading.__wrapped__))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.task"))
    opinion = second_opinion(portrait(128))
    assert opinion.reading is None
    assert opinion.why.startswith("MediaPipe")
    assert VARIABLE in opinion.remedy
