from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from synfer_core import cli
from synfer_core.errors import WeightsError
from synfer_core.evaluation.photo_reader import (
    CLASSES,
    MiniXception,
    PhotoReader,
    crop,
    face_box,
    read_keras,
    same,
    state_of,
)
from synfer_core.faces.landmarks import Face
from tests.faces.photo import portrait

KERAS = Path(__file__).with_name("keras_mini_xception.npz")
"""Two grey faces; channels' means after each stage, and the outputs, by TensorFlow 2.21."""


@pytest.fixture(scope="module")
def reader() -> PhotoReader:
    return PhotoReader.load()


def face(left: tuple[float, float], right: tuple[float, float]) -> Face:
    """A face whose eyes are points."""
    points = np.zeros((478, 2), np.float32)
    points[[33, 133]], points[[362, 263]] = left, right
    return Face(points, {})


def test_it_computes_what_keras_computes_stage_by_stage(reader: PhotoReader) -> None:
    with np.load(KERAS) as stored:
        keras = {name: stored[name] for name in stored.files}
    crops = (keras["grey"].astype(np.float32) / 255 - np.float32(0.5)) * 2
    net = reader.net
    with torch.no_grad():
        x = functional.relu(net.norm1(net.conv1(torch.from_numpy(crops)[:, None])))
        x = functional.relu(net.norm2(net.conv2(x)))
        for stage, block in enumerate([torch.nn.Identity(), *net.blocks]):
            x = block(x)
            assert np.allclose(x.mean((2, 3)).numpy(), keras[f"layer{stage}"], atol=1e-4)
    assert np.allclose(reader.probabilities(crops), keras["probabilities"], atol=1e-5)


def test_same_padding_puts_the_odd_pixel_at_the_end() -> None:
    ones = torch.ones(1, 1, 4, 5)
    padded = same(ones, 3, 2)
    assert padded.shape == (1, 1, 5, 7)
    assert padded[0, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert padded[0, 0, -1].sum() == 0
    assert same(ones, 1, 2).shape == ones.shape


def test_it_reads_a_smile_and_a_neutral_face(reader: PhotoReader) -> None:
    eyes = face((98, 112), (158, 112))
    crops = np.stack([crop(portrait(256, name), eyes) for name in ("neutral", "smile")])
    read = [CLASSES[i] for i in reader.probabilities(crops).argmax(1)]
    assert read == ["neutral", "happiness"]


def test_a_face_is_cut_as_fer_cuts_it() -> None:
    eyes = face((100, 100), (200, 100))
    left, top, right, bottom = face_box(eyes.eyes)
    assert (left + right) / 2 == pytest.approx(150, abs=1)
    assert (top + bottom) / 2 == pytest.approx(121.5, abs=1)
    assert right - left == bottom - top == 243 + 20


def test_a_crop_is_grey_from_minus_one_to_one_even_over_the_edge() -> None:
    image = np.zeros((120, 120, 3), np.uint8)
    image[:, 60:] = 255
    seen = crop(image, face((40, 50), (80, 50)))
    assert seen.shape == (64, 64)
    assert seen.min() == -1
    assert seen.max() == 1
    beyond = crop(image, face((2, 5), (60, 5)))
    assert beyond[0, 0] == pytest.approx(0, abs=0.02)


def test_state_from_keras_arrays_has_every_tensor_and_names_what_lacks() -> None:
    arrays = keras_arrays()
    state = state_of(arrays)
    net = MiniXception()
    net.load_state_dict(state, strict=True)
    assert torch.equal(
        net.blocks[1].first.depthwise.weight[5, 0],
        torch.from_numpy(arrays["separable_conv2d_3/depthwise_kernel"][:, :, 5, 0]),
    )
    assert torch.equal(
        net.blocks[3].short_norm.running_var,
        torch.from_numpy(arrays["batch_normalization_12/moving_variance"]),
    )
    del arrays["conv2d_7/bias"]
    with pytest.raises(WeightsError, match="conv2d_7/bias"):
        state_of(arrays)


def keras_arrays() -> dict[str, np.ndarray]:
    """Random arrays under Keras' names, in its shapes."""
    rng = np.random.default_rng(3)
    widths = (8, 16, 32, 64, 128)
    shapes: dict[str, tuple[int, ...]] = {
        "conv2d_1/kernel": (3, 3, 1, 8),
        "conv2d_2/kernel": (3, 3, 8, 8),
        "conv2d_7/kernel": (3, 3, 128, 7),
        "conv2d_7/bias": (7,),
    }
    norms = [8, 8]
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        shapes[f"conv2d_{3 + number}/kernel"] = (1, 1, inputs, outputs)
        for place, width in ((1, inputs), (2, outputs)):
            layer = f"separable_conv2d_{2 * number + place}"
            shapes[f"{layer}/depthwise_kernel"] = (3, 3, width, 1)
            shapes[f"{layer}/pointwise_kernel"] = (1, 1, width, outputs)
        norms += [outputs] * 3
    for number, width in enumerate(norms, 1):
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"batch_normalization_{number}/{name}"] = (width,)
    return {name: rng.random(shape, np.float32) for name, shape in shapes.items()}


def test_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "emotion_model.hdf5"
    other.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="SHA-256 59534287"):
        read_keras(other)
    target = tmp_path / "reader.safetensors"
    assert cli.main(["eval", "photo-reader", str(other), "--out", str(target)]) == 2
    assert "emotion_model.hdf5" in capsys.readouterr().err
    assert not target.exists()
