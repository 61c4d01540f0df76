"""A picture on its way to noise and back, through the model that edits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from synfer_core import decoding, editing
from synfer_core.errors import UnsupportedError
from synfer_core.guidance import Denoise
from synfer_core.models.backbone import Backbone
from synfer_core.models.denoiser import NoiseSchedule
from synfer_core.reference import layout, sampling
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.denoiser import SCHEDULE
from synfer_core.report import Pixels
from synfer_core.request import Recipe


@dataclass(frozen=True)
class Way:
    """What a round trip needs of a model.

    Attributes:
        clean: The picture's latents.
        denoise: The denoiser under the condition of inversion.
        decode: Latents to a picture (S, S, 3).
        schedule: Of the noise.
    """

    clean: Tensor
    denoise: Denoise
    decode: Callable[[Tensor], Pixels]
    schedule: NoiseSchedule

    @property
    def coded(self) -> Pixels:
        """What the latents alone keep of the picture."""
        return self.decode(self.clean)

    @torch.no_grad()
    def back(self, recipes: Mapping[float, Recipe], refine: int) -> dict[float, Pixels]:
        """The picture after a round trip, by depth.

        Args:
            recipes: Edits of the picture by `Recipe.inversion_depth`.
            refine: Further looks at v in each step of inversion.
        """
        deepest, schedule = recipes[max(recipes)], self.schedule
        there = editing.carry_back(
            self.denoise, self.clean, deepest, refine=refine, schedule=schedule
        )
        way = [step.latents for step in there]
        return {depth: self._returned(way, recipe) for depth, recipe in recipes.items()}

    def _returned(self, way: list[Tensor], recipe: Recipe) -> Pixels:
        start = way[editing.steps_of(recipe) - 1]
        return self.decode(editing.round_trip(self.denoise, start, recipe, schedule=self.schedule))


@torch.no_grad()
def way_of(backbone: Backbone, recipe: Recipe) -> Way:
    """The way of an edit's picture through a model.

    Args:
        backbone: The model.
        recipe: An edit; its units are those that the picture shows.

    Raises:
        UnsupportedError: The backbone is none that inverts pictures here.
    """
    if not isinstance(backbone, ReferenceBackbone):
        raise UnsupportedError("inverts no picture", field="--backbone", allowed="builtin")
    model, small = backbone.model, backbone.canvas(recipe).small
    shown = layout.shown_units(model, recipe, small)
    context = model.context(small, shown, still=not bool(shown.any()))

    def decode(latents: Tensor) -> Pixels:
        image: Pixels = decoding.to_images(model.prior.latents.decode(small, latents))[0]
        return image

    return Way(
        clean=torch.zeros(1, *model.prior.latents.shape),
        denoise=sampling.plain(model.denoiser, context),
        decode=decode,
        schedule=SCHEDULE,
    )
