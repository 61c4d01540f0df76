"""Editing around a reference: the picture itself is the reference, and is inverted first.

Layout initialisation of SynFER (He et al. 2025, https://arxiv.org/abs/2410.09865, section 3.3): the
noise from which the new face is made is that from which the model would make the picture as it is,
under the units that it shows. Around a reference the picture itself is z = 0, so what comes back is
what the picture has beyond what the model would expect.

What the change of units does not move is held, after Blended Diffusion (Avrahami et al. 2022,
https://arxiv.org/abs/2111.14818), on the predicted clean latents: with m_p in 0-1 for how far the
guess moves place p when the units change,

    z'_p = m_p z_p,    m_p = min(1, |guess(new units)_p - guess(shown units)_p| / MOVES)
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from synfer_core import decibels, editing
from synfer_core.conditioning import au_target, sets_aus
from synfer_core.decoding import to_images
from synfer_core.denoising import predicted_clean
from synfer_core.facekit.action_units import scored_slots
from synfer_core.guidance import Denoise
from synfer_core.models.denoiser import ddim
from synfer_core.reference import sampling
from synfer_core.reference.denoiser import SCHEDULE
from synfer_core.reference.model import ReferenceModel
from synfer_core.report import Progress
from synfer_core.request import Recipe

MOVES = 0.05
"""Root mean square move of a place's latents, in deviations, from which the place is free."""


@dataclass(frozen=True)
class Layout:
    """A picture, carried part of the way to noise.

    Attributes:
        start: (1, 2, places, n) latents where denoising starts.
        steps: Denoising steps from there.
        free: (1, 2, places, 1) in 0-1, how freely each place moves.
        psnr: Of the round trip against the picture, in dB.
    """

    start: Tensor
    steps: int
    free: Tensor
    psnr: float

    def holding(self, denoise: Denoise) -> Denoise:
        """A denoiser whose predicted clean latents stay the picture's where places are held."""
        if bool((self.free == 1).all()):
            return denoise
        alphas = ddim(SCHEDULE).alphas_cumprod

        def held(latents: Tensor, timestep: Tensor) -> Tensor:
            alpha = alphas[int(timestep)]
            velocity = denoise(latents, timestep)
            clean = predicted_clean(latents, velocity, alpha)
            kept: Tensor = velocity + (1 - self.free) * clean / (1 - alpha).sqrt()
            return kept

        return held


def shown_units(model: ReferenceModel, recipe: Recipe, small: Tensor) -> Tensor:
    """Units (1, slots) in 0-1 that a recipe's picture shows, read linearly if they are not known.

    Raises:
        RequestError: There is no such sample.
    """
    known = editing.known_aus(recipe)
    if known is not None:
        return torch.tensor([scored_slots(known)])
    return model.prior.form.units(model.prior.latents.look(small))


@torch.no_grad()
def lay_out(
    model: ReferenceModel, recipe: Recipe, small: Tensor
) -> Generator[Progress, None, Layout]:
    """Invert a picture (1, 3, 128, 128) step by step; returns where its denoising starts.

    Raises:
        RequestError: There is no such sample.
    """
    shown = shown_units(model, recipe, small)
    still = not bool(shown.any())
    source = model.context(small, shown if sets_aus(recipe) else None, still=still)
    denoise = sampling.plain(model.denoiser, source)
    clean = torch.zeros(1, *model.prior.latents.shape)
    steps, start = editing.steps_of(recipe), clean
    for step in editing.carry_back(denoise, clean, recipe, schedule=SCHEDULE):
        start = step.latents
        yield Progress(step.index, 2 * steps, "inverting")
    back = editing.round_trip(denoise, start, recipe, schedule=SCHEDULE)
    trip = to_images(model.prior.latents.decode(small, back))[0]
    psnr = decibels.psnr(to_images(small)[0], trip)
    return Layout(start, steps, _free(model, recipe, small, shown, still), psnr)


def _free(
    model: ReferenceModel, recipe: Recipe, small: Tensor, shown: Tensor, still: bool
) -> Tensor:
    """How freely each place moves (1, 2, places, 1); all do where words alone decide."""
    keep = 1.0 if recipe.keep is None else recipe.keep
    form, latents = model.prior.form, model.prior.latents
    if not sets_aus(recipe):
        return torch.ones(1, *latents.shape[:2], 1)
    person = form.person(latents.look(small), torch.tensor([still]))
    before, after = (form.guess(person, aus).mean for aus in (shown, au_target(recipe)))
    moves = ((after - before) / form.spread).square().mean(-1, keepdim=True).sqrt()
    return 1 - keep * (1 - (moves / MOVES).clamp(max=1))
