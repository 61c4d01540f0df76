from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

from synfer_core.errors import DependencyError, ModelError, WeightsError
from synfer_core.faces.landmarks import Face
from synfer_core.fetext.upscale import Lanczos, Network, crop, load
from synfer_core.models.checkpoints import file_sha256
from synfer_core.report import Pixels
from tests.faces.photo import portrait


@pytest.fixture(scope="module")
def swin2sr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Swin2SR that doubles."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-swin2sr")
    config = Swin2SRConfig(embed_dim=12, depths=[1], num_heads=[2], window_size=4, upscale=2)
    Swin2SRForImageSuperResolution(config).save_pretrained(folder)
    return folder


def face(scale: float) -> Face:
    """A face whose aligned crop has about 128 times `scale` pixels on a side."""
    points = np.zeros((478, 2), np.float32)
    points[[33, 133]], points[[362, 263]], points[[61, 291]] = (44, 49), (84, 49), (64, 93)
    return Face(points * scale, {})


def test_a_swin2sr_from_a_folder_doubles(swin2sr: Path) -> None:
    upscaler = load(str(swin2sr))
    enlarged = upscaler.enlarge(portrait(42))
    assert enlarged.shape == (84, 84, 3)
    assert enlarged.dtype == np.uint8
    np.testing.assert_array_equal(enlarged, upscaler.enlarge(portrait(42)))
    assert upscaler.name == f"{swin2sr.name} (x2)"
    assert upscaler.sha256 == file_sha256(swin2sr / "model.safetensors")


def test_small_faces_are_enlarged_and_large_ones_are_not(swin2sr: Path) -> None:
    asked: list[tuple[int, ...]] = []

    class Asked(Lanczos):
        def enlarge(self, image: Pixels) -> Pixels:
            asked.append(image.shape)
            return image

    small = crop(portrait(128), face(1.0), 128.0, 200, Asked())
    large = crop(portrait(384), face(3.0), 384.0, 200, Asked())
    assert asked == [(128, 128, 3)]
    assert small.shape == large.shape == (200, 200, 3)
    np.testing.assert_allclose(
        small[40:160, 40:160].mean((0, 1)), large[40:160, 40:160].mean((0, 1)), atol=3
    )
    assert crop(portrait(128), face(1.0), 128.0, 200, load(str(swin2sr))).shape == (200, 200, 3)


def test_what_is_not_finite_is_an_error() -> None:
    broken = Network("broken", "", lambda image: image * torch.nan, "cpu")
    with pytest.raises(ModelError, match="finite"):
        broken.enlarge(portrait(32))


def test_another_model_is_refused(tmp_path: Path, swin2sr: Path) -> None:
    config, weights = (swin2sr / name for name in ("config.json", "model.safetensors"))
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(WeightsError, match="is a vit"):
        load(str(tmp_path))
    (tmp_path / "config.json").write_bytes(config.read_bytes())
    tensors = load_file(weights)
    tensors["swin2sr.layernorm.weight"] = torch.ones(5)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"has other shapes for .*layernorm"):
        load(str(tmp_path))


def test_spandrel_is_optional_and_what_it_needs_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(DependencyError, match="torchvision") as caught:
        load(f"spandrel:{tmp_path / 'esrgan.safetensors'}")
    assert "upscale" in (caught.value.allowed or "")
