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


LOCKS = tuple(sorted(ROOT.glob("requirements*.lock")))


def pins(lines: list[str]) -> dict[str, str]:
    matches = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    assert all(matches), "every requirement names one version"
    return {re.sub(r"[-_.]+", "-", m[1]).lower(): m[2] for m in matches if m}


def blocks(path: Path) -> list[list[str]]:
    """The requirements of a lock file, each with its lines of hashes."""
    text = path.read_text().replace(" \\\n", "\n")
    return [block.split() for block in re.split(r"\n(?=[a-z0-9])", text)[1:]]


def locked() -> dict[str, str]:
    names = [block[0] for path in LOCKS for block in blocks(path)]
    return pins([name for name in names if not name.endswith("+cpu")])


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
    assert blocks(ROOT / "requirements-torch-cpu.lock")[0][0] == f"torch=={torch}+cpu"


def test_every_locked_file_has_its_hashes() -> None:
    assert len(LOCKS) == 5
    for path in LOCKS:
        for name, *rest in blocks(path):
            hashes = [word for word in rest if word.startswith("--hash")]
            assert hashes, name
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) for word in hashes)


def test_nothing_is_installed_without_its_hash() -> None:
    scripts = [(ROOT / name).read_text() for name in ("scripts/install", "Dockerfile")]
    calls = [
        line.strip() for text in scripts for line in text.splitlines() if "pip install" in line
    ]
    checked = [line for line in calls if "--require-hashes" in line]
    own = [line for line in calls if "--no-build-isolation" in line]
    other = [line for line in calls if line not in (*checked, *own)]
    assert len(checked) == 3
    assert len(own) == 2
    assert all("torch" in line for line in other), "torch for a system whose files are not known"
    assert "hatchling" in locked()


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
