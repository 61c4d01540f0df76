from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synfer_core.data.engines import ProcessEngine
from synfer_core.data.manifest import verify
from synfer_core.errors import DependencyError
from tests.data.drawn_set import DrawnWorkshop, build, files, plan

ROOT = Path(__file__).parents[2]
SLOWLY = """
import sys, time
from pathlib import Path
from synfer_core.data.engines import ProcessEngine
from tests.data.drawn_set import DrawnWorkshop, build, plan

def wait(event, tally):
    time.sleep(0.1)

if __name__ == "__main__":
    workshop = DrawnWorkshop(plan())
    engine = None if sys.argv[2] == "1" else ProcessEngine(workshop, 2)
    build(Path(sys.argv[1]), workshop, engine, wait)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a set that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    build(folder, DrawnWorkshop(plan()))
    return files(folder)


def _killed(script: Path, folder: Path, workers: str, shards: int) -> None:
    """Start a build, and kill it with its workers once so many shards are there."""
    command = [sys.executable, str(script), str(folder), workers]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environ, start_new_session=True)
    images = folder / "images"
    while not images.exists() or len(list(images.glob("0*"))) < shards:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_run_that_is_killed_again_and_again_gives_the_same_set(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    script = tmp_path / "build.py"
    script.write_text(SLOWLY)
    folder = tmp_path / "set"
    _killed(script, folder, "1", 1)
    _killed(script, folder, "2", 2)
    build(folder, DrawnWorkshop(plan()))
    assert verify(folder).good
    assert files(folder) == whole


def test_processes_give_the_same_set(whole: dict[str, bytes], tmp_path: Path) -> None:
    workshop = DrawnWorkshop(plan())
    build(tmp_path / "set", workshop, ProcessEngine(workshop, 2))
    assert files(tmp_path / "set") == whole


def test_without_ray_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synfer_core.data.ray_engine import RayEngine

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DependencyError, match=r"synfer-studio\[ray\]"):
        RayEngine(DrawnWorkshop(plan()), 2).__enter__()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_gives_the_same_set_though_an_actor_dies(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    from synfer_core.data.ray_engine import RayEngine

    workshop = DrawnWorkshop(plan(), {2: "raise", 6: "die"}, tmp_path)
    outcome = build(tmp_path / "set", workshop, RayEngine(workshop, 2))
    assert files(tmp_path / "set") == whole
    assert sum(outcome.faults.values()) == 1
