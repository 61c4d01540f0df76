"""FaceKit as a backbone: the same recipe, rendered exactly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synfer_core.errors import UnsupportedError
from synfer_core.facekit.captions import attributes_in
from synfer_core.facs import ACTION_UNITS
from synfer_core.models.backbone import Capabilities, Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe

if TYPE_CHECKING:
    from synfer_core.facekit import Renderer


@dataclass(frozen=True)
class ExactBackbone:
    """The exact renderer behind the backbone interface.

    Attributes:
        renderer: FaceKit, its pack loaded.
        image_size: Pixels on a side where the recipe names none.
    """

    renderer: Renderer
    image_size: int

    @property
    def capabilities(self) -> Capabilities:
        """What this backbone can do."""
        return Capabilities(
            name="facekit",
            title="Exact 3D (FaceKit)",
            note="Rendered from a 3D face model; AUs are exact, words set traits only.",
            image_size=self.image_size,
            aus=tuple(au.key for au in ACTION_UNITS.values()),
            text=True,
            identity=True,
            guidance=False,
            attention=False,
            steps=False,
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe as it is.

        Raises:
            UnsupportedError: The recipe gives the person as a code, or names weights.
        """
        if recipe.identity_code is not None:
            raise UnsupportedError("takes a seed, not a code", field="identity_code")
        if recipe.weights_sha256 is not None:
            raise UnsupportedError("has no weights", field="weights_sha256")
        return recipe

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Render once."""
        from synfer_core.facekit import scene_for

        yield Progress(0, 1, "rendering")
        scene = scene_for(
            recipe.action_units,
            identity=recipe.identity_seed if recipe.identity_seed is not None else recipe.seed,
            seed=recipe.seed,
            traits=attributes_in(recipe.text),
        )
        image = self.renderer.render(scene, recipe.size or self.image_size)
        yield Generation(image, AttentionMaps())


def find(image_size: int) -> ExactBackbone | None:
    """The exact renderer where ``SYNFER_FACEKIT`` names a data pack, else None.

    Raises:
        PackError: A pack is named but is missing or damaged.
    """
    if not os.environ.get("SYNFER_FACEKIT"):
        return None
    from synfer_core.facekit import Renderer

    return ExactBackbone(Renderer.load(), image_size)
