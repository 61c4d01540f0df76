"""The classifier of decoded images that semantic guidance may follow.

It is optional: ``classifier.safetensors`` in the model's folder, or the classifier of
`transformers` whose folder or hub id stands in ``SYNFER_GUIDE``, with the meaning of its classes as
JSON in ``SYNFER_GUIDE_LABELS``. The machine names such a classifier, never a recipe: recipes come
from anywhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from synfer_core.errors import UnsupportedError, WeightsError
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.models import classifier, image_classifier
from synfer_core.request import Recipe
from synfer_core.semantic import Reader

IMAGE_FILE = "classifier.safetensors"
FILES = {"image": IMAGE_FILE}
"""By name in recipes: the weight file."""

_ALL = frozenset(EXPRESSIONS)
R = TypeVar("R", bound=Reader)


@dataclass(frozen=True)
class ImageReader:
    """Decodes latents and reads the image.

    Attributes:
        decode: From latents to images (B, 3, S, S), about -1 to 1.
        classify: From images (B, 3, S, S), about -1 to 1, to logits (B, 8).
        sha256: Hash over the classifier.
        name, expressions: See `semantic.Reader`.
    """

    decode: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor]
    sha256: str
    name: str = IMAGE_FILE
    expressions: frozenset[Expression] = _ALL

    def __call__(self, clean: Tensor) -> Tensor:
        """Logits (B, 8) of latents (B, C, s, s)."""
        return self.classify(self.decode(clean))


Decode = Callable[[Tensor], Tensor]
"""From latents to images (B, 3, S, S), about -1 to 1."""


def on_images(folder: Path, decode: Decode) -> dict[str, ImageReader]:
    """The classifier of decoded images by its name in recipes, where there is one.

    Raises:
        WeightsError: It is damaged, or no guidance classifier.
        RequestError: ``SYNFER_GUIDE_LABELS`` is no label map, or leaves a class out.
    """
    found: dict[str, ImageReader] = {}
    named = os.environ.get("SYNFER_GUIDE")
    if named:
        found["image"] = other_reader(named, os.environ.get("SYNFER_GUIDE_LABELS"), decode)
    elif (folder / IMAGE_FILE).exists():
        found["image"] = our_reader(folder / IMAGE_FILE, decode)
    return found


def chosen(readers: Mapping[str, R], recipe: Recipe) -> R:
    """The classifier that a recipe with semantic guidance asks for.

    Raises:
        UnsupportedError: It is not here, or does not know the recipe's expression.
    """
    name = recipe.semantic.classifier
    if name not in readers:
        raise UnsupportedError(
            f"{name!r} needs {FILES[name]}, which is not here",
            field="semantic.classifier",
            allowed=", ".join(readers) or "nothing; leave guidance.semantic at 0",
        )
    reader = readers[name]
    if recipe.expression not in reader.expressions:
        raise UnsupportedError(
            f"{reader.name} does not know {recipe.expression}",
            field="expression",
            allowed=", ".join(sorted(reader.expressions)),
        )
    return reader


def weights_of(sha256: str, readers: Mapping[str, Reader], recipe: Recipe) -> str:
    """Hash over all weights that make a recipe's pixels: a guiding classifier is one of them.

    Args:
        sha256: Of the model's own weights.
        readers: The classifiers that there are.
        recipe: Says whether one of them guides, and which.

    Raises:
        UnsupportedError: See `chosen`.
    """
    if not recipe.guidance.semantic:
        return sha256
    return hashlib.sha256((sha256 + chosen(readers, recipe).sha256).encode()).hexdigest()


def our_reader(path: Path, decode: Decode) -> ImageReader:
    """Our own image classifier.

    Raises:
        WeightsError: The file is missing, damaged, no guidance classifier, or reads no expressions.
    """
    net, sha256 = classifier.load(path, "classifier")
    if net.expressions is None:
        raise WeightsError("reads no expressions", field=path.name)

    def classify(images: Tensor) -> Tensor:
        logits = net(images).expressions
        assert isinstance(logits, Tensor)
        return logits

    return ImageReader(decode, classify, sha256)


def other_reader(where: str, labels: str | None, decode: Decode) -> ImageReader:
    """A classifier of `transformers`; `labels` is its label map as JSON.

    Raises:
        WeightsError: There is no such classifier.
        RequestError: `labels` is no label map, or leaves a class out.
    """
    meanings = image_classifier.read_labels(labels, "SYNFER_GUIDE_LABELS") if labels else None
    net = image_classifier.load(where, meanings)
    return ImageReader(decode, net, net.sha256(), where, net.expressions)
