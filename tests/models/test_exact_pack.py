"""A pack that is missing or damaged stops new people, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import PackError
from synfer_core.facekit.pack import SHIPPED, VARIABLE
from synfer_core.models.backbone import Generation
from synfer_core.models.exact import ExactBackbone, find
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer


@pytest.fixture(params=["absent", "half"])
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "pack.npz"
    if request.param == "half":
        path.write_bytes(SHIPPED.read_bytes()[: SHIPPED.stat().st_size // 2])
    monkeypatch.setenv(VARIABLE, str(path))
    return path


@pytest.mark.parametrize("backbone", ["builtin", "facekit"])
def test_a_person_who_needs_it_is_refused(
    broken: Path, tiny_model_folder: Path, backbone: str
) -> None:
    synthesizer = Synthesizer.load(tiny_model_folder)
    with pytest.raises(PackError, match=broken.name) as caught:
        synthesizer.generate(Recipe.parse({"facs": "12D", "backbone": backbone}))
    assert caught.value.field == VARIABLE
    assert caught.value.allowed


@pytest.mark.usefixtures("broken")
def test_editing_and_reading_go_on(tiny_model_folder: Path) -> None:
    synthesizer = Synthesizer.load(tiny_model_folder)
    face = np.full((128, 128, 3), 90, np.uint8)
    made = synthesizer.generate(synthesizer.edit(face, {"AU12": 4.0}, steps=2).recipe)
    assert made.image.shape == face.shape
    assert (synthesizer.annotate(face).image == face).all()


def test_a_pack_that_is_mended_is_used(broken: Path) -> None:
    backbone = find(64)
    with pytest.raises(PackError):
        backbone.renderer  # noqa: B018
    broken.write_bytes(SHIPPED.read_bytes())
    assert backbone.renderer is backbone.renderer


def test_a_face_without_any_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    backbone = find(64)
    assert isinstance(backbone, ExactBackbone)
    *_, made = backbone.stream(Recipe.parse({"facs": "12D", "backbone": "facekit"}))
    assert isinstance(made, Generation)
    assert made.image.shape == (64, 64, 3)
