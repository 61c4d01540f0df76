"""Images made and read so far, kept until their set is whole: an interrupted run goes on.

On the disk an image is one PNG with what was measured in its metadata, so that it is there whole or
not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from PIL import Image

from synfer_core.errors import RequestError
from synfer_core.files import write_whole
from synfer_core.provenance.png import to_png
from synfer_core.report import Pixels, Result
from synfer_core.request import Recipe

Generate = Callable[[Recipe], Result]
_KEY = "synfer_measured"
_DAMAGE = (OSError, ValueError, SyntaxError, KeyError, TypeError, RequestError)


@dataclass(frozen=True)
class Made:
    """An image as it was made, and what was read on it.

    Attributes:
        recipe: Completed, with the hash of the weights where the backbone has any.
        image: (S, S, 3) uint8, before any treatment.
        aus: AU slots to measured intensities 0-5; empty without an AU reader.
        au_reader: Which reader measured them.
        probabilities: Expression to FERAnno's calibrated probability; empty without FERAnno.
        label_reader: Which reader said so.
    """

    recipe: Recipe
    image: Pixels
    aus: Mapping[str, float]
    au_reader: str
    probabilities: Mapping[str, float]
    label_reader: str

    @classmethod
    def of(cls, result: Result) -> Self:
        """What a set keeps of a result, rounded as files have it."""
        reading = result.readings[0] if result.readings else None
        label = result.label
        return cls(
            recipe=result.recipe,
            image=result.image,
            aus={k: round(v, 3) for k, v in reading.aus.items()} if reading else {},
            au_reader=reading.reader if reading else "",
            probabilities=label.to_dict()["probabilities"] if label else {},
            label_reader=label.reader if label else "",
        )


class Store(Protocol):
    """Images made so far."""

    def make(self, recipe: Recipe, generate: Generate) -> Made:
        """The image of a recipe: the one that is kept, else made now and kept."""


@dataclass(frozen=True)
class MemoryStore:
    """Images kept in memory, for as long as their set is being made."""

    kept: dict[str, Made] = field(default_factory=dict)

    def make(self, recipe: Recipe, generate: Generate) -> Made:
        """The image of a recipe.

        Raises:
            SynferError: From `generate`.
        """
        key = recipe.to_json()
        if key not in self.kept:
            self.kept[key] = Made.of(generate(recipe))
        return self.kept[key]


@dataclass(frozen=True)
class FolderStore:
    """Images kept in a folder, so that an interrupted run goes on where it was.

    Attributes:
        folder: Made when the first image is kept.
        maker: What makes and reads the images, as hashes: images of other makers are made anew.
    """

    folder: Path
    maker: str

    @classmethod
    def beside(cls, target: Path, maker: str) -> Self:
        """The store of a set that is to be written to `target`."""
        return cls(target.with_name(f".{target.name}.made"), maker)

    def make(self, recipe: Recipe, generate: Generate) -> Made:
        """The image of a recipe.

        Raises:
            SynferError: From `generate`.
            RequestError: The folder cannot be written to.
        """
        path = self._path(recipe)
        kept = _read(path) if path.exists() else None
        if kept is None:
            kept = Made.of(generate(recipe))
            self._keep(path, kept)
        return kept

    def count(self) -> int:
        """How many images are kept."""
        return len(list(self.folder.glob("*.png")))

    def clear(self) -> None:
        """Remove the folder."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _path(self, recipe: Recipe) -> Path:
        key = hashlib.sha256(f"{self.maker}\n{recipe.to_json()}".encode()).hexdigest()
        return self.folder / f"{key[:32]}.png"

    def _keep(self, path: Path, made: Made) -> None:
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise RequestError(f"cannot be made: {error}", field=str(self.folder)) from error
        write_whole(path, _to_png(made))


def _to_png(made: Made) -> bytes:
    measured = {
        "recipe": made.recipe.to_json(),
        "aus": dict(made.aus),
        "au_reader": made.au_reader,
        "probabilities": dict(made.probabilities),
        "label_reader": made.label_reader,
    }
    return to_png(made.image, {_KEY: json.dumps(measured, allow_nan=False)})


def _read(path: Path) -> Made | None:
    """An image of an earlier run; None where the file is damaged, and it is then made anew."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.load()
            measured: dict[str, Any] = json.loads(getattr(picture, "text", {})[_KEY])
            image = np.array(picture.convert("RGB"))
        return Made(Recipe.parse_json(measured.pop("recipe")), image, **measured)
    except _DAMAGE:
        return None
