"""Images made and read so far, kept until their set is whole: an interrupted run goes on.

On the disk an image is one PNG with what was measured in its metadata, so that it is there whole or
not at all.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from PIL import Image

from synfer_core.errors import CancelledError, ImageError, RequestError
from synfer_core.faces.images import decoding
from synfer_core.files import write_whole
from synfer_core.provenance.png import to_png
from synfer_core.report import Pixels, Result
from synfer_core.request import Recipe

Generate = Callable[[Recipe], Result]
_KEY = "synfer_measured"
_DAMAGE = (ImageError, ValueError, TypeError, RequestError)


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

    def get(self, recipe: Recipe) -> Made | None:
        """The image of a recipe; None where it is not kept."""

    def keep(self, recipe: Recipe, made: Made) -> None:
        """Keep the image of a recipe."""

    def make(self, recipe: Recipe, generate: Generate) -> Made:
        """The image of a recipe: the one that is kept, else made now and kept."""


class _Keeping:
    """What all stores do alike."""

    def make(self: Store, recipe: Recipe, generate: Generate) -> Made:
        """The image of a recipe.

        Raises:
            SynferError: From `generate`.
            RequestError: It cannot be kept.
        """
        kept = self.get(recipe)
        if kept is None:
            kept = Made.of(generate(recipe))
            self.keep(recipe, kept)
        return kept


@dataclass(frozen=True)
class MemoryStore(_Keeping):
    """Images kept in memory, for as long as their set is being made."""

    kept: dict[str, Made] = field(default_factory=dict)

    def get(self, recipe: Recipe) -> Made | None:
        """The image of a recipe."""
        return self.kept.get(recipe.to_json())

    def keep(self, recipe: Recipe, made: Made) -> None:
        """Keep an image."""
        self.kept[recipe.to_json()] = made


class SpoolStore(_Keeping):
    """Images kept as bare pixels in one file without a name, which goes when it is closed.

    Args:
        most_bytes: Bytes that the file may take.
    """

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, `close` ends it
        self._places: dict[str, tuple[int, Made]] = {}
        self._end = 0

    def get(self, recipe: Recipe) -> Made | None:
        """The image of a recipe; several threads may ask at once."""
        found = self._places.get(recipe.to_json())
        if found is None:
            return None
        start, bare = found
        shape = bare.image.shape
        data = os.pread(self._descriptor(), math.prod(shape), start)
        return replace(bare, image=np.frombuffer(data, np.uint8).reshape(shape))

    def keep(self, recipe: Recipe, made: Made) -> None:
        """Keep an image.

        Raises:
            RequestError: The file would grow larger than allowed, or the disk is full.
            CancelledError: It was closed.
        """
        place = self._descriptor()
        if self._end + made.image.nbytes > self.most_bytes:
            allowed = f"at most {self.most_bytes / 1e9:.1f} GB of images"
            raise RequestError("the set is too large", field="identities", allowed=allowed)
        try:
            os.pwrite(place, np.ascontiguousarray(made.image).tobytes(), self._end)
        except OSError as error:
            raise RequestError(f"cannot be kept: {error}", field="identities") from error
        # A view of one byte has the shape, and takes no memory.
        bare = replace(made, image=np.broadcast_to(np.uint8(0), made.image.shape))
        self._places[recipe.to_json()] = self._end, bare
        self._end += made.image.nbytes

    def _descriptor(self) -> int:
        """Raises:
        CancelledError: It was closed: nobody wants these images any more.
        """
        if self._file.closed:
            raise CancelledError("the images were deleted")
        return self._file.fileno()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end

    def close(self) -> None:
        """Delete all images."""
        self._places.clear()
        self._file.close()


@dataclass(frozen=True)
class FolderStore(_Keeping):
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

    def get(self, recipe: Recipe) -> Made | None:
        """The image of a recipe; None too where its file is damaged."""
        path = self._path(recipe)
        return _read(path) if path.exists() else None

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

    def keep(self, recipe: Recipe, made: Made) -> None:
        """Keep an image.

        Raises:
            RequestError: The folder cannot be written to.
        """
        path = self._path(recipe)
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
        with decoding(path.name), Image.open(path, formats=["PNG"]) as picture:
            picture.load()
            measured: dict[str, Any] = json.loads(getattr(picture, "text", {})[_KEY])
            image = np.array(picture.convert("RGB"))
        return Made(Recipe.parse_json(measured.pop("recipe")), image, **measured)
    except _DAMAGE:
        return None
