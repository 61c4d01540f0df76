"""A tiny ONNX classifier: the image's mean colours times a matrix."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from synfer_core.decoding import to_tensor
from synfer_core.errors import DependencyError, ModelError, RequestError, WeightsError
from synfer_core.facs import EXPRESSIONS
from synfer_core.models import onnx_classifier

NAMES = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")
MATRIX = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
MEAN, DEVIATION = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)


def write(
    folder: Path,
    names: tuple[str, ...] = NAMES,
    *,
    size: int = 64,
    classes: int = 8,
    inputs: int = 1,
    bias: float = 0.0,
) -> Path:
    """A model that takes 64 px and wants `size`, with `classes` outputs and `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels0"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    constants = {
        "matrix": np.resize(MATRIX, (3, classes)).astype(np.float32) if classes != 8 else MATRIX,
        "bias": np.full(classes, bias, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(f"pixels{i}", TensorProto.FLOAT, ["n", 3, 64, 64])
            for i in range(inputs)
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    write_settings(folder, names, size)
    return folder


def write_settings(folder: Path, names: tuple[str, ...], size: int) -> None:
    labels = {str(i): name for i, name in enumerate(names)}
    (folder / "config.json").write_text(json.dumps({"id2label": labels}))
    settings: dict[str, Any] = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": size, "width": size},
        "image_mean": MEAN,
        "image_std": DEVIATION,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def test_it_answers_with_its_own_preprocessing_in_our_order(tmp_path: Path) -> None:
    net = onnx_classifier.load(write(tmp_path))
    assert net.expressions == frozenset(EXPRESSIONS)
    colours = (IMAGES / 255).mean((1, 2))
    expected = (colours - MEAN) / DEVIATION @ MATRIX
    logits = net(to_tensor(IMAGES)).numpy()
    order = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
    for index, name in enumerate(order):
        np.testing.assert_allclose(logits[:, index], expected[:, NAMES.index(name)], atol=1e-4)


def test_images_of_any_size_are_resized(tmp_path: Path) -> None:
    net = onnx_classifier.load(write(tmp_path))
    small = torch.rand(2, 3, 32, 32)
    assert net(small).shape == (2, 8)
    twice = small.repeat_interleave(4, -1).repeat_interleave(4, -2)
    torch.testing.assert_close(net(twice), net(small), atol=0.02, rtol=0)


def test_the_hash_follows_weights_meanings_and_preprocessing(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / "a"),
        write(tmp_path / "b", bias=1.0),
        write(tmp_path / "c", tuple(reversed(NAMES))),
        write(tmp_path / "d", size=32),
    ]
    assert len({onnx_classifier.load(folder).sha256 for folder in folders}) == 4
    again = onnx_classifier.load(write(tmp_path / "e")).sha256
    assert again == onnx_classifier.load(folders[0]).sha256


def test_a_label_map_gives_meaning_to_numbers(tmp_path: Path) -> None:
    numbered = write(tmp_path, tuple("01234567"))
    with pytest.raises(RequestError, match=r"labels: says nothing of the class '0'"):
        onnx_classifier.load(numbered)
    labels = dict(zip("01234567", reversed(EXPRESSIONS), strict=True))
    net = onnx_classifier.load(numbered, labels)
    assert net.meanings == tuple(reversed(EXPRESSIONS))


def test_a_wrong_number_of_classes_is_refused_by_name(tmp_path: Path) -> None:
    net = onnx_classifier.load(write(tmp_path, classes=7))
    with pytest.raises(ModelError, match=r"model\.onnx: answers with the shape \(3, 7\)"):
        net(to_tensor(IMAGES))


def test_a_size_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    net = onnx_classifier.load(write(tmp_path, size=32))
    with pytest.raises(ModelError, match=r"model\.onnx: refuses images of \(3, 32, 32\)"):
        net(to_tensor(IMAGES))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.onnx").write_bytes(b"junk"), r"model\.onnx: cannot be read"),
        (lambda f: (f / "other.onnx").write_bytes(b"junk"), "has 2 ONNX files"),
        (lambda f: (f / "config.json").write_text("{}"), r"config\.json: names no classes"),
        (
            lambda f: (f / "config.json").write_text('{"id2label": {"1": "fear"}}'),
            r"config\.json: names no classes",
        ),
        (lambda f: (f / "preprocessor_config.json").unlink(), "no image processor can be read"),
        (lambda f: write(f, inputs=2), r"model\.onnx: has 2 inputs"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, damage: Any, message: str) -> None:
    folder = write(tmp_path)
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        onnx_classifier.load(folder)


def test_without_onnxruntime_its_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DependencyError, match=r"model\.onnx.*onnxruntime"):
        onnx_classifier.load(write(tmp_path))


def test_a_folder_is_known_by_its_file(tmp_path: Path) -> None:
    assert onnx_classifier.is_onnx(str(write(tmp_path / "a")))
    assert not onnx_classifier.is_onnx(str(tmp_path))
    assert not onnx_classifier.is_onnx("somebody/something")
