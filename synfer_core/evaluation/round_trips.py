"""A picture on its way to noise and back, through the model that edits it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from synfer_core import decoding, editing, guidance
from synfer_core.errors import UnsupportedError
from synfer_core.guidance import Denoise
from synfer_core.models.backbone import Backbone
from synfer_core.models.builtin import BuiltinModel
from synfer_core.models.denoiser import SCHEDULE, NoiseSchedule
from synfer_core.reference import denoiser as reference_denoiser
from synfer_core.reference import layout, sampling
from synfer_core.reference.backbone import ReferenceBackbone
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
    if isinstance(backbone, ReferenceBackbone):
        return _around(backbone, recipe)
    if not isinstance(backbone, BuiltinModel):
        raise UnsupportedError("inverts no picture", field="--backbone", allowed="builtin")
    picture = editing.pixels_of(str(recipe.reference), backbone.codec.config.image_size)
    clean = backbone.codec.encode(decoding.to_tensor(picture[None]))
    shown = editing.shown_aus(recipe, backbone.directions, clean)
    denoise = guidance.plain(backbone.denoiser, backbone.source(recipe, shown))
    return Way(clean, denoise, partial(decoding.decode, backbone.codec), SCHEDULE)


def _around(backbone: ReferenceBackbone, recipe: Recipe) -> Way:
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
        schedule=reference_denoiser.SCHEDULE,
    )
