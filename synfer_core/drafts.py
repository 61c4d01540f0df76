"""Drafts: the same person, seed and action units in a few steps, for a hand that is still moving.

A multistep solver of second order keeps what the face does with a sixth of the steps
(DPM-Solver++, Lu et al. 2022, https://arxiv.org/abs/2211.01095). A draft leaves out semantic
guidance, attention maps, previews and readings.
"""

from __future__ import annotations

from dataclasses import dataclass

from synfer_core.report import Pixels
from synfer_core.request import Recipe

STEPS = 3
"""Denoising steps of a draft; a recipe that asks for fewer keeps its own number."""


@dataclass(frozen=True)
class Draft:
    """A face made in a few steps.

    Attributes:
        recipe: What made it.
        image: (H, W, 3) uint8.
        alpha: See `report.Result`.
    """

    recipe: Recipe
    image: Pixels
    alpha: Pixels | None = None


def draft_of(recipe: Recipe) -> Recipe:
    """The recipe of a recipe's draft; person, seed, words and AUs stay."""
    steps = min(STEPS, recipe.steps)
    return recipe.unguided().model_copy(update={"scheduler": "dpm++", "steps": steps})
