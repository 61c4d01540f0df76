"""Tiny classifiers of transformers, built from a config and saved to disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from synfer_core.decoding import to_tensor
from synfer_core.errors import ModelError, RequestError, WeightsError
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import image_classifier
from synfer_core.models.image_classifier import read_labels

SEVEN = ("angry", "Disgust", "fear", "happy", "neutral", "sad", "surprise")


def write(folder: Path, names: tuple[str, ...] = SEVEN, size: int = 32) -> Path:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=size,
        patch_size=8,
        initializer_range=0.5,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    ViTForImageClassification(config).save_pretrained(folder)
    processor = ViTImageProcessorPil(
        size={"height": size, "width": size},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.3, 0.4],
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("vit"))


def test_it_answers_what_transformers_answers(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    net = ViTForImageClassification.from_pretrained(folder).eval()
    processor = ViTImageProcessorPil.from_pretrained(folder)
    inputs = processor(Image.fromarray(pixels), return_tensors="pt")
    with torch.no_grad():
        expected = net(**inputs).logits[0]
        ours = image_classifier.load(str(folder))(to_tensor(pixels[None]))[0]
    order = ("neutral", "happy", "sad", "surprise", "fear", "Disgust", "angry")
    for index, name in enumerate(order):
        assert float(ours[index]) == pytest.approx(float(expected[SEVEN.index(name)]), abs=1e-4)
    assert ours[EXPRESSIONS.index("contempt")] == -torch.inf


def test_gradients_flow_back_to_images_of_any_size(folder: Path) -> None:
    net = image_classifier.load(str(folder))
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    net(images).log_softmax(-1)[0, 0].backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
    assert net.expressions == frozenset(EXPRESSIONS) - {"contempt"}


def test_a_label_map_adds_classes_up_and_leaves_some_out(folder: Path) -> None:
    happy = dict.fromkeys(SEVEN, "happiness")
    labels = read_labels('{"happy": "happiness", "neutral": null}', "labels")
    joined = image_classifier.load(str(folder), happy | dict(labels) | {"sad": "sadness"})
    plain = image_classifier.load(str(folder))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        both, apart = joined(images)[0], plain(images)[0]
    rest = [EXPRESSIONS.index(n) for n in ("anger", "disgust", "fear", "happiness", "surprise")]
    assert float(both[1]) == pytest.approx(float(apart[rest].logsumexp(0)), abs=1e-5)
    assert float(both[2]) == pytest.approx(float(apart[2]), abs=1e-5)
    assert both[0] == -torch.inf


def test_the_hash_covers_weights_and_labels(folder: Path, tmp_path: Path) -> None:
    plain = image_classifier.load(str(folder))
    assert plain.sha256() == image_classifier.load(str(folder)).sha256()
    other = image_classifier.load(str(folder), dict.fromkeys(SEVEN, "happiness"))
    assert other.sha256() != plain.sha256()
    with torch.no_grad():
        next(plain.net.parameters()).add_(1)
    assert plain.sha256() != image_classifier.load(str(folder)).sha256()


def test_classes_without_a_meaning_are_named(tmp_path: Path) -> None:
    place = write(tmp_path, ("happy", "puzzled"))
    with pytest.raises(RequestError, match="puzzled") as caught:
        image_classifier.load(str(place))
    assert "null" in (caught.value.allowed or "")


def test_a_wrong_number_of_classes_is_refused_by_name(folder: Path) -> None:
    net = image_classifier.load(str(folder))
    net.meanings = net.meanings[:-1]
    with pytest.raises(ModelError, match=r"ViTForImageClassification: .*\(1, 7\)"):
        net(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize("text", ["{", "[]", '{"happy": "glad"}'])
def test_label_maps_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="labels"):
        read_labels(text, "labels")


def test_a_classifier_without_its_last_layer_is_refused(folder: Path, tmp_path: Path) -> None:
    """`transformers` would draw it at random, and its answers would be noise."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    rest = {name: tensor for name, tensor in weights.items() if "classifier" not in name}
    save_file(rest, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"copy: lacks classifier\.bias and 1 more"):
        image_classifier.load(str(copy))


def test_a_folder_without_a_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no image classifier"):
        image_classifier.load(str(tmp_path))
