from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from synfer_core.facekit import pack
from synfer_core.faces import landmarks
from synfer_core.samples import FOLDER
from synfer_core.synthesizer import DEFAULT_FOLDER

ROOT = Path(__file__).parents[1]


def pins(lines: list[str]) -> dict[str, str]:
    matches = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    assert all(matches), "every requirement names one version"
    return {re.sub(r"[-_.]+", "-", m[1]).lower(): m[2] for m in matches if m}


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return pins([line for line in lines if not line.startswith("#")])


def project() -> dict[str, str]:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return pins(data["dependencies"] + data["optional-dependencies"]["dev"])


def test_pins_and_lock_agree() -> None:
    lock = locked()
    assert {name: lock.get(name) for name in project()} == project()


def test_opencv_comes_with_mediapipe_alone() -> None:
    assert "opencv-contrib-python" in locked()
    assert not [name for name in locked() | project() if name == "opencv-python"]


def test_the_scripts_install_the_locked_torch() -> None:
    torch = locked()["torch"]
    assert f"torch_version={torch}\n" in (ROOT / "scripts/install").read_text()
    assert f"torch=={torch}+cpu" in (ROOT / "Dockerfile").read_text()


def test_notices_come_with_what_ships() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for place in ("assets/facekit", "assets/mediapipe"):
        assert place in notice
    licence = str(pack.load(pack.SHIPPED)["license"])
    assert " ".join(licence.split()) in " ".join(notice.split())
    beside = (landmarks.SHIPPED.parent / "README.md").read_text()
    assert landmarks.MODEL_SHA256 in beside
    assert "Apache License, Version 2.0" in beside


def test_missing_system_packages_are_named(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell
    done = subprocess.run(
        [shell, str(ROOT / "scripts/system-packages")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"chromium", "openssl"} <= set(done.stdout.split())


def test_what_is_read_beside_the_packages_is_packed_beside_them() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel, sdist = (targets["targets"][name] for name in ("wheel", "sdist"))
    for folder in (DEFAULT_FOLDER, FOLDER, pack.SHIPPED.parent, landmarks.SHIPPED.parent):
        place = str(folder.relative_to(ROOT))
        assert wheel["force-include"][place] == place
        assert place in sdist["include"]
