from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIGHT = ["synfer_core", "synfer_core.facs", "synfer_core.request", "synfer_core.errors",
         "synfer_core.cli", "synfer_core.commands", "synfer_core.edit_command",
         "synfer_core.enrich_command", "synfer_core.batch",
         "synfer_core.enrichment", "synfer_core.wire", "synfer_core.client",
         "synfer_core.stimuli.commands", "synfer_core.grids.commands", "synfer_core.grids.spec",
         "synfer_core.differences", "synfer_core.morphs.commands",
         "synfer_core.annotations.commands", "synfer_core.data.commands", "synfer_core.data.plan",
         "synfer_core.data.engines", "synfer_core.models.added", "synfer_core.models.commands",
         "synfer_core.models.memory", "synfer_core.fetext.commands",
         "synfer_core.lab.commands",
         "synfer_core.stimuli.making", "synfer_core.morphs.making",
         "synfer_core.data.making", "synfer_core.facekit.groups",
         "synfer_core.evaluation.nearness"]  # fmt: skip


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_without_heavy_libraries(module: str) -> None:
    heavy = "{'torch', 'diffusers', 'mediapipe', 'gradio'}"
    code = f"import sys, {module}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_core_never_imports_the_studio() -> None:
    for path in sorted((ROOT / "synfer_core").rglob("*.py")):
        names = {name.split(".")[0] for name in _imported(path)}
        assert not names & {"app", "gradio", "fastapi", "starlette"}, path


def _imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_opencv_comes_from_one_package() -> None:
    from importlib.metadata import packages_distributions

    assert set(packages_distributions().get("cv2", [])) <= {"opencv-contrib-python"}


def test_the_public_names_are_there() -> None:
    import synfer_core

    for name in synfer_core.__all__:
        assert getattr(synfer_core, name) is not None
    with pytest.raises(AttributeError, match="Nothing"):
        _ = synfer_core.Nothing
