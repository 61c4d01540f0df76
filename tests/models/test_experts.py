from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synfer_core.annotation import Annotator
from synfer_core.errors import ModelError, RequestError, WeightsError
from synfer_core.faces.blendshapes import GAUGES, JAW_SHAPE
from synfer_core.faces.landmarks import Face
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import classifier, experts
from synfer_core.models.classifier import Classifier, ClassifierConfig
from synfer_core.models.experts import Expert
from synfer_core.training.feranno import readable
from tests.models import test_image_classifier as vit
from tests.models import test_onnx_classifier as onnx
from tests.test_calibration import copied, write_feranno

NET = ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1))
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
EIGHT = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def write_readers(folder: Path) -> None:
    """A classifier, an AU reader and a judge, their heads not near zero."""
    torch.manual_seed(0)
    net = Classifier(NET)
    for head in (net.expressions, net.aus):
        assert head is not None
        torch.nn.init.normal_(head.weight, std=0.3)
    classifier.save(net, folder / "classifier.safetensors", "classifier")
    classifier.save(net, folder / "au-reader.safetensors", "au-reader")
    classifier.save(net, folder / "judge-a.safetensors", "judge")


def shipped(folder: Path) -> dict[str, Expert]:
    annotator = Annotator.load(folder, readable(folder))
    aus = annotator.au_reader.net if annotator.au_reader else None
    return experts.shipped(folder, annotator.feranno, aus)


@pytest.fixture(scope="module")
def folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole tiny model with every expert that ships."""
    made = copied(tiny_model_folder, tmp_path_factory.mktemp("experts"))
    write_feranno(made)
    write_readers(made)
    return made


def test_a_folder_brings_its_experts_and_never_a_judge(folder: Path) -> None:
    found = shipped(folder)
    assert list(found) == ["feranno", "classifier", "au-rules"]
    assert [e.name for e in found.values()] == list(found)
    assert len({e.sha256 for e in found.values()}) == 3
    for expert in found.values():
        read = expert.probabilities(IMAGES)
        assert read.shape == (3, 8)
        np.testing.assert_allclose(read.sum(1), 1, atol=1e-4)
        assert np.ptp(read, axis=0).max() > 1e-3, "images differ"


def test_a_judge_under_another_name_is_refused(folder: Path) -> None:
    with pytest.raises(WeightsError, match="judge"):
        experts.our_classifier(folder / "judge-a.safetensors")


def test_a_folder_without_experts_has_none(tiny_model_folder: Path) -> None:
    assert shipped(tiny_model_folder) == {}


def test_a_classifier_that_reads_no_expressions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    deaf = ClassifierConfig("cnn", 32, widths=(8, 16), depths=(1, 1), expressions=False)
    classifier.save(Classifier(deaf), path, "classifier")
    with pytest.raises(WeightsError, match="reads no expressions"):
        experts.our_classifier(path)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.full((3, 7), 1 / 7), r"odd: answers with the shape \(3, 7\)"),
        (np.full((2, 8), 1 / 8), r"odd: answers with the shape \(2, 8\)"),
        (np.full((3, 8), np.nan), "odd: answers with what is not a number"),
        (np.full((3, 8), np.inf), "odd: answers with what is not a number"),
        (np.full((3, 8), 0.5), "odd: answers with no distribution"),
        (np.eye(8)[:3] * 3 - 0.25, "odd: answers with no distribution"),
    ],
)
def test_answers_that_are_no_distribution_are_refused_by_name(
    answer: NDArray[np.float64], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Expert("odd", "a" * 64, lambda images: answer).probabilities(IMAGES)


def test_weights_that_are_not_numbers_are_refused_by_name(tmp_path: Path) -> None:
    net = Classifier(NET)
    assert net.expressions is not None
    torch.nn.init.constant_(net.expressions.bias, torch.nan)
    path = tmp_path / "classifier.safetensors"
    classifier.save(net, path, "classifier")
    with pytest.raises(ModelError, match="classifier: answers with what is not a number"):
        experts.our_classifier(path).probabilities(IMAGES)


def test_transformers_and_onnx_classifiers_are_experts(tmp_path: Path) -> None:
    other = experts.other("vit", str(vit.write(tmp_path / "vit", EIGHT)))
    exported = experts.other("onnx", str(onnx.write(tmp_path / "onnx")))
    for expert in (other, exported):
        read = expert.probabilities(IMAGES)
        np.testing.assert_allclose(read.sum(1), 1, atol=1e-4)
        assert np.ptp(read, axis=0).max() > 1e-3
    assert other.sha256 != exported.sha256
    many = np.concatenate([IMAGES] * 12)
    np.testing.assert_allclose(
        other.probabilities(many)[-3:], other.probabilities(IMAGES), atol=1e-5
    )


def test_a_missing_class_is_refused_by_name(tmp_path: Path) -> None:
    seven = tuple(name for name in EIGHT if name != "contempt")
    with pytest.raises(RequestError, match="the expert seven has no class for contempt"):
        experts.other("seven", str(vit.write(tmp_path / "a", seven)))
    with pytest.raises(RequestError, match="says nothing of the class 'bored'"):
        experts.other("odd", str(vit.write(tmp_path / "b", (*seven, "bored"))))
    labels = dict(zip((*seven, "bored"), (*_meant(seven), "contempt"), strict=True))
    assert experts.other("told", str(tmp_path / "b"), labels).probabilities(IMAGES).shape == (3, 8)


def _meant(names: tuple[str, ...]) -> list[str]:
    from synfer_core.models.image_classifier import USUAL_NAMES

    return [str(USUAL_NAMES[name]) for name in names]


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="can be read"):
        experts.other("none", str(tmp_path))


class Looking:
    """Finds a face with these blendshapes wherever the first pixel is not black."""

    def __init__(self, **shapes: float):
        names = {shape for gauge in GAUGES for _, shape in gauge.places} | {JAW_SHAPE}
        self.shapes = dict.fromkeys(names, 0.0) | shapes

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        face = Face(np.zeros((478, 2), np.float32), self.shapes)
        return (face,) if image[0, 0].any() else ()


def test_mediapipe_tells_what_its_units_tell() -> None:
    smile = experts.mediapipe_rules(Looking(mouthSmileLeft=0.7, mouthSmileRight=0.7))  # type: ignore[arg-type]
    images = np.full((2, 64, 64, 3), 9, np.uint8)
    images[1] = 0
    read = smile.probabilities(images)
    assert EXPRESSIONS[read[0].argmax()] == "happiness"
    np.testing.assert_allclose(read[1], 1 / 8)
    drop = experts.mediapipe_rules(Looking(jawOpen=0.4)).probabilities(images[:1])  # type: ignore[arg-type]
    assert EXPRESSIONS[drop[0].argmax()] == "surprise"
