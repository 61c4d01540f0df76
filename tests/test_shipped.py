"""The weights that ship: whole, small enough, and able to make and read a face."""

from __future__ import annotations

from pathlib import Path

import pytest

from synfer_core.request import Recipe
from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer

PARTS = (
    "reference-prior",
    "reference-denoiser",
    "reference-adapter",
    "classifier",
    "feranno",
    "au-reader",
    "identity",
    "attributes",
    "judge-resnet",
    "judge-convnextv2",
)


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer.load()


def test_every_part_is_there_and_all_stay_under_60_megabytes() -> None:
    files = {path.stem: path for path in DEFAULT_FOLDER.glob("*.safetensors")}
    assert set(PARTS) <= set(files)
    assert sum(path.stat().st_size for path in files.values()) < 60_000_000


def test_a_smile_is_made_labelled_and_read_back(synthesizer: Synthesizer) -> None:
    recipe = Recipe(facs="6C+12D+25B", expression="happiness", identity_seed=7, steps=4)
    result = synthesizer.generate(recipe)
    assert result.image.shape == (512, 512, 3)
    assert result.label is not None
    assert sum(result.label.probabilities) == pytest.approx(1.0, abs=1e-3)
    assert len(result.readings[0].aus) == 36
    assert {"AU6", "AU12", "AU25"} <= set(result.attention.maps)


def test_a_generated_face_can_be_annotated(synthesizer: Synthesizer, tmp_path: Path) -> None:
    face = synthesizer.generate(Recipe(steps=3, seed=4, size=128)).image
    annotation = synthesizer.annotate(face)
    assert annotation.label is not None
    assert (annotation.image == face).all()
