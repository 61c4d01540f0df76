"""The examples in docs/api.md, run as they stand on a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app import failures
from app.settings import Settings
from synfer_core.report import read_recipe
from synfer_core.synthesizer import Synthesizer
from tests.serving import Server, served

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
BASH, CURL = shutil.which("bash"), shutil.which("curl")


@pytest.fixture(scope="module")
def server(synthesizer: Synthesizer) -> Iterator[Server]:
    with served(synthesizer, Settings()) as one:
        yield one


def examples(language: str, server: Server) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) >= 4
    return [block.replace("http://127.0.0.1:7860", server.url) for block in found]


def run(command: list[str], folder: Path) -> str:
    """The output of a program that must not fail."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not (BASH and CURL), reason="curl is not installed")
def test_the_examples_for_curl(server: Server, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "".join(examples("sh", server))
    said = run([str(BASH), "-c", script], tmp_path)
    states = re.findall(r"^event: (\w+)$", said, re.MULTILINE)
    assert (states[0], states[-1]) == ("queued", "done")
    assert '"field":"aus.AU12"' in said
    assert '"state":"cancelled"' in said or '"state":"running"' in said
    made = read_recipe((tmp_path / "smile.png").read_bytes())
    assert made.action_units == {"AU6": 3.0, "AU12": 4.0, "AU25": 2.0}
    report, read, checked, words = (
        json.loads((tmp_path / f"{name}.json").read_text())
        for name in ("smile", "read", "recipe", "vocabulary")
    )
    assert report["recipe"] == checked
    assert read["label"]["probabilities"].keys() == set(words["expressions"])
    assert (tmp_path / "where-12.png").read_bytes().startswith(b"\x89PNG")


def test_the_examples_in_python(server: Server, tmp_path: Path) -> None:
    blocks = examples("python", server)
    said = "".join(run([sys.executable, "-c", block], tmp_path) for block in blocks)
    assert "aus.AU12" in said
    assert "is missing" not in said
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {
        "smile.png", "where-12.png", "preview.jpg", "sad.png", "12A.png", "12B.png", "12C.png"
    }  # fmt: skip
    assert read_recipe((tmp_path / "12C.png").read_bytes()).action_units == {"AU12": 3.0}


def test_the_page_names_every_route_and_error(server: Server) -> None:
    paths = httpx.get(f"{server.url}/api/v1/openapi.json").json()["paths"]
    assert [path for path in paths if f"{path}`" not in PAGE] == []
    for kind, status in failures._STATUS:
        assert re.search(rf"^\| {status} \|.*`{kind.__name__}`", PAGE, re.MULTILINE), kind
