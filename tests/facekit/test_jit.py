from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from synfer_core.facekit import derive, jit
from synfer_core.facekit.pack import Pack

NOWHERE = Path("/dev/null/cache")
"""Nobody can write there, not even root."""


def add(a: Any, b: Any) -> Any:
    return a + b


def keep_in(patch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Compiled kernels have these places."""

    def locator(folder: Path) -> type:
        class Here(jit._BesideSource):
            def get_cache_path(self) -> str:
                return str(folder)

        return Here

    patch.setattr(jit, "_locators", lambda: [locator(folder) for folder in folders])


def hits_and_misses(kernel: Callable[..., Any]) -> tuple[int, int]:
    stats = kernel.stats  # type: ignore[attr-defined]
    return sum(stats.cache_hits.values()), sum(stats.cache_misses.values())


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    jit.tell_unkept.cache_clear()


def test_without_any_place_kernels_work_and_one_line_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep_in(monkeypatch, NOWHERE, NOWHERE / "deeper")
    with caplog.at_level(logging.WARNING):
        assert jit.jit(add)(1, 2) == 3
        assert jit.jit(add)(1.5, 2) == 3.5
    assert len(caplog.records) == 1
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_the_first_place_that_can_be_written_to_keeps_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_in(monkeypatch, NOWHERE, tmp_path / "kept")
    assert jit.jit(add)(1, 2) == 3
    again = jit.jit(add)
    assert again(3, 4) == 7
    assert hits_and_misses(again) == (1, 0)
    assert not caplog.records


def test_what_another_kept_is_read_without_a_right_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_in(monkeypatch, tmp_path)
    jit.jit(add)(1, 2)

    def refuse(place: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(jit._BesideSource, "ensure_cache_path", refuse)
    kept = jit.jit(add)
    assert kept(1, 2) == 3
    assert hits_and_misses(kept) == (1, 0)
    assert not caplog.records
    assert kept(1.0, 2.0) == 3.0, "a form that was not kept is compiled"
    assert len(caplog.records) == 1


@pytest.mark.parametrize("content", [b"", b"\x80\x05not a pickle"])
def test_damaged_files_are_compiled_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    keep_in(monkeypatch, tmp_path)
    jit.jit(add)(1, 2)
    for file in tmp_path.iterdir():
        file.write_bytes(content)
    again = jit.jit(add)
    assert again(1, 2) == 3
    assert hits_and_misses(again) == (0, 1)


def test_a_kernel_is_compiled_anew_where_one_that_it_calls_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    keep_in(monkeypatch, tmp_path / "kept")

    def write(factor: int) -> ModuleType:
        (tmp_path / "kernel_inner.py").write_text(
            "from synfer_core.facekit.jit import jit\n\n"
            f"@jit\ndef scaled(x):\n    return x * {factor}\n"
        )
        importlib.invalidate_caches()
        inner = importlib.import_module("kernel_inner")
        importlib.reload(inner)
        return importlib.reload(importlib.import_module("kernel_outer"))

    (tmp_path / "kernel_outer.py").write_text(
        "from kernel_inner import scaled\nfrom synfer_core.facekit.jit import jit\n\n"
        "@jit\ndef outer(x):\n    return scaled(x) + 1\n"
    )
    assert write(2).outer(10) == 21
    assert write(300).outer(10) == 3001


def small_pack() -> Pack:
    return Pack({"neutral": np.zeros((1, 3), np.float32)}, "ab" * 32)


def count_derivations(patch: pytest.MonkeyPatch, *folders: Path) -> list[None]:
    done: list[None] = []

    def small(pack: Pack) -> dict[str, Any]:
        done.append(None)
        return {"masks": np.arange(4)}

    patch.setattr(derive, "derive", small)
    patch.setattr(derive, "_folders", lambda: folders)
    return done


def test_derived_arrays_are_kept_in_the_first_place_that_takes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = count_derivations(monkeypatch, NOWHERE, tmp_path / "kept")
    old = tmp_path / "kept" / f"facekit-{small_pack().sha256[:16]}-0123.npz"
    old.parent.mkdir()
    old.touch()
    for _ in range(2):
        assert derive.load_derived(small_pack())["masks"].tolist() == [0, 1, 2, 3]
    assert len(done) == 1
    assert len(list(old.parent.iterdir())) == 1, "what older code derived is gone"
    assert not old.exists()
    assert not caplog.records


def test_without_a_place_arrays_are_derived_each_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = count_derivations(monkeypatch, NOWHERE, NOWHERE / "deeper")
    for _ in range(2):
        assert derive.load_derived(small_pack())["masks"].tolist() == [0, 1, 2, 3]
    assert len(done) == 2
    assert len(caplog.records) == 1
    assert "XDG_CACHE_HOME" in caplog.text


def test_a_damaged_file_is_derived_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = count_derivations(monkeypatch, tmp_path)
    derive.load_derived(small_pack())
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert derive.load_derived(small_pack())["masks"].tolist() == [0, 1, 2, 3]
    assert len(done) == 2


_HALF, _WEIGHTS = 0.5, (0.25, 0.75)


@jit.jit
def _counted(x: np.float32) -> np.float32:
    return x * 1.5 + _HALF * _WEIGHTS[1]


def test_constants_of_kernels_are_of_single_precision() -> None:
    assert _counted(np.float32(2)) == np.float32(3.375)
    (compiled,) = _counted.overloads.values()  # type: ignore[attr-defined]
    assert str(compiled.signature.return_type) == "float32"


def test_what_kernels_are_called_with_is_made_single_in_nested_tuples() -> None:
    class Pair(NamedTuple):
        colour: tuple[float, float]
        count: int

    pair = jit.single(Pair((0.5, 0.25), 3))
    assert isinstance(pair, Pair)
    assert [type(part) for part in (*pair.colour, pair.count)] == [np.float32, np.float32, int]
