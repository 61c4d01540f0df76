from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import DependencyError, WeightsError
from synfer_core.faces import landmarks
from synfer_core.faces.landmarks import VARIABLE, Face, Landmarker, find_model
from tests.faces.photo import needs_landmarker, portrait


def test_named_model_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.task"))
    with pytest.raises(WeightsError, match="cannot read") as caught:
        find_model()
    assert caught.value.field == VARIABLE


def test_named_model_must_be_the_expected_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "cut.task"
    path.write_bytes(b"PK" + bytes(1000))
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(WeightsError, match="not the expected model") as caught:
        find_model()
    assert landmarks.MODEL_SHA256 in (caught.value.allowed or "")


def test_offline_names_the_file_to_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(landmarks, "MODEL_URL", "http://127.0.0.1:9/face_landmarker.task")
    with pytest.raises(DependencyError, match="cannot be fetched") as caught:
        find_model()
    assert "face_landmarker.task" in (caught.value.allowed or "")
    assert not list(tmp_path.rglob("*.task"))


def test_what_is_fetched_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "served.task"
    source.write_bytes(b"something else")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(landmarks, "MODEL_URL", source.as_uri())
    with pytest.raises(WeightsError, match="not the expected model"):
        find_model()
    assert not list((tmp_path / "cache").rglob("*.task"))


@needs_landmarker
def test_a_fetched_model_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "served.task"
    shutil.copy(find_model(), source)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(landmarks, "MODEL_URL", source.as_uri())
    first = find_model()
    source.unlink()
    assert find_model() == first
    assert first.is_relative_to(tmp_path / "synfer")


@needs_landmarker
def test_finds_the_face_and_its_sides() -> None:
    landmarker = Landmarker.load()
    (face,) = landmarker.detect(portrait(256))
    (left, right), mouth = face.eyes, face.mouth
    assert left[0] < mouth[0] < right[0]
    assert max(left[1], right[1]) < mouth[1]
    assert face.points.shape == (478, 2)
    assert face.blendshapes["mouthSmileLeft"] <= 1.0


@needs_landmarker
def test_small_images_are_enlarged() -> None:
    landmarker = Landmarker.load()
    (small,) = landmarker.detect(portrait(64))
    (large,) = landmarker.detect(portrait(256))
    np.testing.assert_allclose(small.points * 4, large.points, atol=8)


@needs_landmarker
def test_the_largest_face_comes_first() -> None:
    canvas = np.full((420, 800, 3), 128, np.uint8)
    canvas[60:316, 40:296] = portrait(256)
    canvas[10:394, 380:764] = portrait(384)
    faces = Landmarker.load().detect(canvas)
    assert len(faces) == 2
    assert faces[0].area > faces[1].area
    assert faces[0].mouth[0] > 400


@needs_landmarker
def test_no_face() -> None:
    assert Landmarker.load().detect(np.full((200, 300, 3), 90, np.uint8)) == ()


@needs_landmarker
def test_a_process_that_used_it_ends_quietly() -> None:
    code = "from synfer_core.faces.landmarks import shared_landmarker; shared_landmarker()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


def test_missing_system_library_is_named(tmp_path: Path) -> None:
    """MediaPipe beside a C library that will not load, as where libEGL is absent."""
    folder = tmp_path / "mediapipe" / "tasks" / "python" / "core"
    folder.mkdir(parents=True)
    for package in (folder, *list(folder.parents)[:3], folder.parent / "vision"):
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("")
    (folder / "mediapipe_c_bindings.py").write_text(
        "import ctypes\ndef load_raw_library():\n    ctypes.CDLL('libEGL-that-is-not-here.so.1')\n"
    )
    code = (
        "from pathlib import Path\n"
        "from synfer_core.errors import DependencyError\n"
        "from synfer_core.faces.landmarks import Landmarker\n"
        "try:\n    Landmarker(Path('model.task'))\n"
        "except DependencyError as error:\n    print(error)\n"
    )
    path = f"{tmp_path}{os.pathsep}{Path(landmarks.__file__).parents[2]}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "libEGL-that-is-not-here" in done.stdout
    assert "libegl1" in done.stdout


def test_area_is_that_of_the_box() -> None:
    points = np.array([[1, 2], [4, 2], [1, 8]], np.float32)
    assert Face(points, {}).area == pytest.approx(18.0)
