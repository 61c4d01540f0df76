"""The files of the model around a reference: what is fitted, and what is trained."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from synfer_core.errors import WeightsError
from synfer_core.models import checkpoints
from synfer_core.reference.closed_form import ClosedForm, ClosedFormConfig
from synfer_core.reference.denoiser import ReferenceContext, ReferenceDenoiser
from synfer_core.reference.gaussian import Guess
from synfer_core.reference.latents import Latents, config_values
from synfer_core.reference.mixer import MixerConfig
from synfer_core.reference.units import UnitAdapter, UnitConfig

PRIOR = "reference-prior.safetensors"
DENOISER = "reference-denoiser.safetensors"
ADAPTER = "reference-adapter.safetensors"


@dataclass(frozen=True)
class Prior:
    """What is fitted in closed form.

    Attributes:
        latents: Pairs of pictures as latents, and back.
        form: The guess.
        image_size: Pixels on a side of pictures whose recipe names no size.
    """

    latents: Latents
    form: ClosedForm
    image_size: int = 512


def save_prior(prior: Prior, path: Path) -> None:
    """Write bases and coefficients."""
    tensors = {f"latents.{k}": v for k, v in prior.latents.state_dict().items()}
    tensors |= {f"form.{k}": v for k, v in prior.form.state_dict().items()}
    sizes = {"latents": asdict(prior.latents.config), "form": asdict(prior.form.config)}
    config = {**sizes, "image_size": prior.image_size}
    checkpoints.save(path, "reference-prior", tensors, config)


def load_prior(path: Path) -> tuple[Prior, str]:
    """Bases and coefficients, and the SHA-256 of their file.

    Raises:
        WeightsError: The file is missing, damaged or of another kind.
    """
    checkpoint = checkpoints.load(path, "reference-prior")
    try:
        latents = Latents(config_values(checkpoint.config["latents"]))
        form = ClosedForm(ClosedFormConfig(**checkpoint.config["form"]))
        latents.load_state_dict(checkpoints.below(checkpoint.tensors, "latents."))
        form.load_state_dict(checkpoints.below(checkpoint.tensors, "form."))
    except (KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(f"does not fit its config: {error}", field=path.name) from error
    prior = Prior(latents.eval(), form.eval())
    if "image_size" in checkpoint.config:  # older files have none
        prior = replace(prior, image_size=checkpoint.config["image_size"])
    return prior, checkpoint.sha256


def save_denoiser(denoiser: ReferenceDenoiser, path: Path) -> None:
    """Write a denoiser with its config."""
    config = asdict(denoiser.config)
    checkpoints.save(path, "reference-denoiser", denoiser.state_dict(), config)


def load_denoiser(path: Path) -> tuple[ReferenceDenoiser, str]:
    """A denoiser in evaluation mode, and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or of another kind.
    """
    checkpoint = checkpoints.load(path, "reference-denoiser")
    denoiser = ReferenceDenoiser(checkpoints.config_of(checkpoint, MixerConfig))
    checkpoints.fill(denoiser, checkpoint, path.name)
    return denoiser.eval(), checkpoint.sha256


def save_adapter(adapter: UnitAdapter, path: Path) -> None:
    """Write an adapter with its config."""
    checkpoints.save(path, "reference-adapter", adapter.state_dict(), asdict(adapter.config))


def load_adapter(path: Path) -> tuple[UnitAdapter, str]:
    """An adapter in evaluation mode, not injected, and the SHA-256 of its file.

    Raises:
        WeightsError: The file is missing, damaged or of another kind.
    """
    checkpoint = checkpoints.load(path, "reference-adapter")
    adapter = UnitAdapter(checkpoints.config_of(checkpoint, UnitConfig))
    checkpoints.fill(adapter, checkpoint, path.name)
    return adapter.eval(), checkpoint.sha256


@dataclass(frozen=True)
class ReferenceModel:
    """All that makes a picture around a reference.

    Attributes:
        prior: Bases and guess.
        denoiser: The mixer, the adapter injected.
        adapter: Action units.
        sha256: Hash over the files.
    """

    prior: Prior
    denoiser: ReferenceDenoiser
    adapter: UnitAdapter
    sha256: str

    @classmethod
    def load(cls, folder: Path) -> ReferenceModel:
        """Read the weights in a folder.

        Raises:
            WeightsError: A file is missing, damaged or does not fit the others.
        """
        prior, first = load_prior(folder / PRIOR)
        denoiser, second = load_denoiser(folder / DENOISER)
        adapter, third = load_adapter(folder / ADAPTER)
        sizes = (len(prior.latents.config.places), prior.latents.config.numbers)
        for own, name in ((denoiser.config, DENOISER), (adapter.config, ADAPTER)):
            if (own.places, own.latents) != sizes:
                raise WeightsError("does not fit the prior", field=name)
        adapter.inject(denoiser)
        digest = hashlib.sha256("".join((first, second, third)).encode()).hexdigest()
        return cls(prior, denoiser, adapter, digest)

    @torch.no_grad()
    def context(
        self,
        reference: Tensor,
        aus: Tensor | None,
        scale: float = 1.0,
        *,
        still: bool = True,
    ) -> ReferenceContext:
        """What conditions pictures of references, without words.

        Args:
            reference: (B, 3, S, S) in -1 to 1.
            aus: (B, 36) in 0-1; None where words alone decide.
            scale: Of what units do; 0 is as if words alone decided.
            still: Whether the references are known to show no expression.
        """
        form, latents = self.prior.form, self.prior.latents
        code = latents.look(reference)
        person = form.person(code, torch.full((len(code),), still))
        if aus is None or scale == 0:
            blank = form.blank(code.new_zeros(len(code), *latents.shape))
            return ReferenceContext(blank, torch.cat([code, code], -1), person)
        guess = form.guess(person, aus)
        guess = Guess(scale * guess.mean, guess.deviation)
        moved = latents.look_moved(reference, guess.mean)
        units = self.adapter(aus, torch.full((len(aus),), scale))
        return ReferenceContext(guess, torch.cat([code, moved], -1), person, units)
