"""How pictures beside exact renders are made: by any backbone, and by what lies inside of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synfer_core.decoding import to_tensor
from synfer_core.evaluation import pictures
from synfer_core.evaluation.reference import Case, Made
from synfer_core.models.backbone import Backbone, Generation
from synfer_core.models.exact import scene_of
from synfer_core.reference import sampling
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.canvas import Canvas
from synfer_core.reference.latents import Latents
from synfer_core.reference.warp import UNIT, resized
from synfer_core.report import Pixels
from synfer_core.request import USUAL_VARIATION, Guidance, Recipe

CLOSED_WARP, CLOSED = "closed-form warp", "closed form"
ONE_STEP, FOUR_STEPS, LATENTS = "one-step mean", "four steps", "exact latents"
HALF_NOISE = 0.5
"""Share of the noise that four steps start from."""
SEED, WORDS, UNITS, GUIDANCE = "other noise", "no words", "no units", "guidance doubled"
_OTHER_SEED = 1_000_000


@dataclass(frozen=True)
class Making:
    """A backbone at work on cases.

    Attributes:
        backbone: Makes the pictures.
    """

    backbone: Backbone

    @property
    def name(self) -> str:
        """The backbone's."""
        return self.backbone.capabilities.name

    def __call__(self, case: Case) -> Mapping[str, Made]:
        """By the backbone's name, its picture; of the model around a reference also the closed form
        that it starts from, its one-step mean, four steps, and what its latents would allow."""
        plain = self._generated(case)
        picture = _enlarged(plain.image, len(case.exact))
        if not isinstance(self.backbone, ReferenceBackbone):
            return {self.name: Made(picture)}
        latents = self.backbone.model.prior.latents
        canvas = self.backbone.canvas(_asked(self.backbone, case))
        exact = _encoded(self.backbone, canvas, case)
        found = {
            **_inside(self.backbone, canvas, case),
            FOUR_STEPS: self._generated(case, steps=4, variation=HALF_NOISE).latents,
            self.name: plain.latents,
            LATENTS: exact,
        }
        return {name: _decoded(latents, canvas, one, exact) for name, one in found.items()}

    def changes(self, case: Case) -> dict[str, Pixels]:
        """The picture, then the same without words, without units, with both guidance strengths
        doubled, and around a reference from other noise."""
        usual = self.backbone.capabilities
        doubled = Guidance(text=2 * usual.guidance_text, au=2 * usual.guidance_au)
        asked: dict[str, dict[str, Any]] = {
            "plain": {},
            WORDS: {"text": "", "expression": None},
            UNITS: {"aus": {}, "facs": None},
            GUIDANCE: {"guidance": doubled},
        }
        size = len(case.exact)
        made = {
            name: _enlarged(self._generated(case, **fields).image, size)
            for name, fields in asked.items()
        }
        if isinstance(self.backbone, ReferenceBackbone):
            made[SEED] = _from_other_noise(self.backbone, case)
        return made

    def _generated(self, case: Case, **fields: Any) -> Generation:
        recipe = case.recipe.model_copy(update={"backbone": self.name, **fields})
        return pictures.made(self.backbone, recipe, len(case.exact))


def _enlarged(image: Pixels, size: int) -> Pixels:
    """Pictures of a backbone that makes one size alone, at the size of the truth."""
    if len(image) == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


@torch.no_grad()
def _encoded(backbone: ReferenceBackbone, canvas: Canvas, case: Case) -> Tensor:
    """The latents of the truth; glasses are laid over the finished face and are no part of them."""
    exact, offset = case.exact, case.offset
    if canvas.worn is not None:
        exact, offset = _without_glasses(backbone, case)
    flow = torch.from_numpy(offset).permute(2, 0, 1)[None] * (UNIT / len(exact))
    small = resized(to_tensor(exact[None]), UNIT)
    return backbone.model.prior.latents.encode(canvas.small, small, resized(flow, UNIT))


def _without_glasses(backbone: ReferenceBackbone, case: Case) -> tuple[Pixels, NDArray[np.float32]]:
    """The truth (S, S, 3) and its flow (S, S, 2) to the reference, had the person no glasses."""
    neutral = case.recipe.model_copy(update={"aus": {}})
    scenes = [
        replace(scene, styling=replace(scene.styling, glasses="none"))
        for scene in map(scene_of, (case.recipe, neutral))
    ]
    renderer = backbone.source.renderer
    (exact, _), (flow,) = renderer.render_with_flows(scenes, [(0, 1)], len(case.exact))
    return exact, flow.offset


@torch.no_grad()
def _decoded(latents: Latents, canvas: Canvas, found: Tensor, exact: Tensor) -> Made:
    picture, _ = canvas.finished(latents, found)
    flow = latents.config.flow
    shares = _explained(found[..., :flow], exact[..., :flow])
    return Made(picture, (shares, _explained(found[..., flow:], exact[..., flow:])))


def _explained(found: Tensor, exact: Tensor) -> float:
    """Share of the exact latents' energy."""
    return float(1 - (found - exact).square().sum() / exact.square().sum())


@torch.no_grad()
def _inside(backbone: ReferenceBackbone, canvas: Canvas, case: Case) -> dict[str, Tensor]:
    """Latents of the closed form, and of the mean that the denoiser predicts in one step."""
    latents, recipe = backbone.model.prior.latents, _asked(backbone, case)
    context = backbone.branches(recipe, canvas.small).full
    mean = context.guess.mean
    moved = mean.clone()
    moved[..., latents.config.flow :] = 0
    denoise = sampling.plain(backbone.model.denoiser, context)
    start = sampling.noise(1, latents.shape, seed=1)
    return {CLOSED_WARP: moved, CLOSED: mean, ONE_STEP: sampling.sampled(denoise, start, 1)}


@torch.no_grad()
def _from_other_noise(backbone: ReferenceBackbone, case: Case) -> Pixels:
    """The recipe's way from noise of another seed; in a recipe the seed draws the scene too."""
    latents, recipe = backbone.model.prior.latents, _asked(backbone, case)
    canvas = backbone.canvas(recipe)
    context = backbone.branches(recipe, canvas.small).full
    denoise = sampling.plain(backbone.model.denoiser, context)
    start = sampling.noise(1, latents.shape, recipe.seed + _OTHER_SEED, USUAL_VARIATION)
    found = sampling.sampled(denoise, start, recipe.steps, recipe.scheduler)
    return canvas.finished(latents, found)[0]


def _asked(backbone: Backbone, case: Case) -> Recipe:
    fields = {"backbone": backbone.capabilities.name, "size": len(case.exact)}
    return case.recipe.model_copy(update=fields)
