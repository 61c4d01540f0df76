from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from synfer_core.errors import WeightsError
from synfer_core.evaluation import first_light
from synfer_core.evaluation.first_light import FirstLight
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.report import AttentionMaps, Label, Result
from synfer_core.synthesizer import Synthesizer

NET = ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1))


def result(index: int, labelled: bool) -> Result:
    recipe = first_light.recipes(identities=2)[index]
    probabilities = tuple(np.eye(8)[1 + index % 7])
    return Result(
        recipe=recipe,
        image=np.full((32, 32, 3), 10 * index, np.uint8),
        label=Label(probabilities, "feranno 0") if labelled else None,
        readings=(),
        attention=AttentionMaps(),
        seconds={},
    )


def light(wrong: int, *, labelled: bool = True) -> FirstLight:
    """Two people; a judge that takes the first `wrong` images for neutral."""
    read = np.eye(8, dtype=np.float32)[[0] * wrong + [1 + i % 7 for i in range(wrong, 14)]]
    found = np.arange(14) > 0
    return FirstLight(tuple(result(i, labelled) for i in range(14)), found, {"a": read})


def test_the_recipes_are_presets_of_people_with_one_noise_each() -> None:
    recipes = first_light.recipes()
    assert len(recipes) == 84
    assert len({r.to_json() for r in recipes}) == 84
    assert {r.expression for r in recipes} == set(EXPRESSIONS) - {"neutral"}
    assert len({r.identity_seed for r in recipes}) == 12
    assert all(r.action_units == dict(PROTOTYPES[r.expression or ""]) for r in recipes)
    assert [r.seed for r in recipes[:8]] == [0] * 7 + [1]


def test_figures_count_faces_readings_and_confusions() -> None:
    figures = light(wrong=3).to_dict()
    assert figures["images"] == 14
    assert figures["face_found"]["value"] == pytest.approx(13 / 14, abs=1e-3)
    judged = figures["judges"]["a"]
    assert judged["accuracy"]["value"] == pytest.approx(11 / 14, abs=1e-3)
    assert judged["accuracy"]["low"] <= judged["accuracy"]["value"] <= judged["accuracy"]["high"]
    assert judged["confusion"]["happiness"] == {
        **dict.fromkeys(EXPRESSIONS, 0),
        "neutral": 1,
        "happiness": 1,
    }
    assert judged["confusion"]["contempt"]["contempt"] == 2
    assert "neutral" not in judged["confusion"]
    assert figures["feranno"]["value"] == 1
    json.dumps(figures, allow_nan=False)


def test_without_labels_there_is_no_agreement() -> None:
    assert light(wrong=0, labelled=False).to_dict()["feranno"] is None


def test_the_sheet_has_a_row_for_each_person() -> None:
    with Image.open(io.BytesIO(light(wrong=3).sheet())) as image:
        assert image.size == (84 + 7 * 36, 20 + 2 * 56)


def test_measuring_makes_and_reads_every_image(tiny_model_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier.save(Classifier(NET), tmp_path / "judge-a.safetensors", "judge")
    judges = first_light.load_judges(tmp_path)
    recipes = [r.model_copy(update={"steps": 2}) for r in first_light.recipes(identities=1)]
    told: list[tuple[int, int]] = []
    seen = first_light.measure(
        Synthesizer.load(tiny_model_folder),
        judges,
        lambda image: [image.mean()],
        recipes,
        tell=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (7, 7)
    assert seen.found.all()
    assert seen.read["a"].shape == (7, 8)
    assert seen.to_dict()["weights_sha256"]


def test_a_folder_without_judges_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no judge"):
        first_light.load_judges(tmp_path)
