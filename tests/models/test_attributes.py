from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synfer_core.errors import WeightsError
from synfer_core.facekit.palette import BEARDS, GLASSES, HAIR_COLOURS
from synfer_core.models import attributes, classifier
from synfer_core.models.attributes import (
    CLASSES,
    UNKNOWN,
    AttributeConfig,
    AttributeReader,
    class_of,
    classes_of,
)
from synfer_core.models.classifier import Classifier, ClassifierConfig

TINY = AttributeConfig(input_size=32, widths=(8, 8), depths=(1, 1))
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def make() -> AttributeReader:
    torch.manual_seed(0)
    return AttributeReader(TINY).eval()


def test_every_trait_has_a_class_but_stubble() -> None:
    assert all(class_of("glasses", value) != UNKNOWN for value in GLASSES)
    assert all(class_of("hair_colour", value) != UNKNOWN for value in HAIR_COLOURS)
    assert all(class_of("skin_tone", step) != UNKNOWN for step in range(1, 11))
    assert [value for value in BEARDS if class_of("beard", value) == UNKNOWN] == ["stubble"]


def test_a_bald_head_has_no_hair_colour() -> None:
    traits = {"glasses": "thin", "beard": "goatee", "hair_colour": "red", "skin_tone": 10}
    assert classes_of({**traits, "hair": "bald"})["hair_colour"] == UNKNOWN
    read = classes_of({**traits, "hair": "short"})
    assert read == {"glasses": 1, "beard": 1, "hair_colour": 2, "skin_tone": 2}


def test_reads_shares_and_mirror_images_read_the_same() -> None:
    read = make().read(IMAGES, batch=2)
    assert {name: values.shape for name, values in read.items()} == {
        name: (3, len(classes)) for name, classes in CLASSES.items()
    }
    mirrored = make().read(IMAGES[:, :, ::-1])
    for name, values in read.items():
        np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(mirrored[name], values, atol=1e-5)


def test_weights_come_back_and_others_are_refused(tmp_path: Path) -> None:
    attributes.save(make(), tmp_path / "attributes.safetensors")
    again = AttributeReader.load(tmp_path / "attributes.safetensors")
    np.testing.assert_allclose(
        again.read(IMAGES)["glasses"], make().read(IMAGES)["glasses"], atol=1e-2
    )
    other = Classifier(ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1)))
    classifier.save(other, tmp_path / "other.safetensors", "judge")
    with pytest.raises(WeightsError, match="holds 'judge'"):
        AttributeReader.load(tmp_path / "other.safetensors")


def test_the_shipped_size_fits_its_budget() -> None:
    state = AttributeReader(AttributeConfig()).state_dict().values()
    assert 2 * sum(tensor.numel() for tensor in state) < 0.69e6
