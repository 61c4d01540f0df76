from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from synfer_core.errors import DependencyError, NotReadyError, WeightsError
from synfer_core.faces import landmarks
from synfer_core.faces.landmarks import (
    VARIABLE,
    Face,
    Landmarker,
    explain,
    find_model,
    shared_landmarker,
)
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


def test_the_model_that_ships_needs_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_model() == landmarks.SHIPPED


def test_another_place_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "model.task"
    shutil.copy(landmarks.SHIPPED, elsewhere)
    monkeypatch.setenv(VARIABLE, str(elsewhere))
    assert find_model() == elsewhere


@pytest.mark.parametrize("content", [None, b"", b"version https://git-lfs.github.com/spec/v1"])
def test_a_damaged_model_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(landmarks, "SHIPPED", tmp_path / "face_landmarker.task")
    if content is not None:
        landmarks.SHIPPED.write_bytes(content)
    with pytest.raises(WeightsError, match=r"face_landmarker\.task") as caught:
        find_model()
    assert VARIABLE in explain(caught.value)[1]


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


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process as it is before anything asked for MediaPipe."""
    monkeypatch.setattr(landmarks, "_loading", cache(landmarks._loading.__wrapped__))


def test_a_failure_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone(monkeypatch)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.task"))
    with pytest.raises(WeightsError) as first:
        shared_landmarker()
    monkeypatch.setenv(VARIABLE, "elsewhere")
    with pytest.raises(WeightsError) as second:
        shared_landmarker()
    assert second.value is first.value, "not tried again"


def test_patience_is_all_that_a_slow_start_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch)
    ready = Event()

    def slow() -> Path:
        ready.wait()
        raise WeightsError("is damaged", field=VARIABLE)

    monkeypatch.setattr(landmarks, "find_model", slow)
    start = time.monotonic()
    with pytest.raises(NotReadyError) as caught:
        shared_landmarker(0.1)
    assert time.monotonic() - start < 2
    ready.set()
    with pytest.raises(WeightsError, match="damaged"):
        shared_landmarker()
    assert "still" in explain(caught.value)[0]


def test_many_askers_load_it_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alone(monkeypatch)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.task"))
    tried: list[None] = []
    find = landmarks.find_model
    monkeypatch.setattr(landmarks, "find_model", lambda: tried.append(None) or find())

    def ask(_: int) -> str:
        with pytest.raises(WeightsError) as caught:
            shared_landmarker()
        return str(caught.value)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("error", "why", "remedy"),
    [
        (WeightsError("cannot read /srv/x", field=VARIABLE), "damaged", "face_landmarker.task"),
        (DependencyError("libEGL.so.1: [Errno 2]", field="mediapipe"), "not start", "libgles2"),
    ],
)
def test_obstacles_are_told_in_plain_words(
    error: DependencyError | WeightsError, why: str, remedy: str
) -> None:
    told = explain(error)
    assert why in told[0]
    assert remedy in told[1]
    assert not any(bad in " ".join(told) for bad in ("Errno", "urlopen", "/srv"))
