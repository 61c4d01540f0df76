from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from synfer_core.errors import RequestError, WeightsError
from synfer_core.models import classifier, guides
from synfer_core.models.classifier import Classifier, ClassifierConfig
from tests.models.test_image_classifier import write

NET = ClassifierConfig("cnn", 32, widths=(8, 8), depths=(1, 1))


def decode(values: torch.Tensor) -> torch.Tensor:
    """Pictures of 64 px, as a decoder might make them."""
    return functional.interpolate(values[:, :3], 64).tanh()


def latents() -> torch.Tensor:
    return torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))


def test_a_folder_without_classifiers_has_none(tmp_path: Path) -> None:
    assert guides.on_images(tmp_path, decode) == {}


def test_our_classifier_reads_the_decoded_image(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier.save(Classifier(NET), tmp_path / "classifier.safetensors", "classifier")
    reader = guides.on_images(tmp_path, decode)["image"]
    net, sha256 = classifier.load(tmp_path / "classifier.safetensors", "classifier")
    with torch.no_grad():
        expected = net(decode(latents())).expressions
        torch.testing.assert_close(reader(latents()), expected)
    assert reader.sha256 == sha256
    assert reader.name == "classifier.safetensors"


def test_a_judge_never_guides(tmp_path: Path) -> None:
    classifier.save(Classifier(NET), tmp_path / "judge-resnet.safetensors", "judge")
    shutil.copy(tmp_path / "judge-resnet.safetensors", tmp_path / "classifier.safetensors")
    with pytest.raises(WeightsError, match="'judge'"):
        guides.on_images(tmp_path, decode)


def test_a_net_without_expressions_is_refused(tmp_path: Path) -> None:
    net = Classifier(ClassifierConfig(**{**vars(NET), "expressions": False}))
    classifier.save(net, tmp_path / "classifier.safetensors", "classifier")
    with pytest.raises(WeightsError, match="reads no expressions"):
        guides.on_images(tmp_path, decode)


def test_the_environment_names_a_classifier_of_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write(tmp_path / "vit", ("glad", "grim"))
    classifier.save(Classifier(NET), tmp_path / "classifier.safetensors", "classifier")
    monkeypatch.setenv("SYNFER_GUIDE", str(place))
    with pytest.raises(RequestError, match="glad"):
        guides.on_images(tmp_path, decode)
    monkeypatch.setenv("SYNFER_GUIDE_LABELS", '{"glad": "happiness", "grim": "anger"}')
    reader = guides.on_images(tmp_path, decode)["image"]
    assert reader.name == str(place)
    assert reader.expressions == {"happiness", "anger"}
    assert reader(latents()).shape == (2, 8)
    monkeypatch.setenv("SYNFER_GUIDE_LABELS", "glad")
    with pytest.raises(RequestError, match="SYNFER_GUIDE_LABELS"):
        guides.on_images(tmp_path, decode)
