"""Images made once each, and kept in a folder so that a run which was cut short goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from synfer_core.errors import DataError, ImageError
from synfer_core.faces.images import decoding
from synfer_core.files import write_whole
from synfer_core.models.backbone import Backbone, Generation
from synfer_core.provenance.export import RECIPE_KEY
from synfer_core.provenance.png import to_png
from synfer_core.report import Pixels
from synfer_core.request import Recipe

_SECONDS = "seconds"


@dataclass(frozen=True)
class Shot:
    """An image (S, S, 3) and the seconds it took."""

    image: Pixels
    seconds: float


class Album:
    """A backbone's images by recipe.

    Args:
        backbone: Makes them.
        folder: Where they are kept; None keeps them in memory alone.
        tell: Called whenever there is one more.
    """

    def __init__(self, backbone: Backbone, folder: Path | None, tell: Callable[[], None]):
        self._backbone, self._folder, self._tell = backbone, folder, tell
        self._shots: dict[str, Shot] = {}

    def __call__(self, recipe: Recipe) -> Shot:
        """The image of a recipe; it is made where neither memory nor folder has it.

        Raises:
            RequestError: The backbone refuses the recipe, or the folder cannot be written to.
            DataError: The folder has a file of this name that is no such image.
        """
        checked = self._backbone.check(recipe)
        key = checked.to_json()
        if key not in self._shots:
            self._shots[key] = self._from_folder(checked)
            self._tell()
        return self._shots[key]

    def _from_folder(self, recipe: Recipe) -> Shot:
        if self._folder is None:
            return self._made(recipe)
        # The recipe holds the weights' hash: images of other weights have other names.
        path = self._folder / f"{hashlib.sha256(recipe.to_json().encode()).hexdigest()[:24]}.png"
        if path.exists():
            return read(path)
        shot = self._made(recipe)
        write_whole(path, png_of(recipe, shot))
        return shot

    def _made(self, recipe: Recipe) -> Shot:
        start = time.perf_counter()
        *_, made = self._backbone.stream(recipe)
        assert isinstance(made, Generation)
        return Shot(made.image, time.perf_counter() - start)


def png_of(recipe: Recipe, shot: Shot) -> bytes:
    """An image as PNG with its recipe and the seconds it took."""
    return to_png(shot.image, {RECIPE_KEY: recipe.to_json(), _SECONDS: repr(shot.seconds)})


def read(path: Path) -> Shot:
    """What `png_of` wrote.

    Raises:
        DataError: It is no such file.
    """
    try:
        with decoding(path.name), Image.open(path, formats=["PNG"]) as image:
            image.load()
            seconds = float(getattr(image, "text", {})[_SECONDS])
            return Shot(np.asarray(image.convert("RGB")), seconds)
    except ImageError as error:
        raise DataError(
            "is no image of an earlier run", field=str(path), allowed="delete it"
        ) from error
