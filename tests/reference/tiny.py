"""A tiny model around a reference, with random bases that are orthonormal at each place."""

from __future__ import annotations

from pathlib import Path

import torch

from synfer_core.reference import model
from synfer_core.reference.bases import Basis
from synfer_core.reference.closed_form import ClosedForm, ClosedFormConfig
from synfer_core.reference.denoiser import ReferenceDenoiser
from synfer_core.reference.latents import LatentConfig, Latents
from synfer_core.reference.mixer import MixerConfig
from synfer_core.reference.model import Prior
from synfer_core.reference.units import UnitAdapter, UnitConfig
from synfer_core.reference.warp import UNIT

CONFIG = LatentConfig(flow=4, appearance=6, code=5, places=(9, 10, 14, 22))


def _fill(basis: Basis) -> None:
    noise = torch.randn(basis.components.shape, generator=torch.Generator().manual_seed(3))
    basis.components.copy_(torch.linalg.qr(noise).Q)


def latents() -> Latents:
    """Latents of four places of a half face."""
    found = Latents(CONFIG)
    for basis in (found.flow, found.appearance, found.code):
        _fill(basis)
    return found


def prior() -> Prior:
    """With a guess of small random coefficients."""
    form = ClosedForm(ClosedFormConfig(4, CONFIG.numbers, CONFIG.code, components=3, rank=4))
    generator = torch.Generator().manual_seed(4)
    for name in ("reader", "first", "second"):
        buffer = getattr(form, name)
        buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
    return Prior(latents(), form, image_size=UNIT)


def pair() -> tuple[ReferenceDenoiser, UnitAdapter]:
    """A denoiser and an adapter, all of whose weights do something."""
    torch.manual_seed(5)
    sizes = {"width": 8, "hidden": 8, "blocks": 3, "mixing": 4, "gate": 20, "words": 8, "heads": 2}
    config = MixerConfig(4, CONFIG.numbers, CONFIG.code, person=39, reading=(1,), **sizes)
    denoiser = ReferenceDenoiser(config)
    adapter = UnitAdapter(UnitConfig(4, CONFIG.numbers, 8, 3, token=6, products=4))
    for parameter in (*denoiser.parameters(), *adapter.parameters()):
        torch.nn.init.normal_(parameter, std=0.2)
    return denoiser.eval(), adapter.eval()


def write(folder: Path) -> Path:
    """The weights of such a model, 128 px, as `ReferenceModel.load` takes them."""
    denoiser, adapter = pair()
    model.save_prior(prior(), folder / model.PRIOR)
    model.save_denoiser(denoiser, folder / model.DENOISER)
    model.save_adapter(adapter, folder / model.ADAPTER)
    return folder
