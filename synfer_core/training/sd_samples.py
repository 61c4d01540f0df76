"""Sample images of a Stable Diffusion model in training: the same recipes at every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synfer_core.models.au_adapter import AUAdapter
from synfer_core.models.backbone import Generation
from synfer_core.models.sd_adapter import SDAdapter
from synfer_core.models.stable_diffusion import StableDiffusion
from synfer_core.request import Guidance, Recipe
from synfer_core.training import captioned

Pictures = NDArray[np.uint8]
"""(N, S, S, 3), a row of images."""

ROWS = (("AU6", "AU12"), ("AU4", "AU7"), ("AU1", "AU2", "AU5", "AU26"))
"""Action units that rise together, a row of images each."""
INTENSITIES = (0.0, 1.25, 2.5, 3.75, 5.0)
TEXT = "a photo of a person's face"
_CAPTIONS = 4
_WORDS = 40
"""Of a caption at most, so that it fits the 77 tokens of CLIP."""
_STRENGTHS = Guidance(text=7.5, au=7.5)


def rising(steps: int) -> dict[str, list[Recipe]]:
    """By row: one face whose action units rise from absent to their maximum."""
    return {
        "+".join(units): [
            _recipe(steps, TEXT, {unit: value for unit in units if value}) for value in INTENSITIES
        ]
        for units in ROWS
    }


def captions(data: Path, steps: int) -> dict[str, list[Recipe]]:
    """The first captions that are held out, as one row."""
    faces = (face for face in captioned.read(data) if face.held_out)
    texts = [" ".join(face.caption.split()[:_WORDS]) for face in islice(faces, _CAPTIONS)]
    return {"captions": [_recipe(steps, text, {}) for text in texts]}


def _recipe(steps: int, text: str, aus: Mapping[str, float]) -> Recipe:
    return Recipe(backbone="sd", text=text, aus=aus, steps=steps, guidance=_STRENGTHS)


def draw(
    model: StableDiffusion, units: AUAdapter | None, rows: Mapping[str, Sequence[Recipe]]
) -> dict[str, Pictures]:
    """Rows of images of a model into whose U-Net `units`, where given, are injected already."""
    if units is not None:
        model = replace(model, adapters=(*model.adapters, SDAdapter(units)))
    return {name: np.stack([_image(model, recipe) for recipe in row]) for name, row in rows.items()}


def _image(model: StableDiffusion, recipe: Recipe) -> Pictures:
    made = [item.image for item in model.stream(recipe) if isinstance(item, Generation)]
    return made[-1]
