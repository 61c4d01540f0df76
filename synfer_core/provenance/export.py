"""A picture on its way out: label and watermark into its pixels, recipe and origin beside them.

What the networks and the evaluation see is the picture as it was made; marks go onto what is
written or shown for download, and are a function of picture, recipe and marking alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synfer_core.provenance import label, metadata, watermark
from synfer_core.provenance.marking import Marking
from synfer_core.provenance.metadata import Origin
from synfer_core.provenance.png import to_png
from synfer_core.request import Recipe

RECIPE_KEY = "synfer_recipe"
"""Name of the PNG text chunk that holds the recipe as JSON."""
WORDS = {
    metadata.TRAINED: "AI-generated",
    metadata.EDITED: "AI-edited",
    metadata.COMPUTED: "Computer-made",
}
"""What the visible label says, by IPTC's term."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Export:
    """A picture as it is written.

    Attributes:
        pixels: (H, W, 3) uint8, marked.
        recipe: What made it.
        origin: What its metadata says.
    """

    pixels: Pixels
    recipe: Recipe
    origin: Origin

    @classmethod
    def of(cls, image: Pixels, recipe: Recipe, marking: Marking) -> Export:
        """Mark an image (H, W, 3) uint8; one below 64 pixels a side gets no watermark.

        The label comes first, so that the watermark lies in the picture as it is seen.
        """
        origin = metadata.origin_of(recipe, pixels_sha256(image))
        if marking.label:
            words = WORDS[metadata.source_type(recipe)]
            image, origin = label.draw(image, words), replace(origin, label=words)
        if marking.watermark and watermark.fits(image):
            assert origin.recipe_sha256 is not None
            image = watermark.embed(image, tag_of(origin.recipe_sha256))
            origin = replace(origin, watermark=watermark.NAME)
        return cls(image, recipe, replace(origin, pixels_sha256=pixels_sha256(image)))

    def to_png(self) -> bytes:
        """The picture as PNG with recipe and origin in its metadata."""
        texts = {RECIPE_KEY: self.recipe.to_json(), metadata.XMP_KEY: metadata.to_xmp(self.origin)}
        return to_png(self.pixels, texts)


def pixels_sha256(image: Pixels) -> str:
    """SHA-256 of an image's RGB bytes, row by row, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def tag_of(recipe_sha256: str) -> int:
    """The watermark's tag: the first 12 bits of the recipe's hash."""
    return int(recipe_sha256[:3], 16)
