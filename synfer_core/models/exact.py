"""FaceKit as a backbone: the same recipe, rendered exactly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import UnsupportedError
from synfer_core.facekit.captions import attributes_in
from synfer_core.facekit.kept import Kept
from synfer_core.facekit.pack import digest, locate
from synfer_core.facs import ACTION_UNITS
from synfer_core.models.backbone import (
    NO_PICTURE,
    Capabilities,
    Generation,
    check_picture,
    check_size,
    check_variation,
)
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import SIZES, TRANSPARENT, Recipe

if TYPE_CHECKING:
    from synfer_core.facekit import Identity, Renderer, Scene


NO_TRAITS = (
    "Nothing in the prompt had an effect: the exact renderer takes traits of the person and the "
    "scene from it, in English, such as a beard or side light, and it names none."
)


class LateRenderer:
    """A renderer that is loaded when it is first needed, so that what needs none goes on without.

    Args:
        pack: Its pack; None finds the one of this machine (see `facekit.pack.locate`).
    """

    def __init__(self, pack: Path | None = None):
        self._pack = pack
        self._lock = threading.Lock()
        self._renderer: Renderer | None = None

    def get(self) -> Renderer:
        """The one renderer; what failed is tried again.

        Raises:
            PackError: The pack is missing or damaged.
        """
        with self._lock:
            if self._renderer is None:
                self._renderer = _shared(self._pack)
            return self._renderer

    @property
    def sha256(self) -> str:
        """Of the pack that is loaded, or else that would be.

        Raises:
            PackError: The pack is missing.
        """
        return self._renderer.sha256 if self._renderer else digest(self._pack)


_LOADED: Kept[tuple[str, int, int], Renderer] = Kept(1)
"""The pack used last, by path, time of change and size: backbones share what it takes to load."""


def _shared(pack: Path | None) -> Renderer:
    """The process's renderer with a pack, loaded if it is another than the last.

    Raises:
        PackError: The pack is missing or damaged.
    """
    from synfer_core.facekit import Renderer

    path = locate(pack)
    file = path.stat()
    key = str(path.resolve()), file.st_mtime_ns, file.st_size
    return _LOADED.get(key, partial(Renderer.load, path))


@dataclass(frozen=True)
class ExactBackbone:
    """The exact renderer behind the backbone interface.

    Attributes:
        source: FaceKit, its pack loaded, or to be loaded with the first face.
        image_size: Pixels on a side where the recipe names none.
    """

    source: Renderer | LateRenderer
    image_size: int

    @property
    def renderer(self) -> Renderer:
        """FaceKit, its pack loaded.

        Raises:
            PackError: The pack is missing or damaged.
        """
        return self.source.get() if isinstance(self.source, LateRenderer) else self.source

    @property
    def sha256(self) -> str:
        """The SHA-256 of the pack.

        Raises:
            PackError: The pack is missing.
        """
        return self.source.sha256

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
            drafts=True,
            located=True,
            scene=True,
            sizes=SIZES,
            good_for="Action units exactly as asked, sharp at any size: for experiments.",
            reasons={"identity_image": NO_PICTURE},
        )

    def check(self, recipe: Recipe) -> Recipe:
        """The recipe as it is.

        Raises:
            RequestError: The person's code has the wrong length.
            UnsupportedError: The recipe names weights, or asks for semantic guidance, an edit, the
                person of a picture, or a size out of range.
        """
        if recipe.weights_sha256 is not None:
            raise UnsupportedError("has no weights", field="weights_sha256")
        if recipe.guidance.semantic:
            raise UnsupportedError("renders are not guided", field="guidance.semantic", allowed="0")
        if recipe.reference is not None:
            raise UnsupportedError(
                "the exact renderer cannot edit a picture", field="reference", allowed="nothing"
            )
        check_size(recipe, self.capabilities)
        check_variation(recipe, self.capabilities)
        check_picture(recipe, self.capabilities)
        person_of(recipe)
        return recipe

    @property
    def together(self) -> int:
        """How many images are made at once, so that others get their turn each second or so."""
        return 4

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Render once.

        Raises:
            PackError: The pack is missing or damaged.
        """
        yield Progress(0, 1, "rendering")
        scene = scene_of(recipe)
        image, cover = self.renderer.render_with_cover(scene, recipe.size or self.image_size)
        transparent = recipe.scene is not None and recipe.scene.background == TRANSPARENT
        unheard = recipe.words.strip() and not attributes_in(recipe.words)
        notes = (NO_TRAITS,) if unheard else ()
        alpha = cover if transparent else None
        yield Generation(image, AttentionMaps(), alpha=alpha, notes=notes)

    def draft(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        """Render once: the exact image is a draft already."""
        return self.stream(recipe)

    def eyes(self, recipe: Recipe) -> NDArray[np.float32]:
        """(2, 2): where the mesh has the eyes (see `Located`).

        Raises:
            PackError: The pack is missing or damaged.
        """
        from synfer_core.facekit.scene import eye_centres

        size = recipe.size or self.image_size
        return eye_centres(self.renderer.landmarks(scene_of(recipe), size))


def scene_of(recipe: Recipe) -> Scene:
    """What is to be rendered: traits by the words, the rest by the seed, and on top its `scene`.

    Raises:
        RequestError: The code of the person has the wrong length.
    """
    from synfer_core.facekit import scene_for

    return scene_for(
        recipe.action_units,
        identity=person_of(recipe),
        seed=recipe.seed,
        traits=attributes_in(recipe.words),
        options=recipe.scene,
    )


def person_of(recipe: Recipe) -> int | Identity:
    """Who is to be rendered: an identity seed, or the person that the recipe's code describes.

    What a code leaves out (skin noise, the finest modes of shape) is drawn with the recipe's seed.
    Words change nothing in a person given as a code but the glasses.

    Raises:
        RequestError: The code has the wrong length.
    """
    from synfer_core.facekit import draw_identity, identity_from_code

    if recipe.identity_code is not None:
        return identity_from_code(np.array(recipe.identity_code), draw_identity(recipe.seed))
    return recipe.identity_seed if recipe.identity_seed is not None else recipe.seed


def find(image_size: int) -> ExactBackbone:
    """The exact renderer with the pack of this machine (see `facekit.pack.locate`), not loaded yet:
    a pack that is missing or damaged stops exact faces alone.
    """
    return ExactBackbone(LateRenderer(), image_size)
