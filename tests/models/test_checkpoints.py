"""Weight files: whole, typed and honest about damage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from synfer_core.errors import WeightsError
from synfer_core.models import checkpoints
from synfer_core.models.classifier import Classifier, ClassifierConfig

TINY = ClassifierConfig("cnn", 32, widths=(8, 8), depths=(1, 1))


def test_round_trip_keeps_config_and_halves_floats(tmp_path: Path) -> None:
    tensors = {"a": torch.tensor([0.1, 2.0]), "n": torch.tensor([3])}
    checkpoints.save(tmp_path / "deep" / "a.safetensors", "codec", tensors, {"x": [1, 2]})
    read = checkpoints.load(tmp_path / "deep" / "a.safetensors", "codec")
    assert read.config == {"x": [1, 2]}
    assert read.tensors["a"].dtype == torch.float32
    assert torch.equal(read.tensors["a"], torch.tensor([0.1, 2.0]).half().float())
    assert read.tensors["n"].dtype == torch.int64
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.safetensors"]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"codec\.safetensors: weight file is missing"):
        checkpoints.load(tmp_path / "codec.safetensors", "codec")


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.safetensors"
    checkpoints.save(path, "codec", {"a": torch.randn(1000)}, {})
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(WeightsError, match="damaged"):
        checkpoints.load(path, "codec")


def test_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoints.save(path, "judge", {"a": torch.zeros(1)}, {})
    with pytest.raises(WeightsError, match="'judge'"):
        checkpoints.load(path, "codec")
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="unknown weights"):
        checkpoints.load(path, "codec")


def test_tensors_must_fit_the_config(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    net = Classifier(TINY)
    tensors = net.state_dict()
    tensors.pop("aus.weight")
    checkpoints.save(path, "judge", tensors, {"input_size": 32})
    with pytest.raises(WeightsError, match="does not fit"):
        checkpoints.fill(net, checkpoints.load(path, "judge"), path.name)


def test_unknown_config_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoints.save(path, "codec", {}, {"colour": "red"})
    with pytest.raises(WeightsError, match="colour"):
        checkpoints.config_of(checkpoints.load(path, "codec"), ClassifierConfig)
