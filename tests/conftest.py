"""Shared fixtures: a whole model, tiny and untrained, in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synfer_core.facs import AU_SLOTS
from synfer_core.models import au_adapter, au_directions, codec, denoiser
from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.au_directions import AUDirections
from synfer_core.models.codec import Codec, CodecConfig
from synfer_core.models.denoiser import Denoiser, DenoiserConfig
from tests.reference import tiny

TINY_CODEC = CodecConfig(
    image_size=64, latent_channels=8, widths=(16, 16, 32), blocks=(1, 1, 1), heads=2
)
TINY_DENOISER = DenoiserConfig(latent_size=4, latent_channels=8, widths=(32, 64), heads=2)


def write_tiny_model(folder: Path) -> None:
    """Codec, denoiser and AU adapter with random weights, every layer doing something."""
    torch.manual_seed(0)
    codes = Codec(TINY_CODEC)
    codes.linear.fit(torch.randn(800, 3, 64, 64) * 0.3)
    codec.save(codes, folder / "codec.safetensors")
    net = Denoiser(TINY_DENOISER)
    denoiser.save(net, folder / "denoiser.safetensors")
    adapter = AUAdapter.for_unet(net.unet, net.config.token_width)
    for value in adapter.values:
        torch.nn.init.normal_(value.weight, std=0.05)
    au_adapter.save(adapter, folder / "au-adapter.safetensors")
    latents, aus = torch.randn(400, 8 * 4 * 4), torch.rand(400, len(AU_SLOTS))
    directions = AUDirections(8 * 4 * 4).fit(latents, aus, torch.arange(400) // 8)
    au_directions.save(directions, folder / "au-directions.safetensors")


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights as `Synthesizer.load` takes it; 128 px, no readers."""
    folder = tmp_path_factory.mktemp("tiny-model")
    tiny.write(folder)
    return folder


@pytest.fixture(scope="session")
def old_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the model without a reference; 64 px."""
    folder = tmp_path_factory.mktemp("old-model")
    write_tiny_model(folder)
    return folder
