"""A picture on its way out: label and watermark into its pixels, recipe and origin beside them.

What the networks and the evaluation see is the picture as it was made; marks go onto what is
written or shown for download, and are a function of picture, recipe and marking alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synfer_core.faces.images import put_on_white
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
        pixels: (H, W, 3) uint8, marked; with alpha, the person's own colours.
        origin: What its metadata says.
        recipe: What made it.
        alpha: (H, W) uint8; None where nothing shows through.
    """

    pixels: Pixels
    origin: Origin
    recipe: Recipe
    alpha: Pixels | None = None

    @classmethod
    def of(
        cls, image: Pixels, recipe: Recipe, marking: Marking, alpha: Pixels | None = None
    ) -> Export:
        """Mark an image (H, W, 3) uint8; one below 64 pixels a side gets no watermark.

        The label comes first, so that the watermark lies in the picture as it is seen. With alpha
        (H, W), the image is as it looks on white; marks go into the colours that are stored, and
        the label's plate hides what is behind.
        """
        origin = metadata.origin_of(recipe, pixels_sha256(image))
        tag = tag_of(metadata.text_sha256(recipe.to_json()))
        if alpha is not None:
            image = own_colours(image, alpha)
        pixels, origin = mark(image, origin, tag, marking)
        if alpha is not None and marking.label:
            plate = label.covers(image.shape[:2], WORDS[origin.source_type or ""])
            alpha = np.where(plate, np.uint8(255), alpha)
        made = cls(pixels, origin, recipe, alpha)
        return made if alpha is None else replace(made, origin=_seen(origin, made.stored))

    @property
    def stored(self) -> Pixels:
        """What the file holds: (H, W, 3), or (H, W, 4) with alpha."""
        return self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])

    def to_png(self) -> bytes:
        """The picture as PNG with recipe and origin in its metadata."""
        texts = {RECIPE_KEY: self.recipe.to_json(), metadata.XMP_KEY: metadata.to_xmp(self.origin)}
        return to_png(self.stored, texts)


def mark(image: Pixels, origin: Origin, tag: int, marking: Marking) -> tuple[Pixels, Origin]:
    """An image (H, W, 3) uint8 with its marks, and its origin with what was done to it.

    Args:
        image: As it was made.
        origin: With its source type.
        tag: What the watermark says: `tag_of` the hash of what made it.
        marking: What is put onto it.
    """
    if marking.label:
        words = WORDS[origin.source_type or ""]
        image, origin = label.draw(image, words), replace(origin, label=words)
    if marking.watermark and watermark.fits(image):
        image = watermark.embed(image, tag)
        origin = replace(origin, watermark=watermark.NAME)
    return image, replace(origin, pixels_sha256=pixels_sha256(image))


def _seen(origin: Origin, stored: Pixels) -> Origin:
    """The origin with the hash of a see-through picture as it looks on white."""
    return replace(origin, pixels_sha256=pixels_sha256(put_on_white(stored)))


def own_colours(image: Pixels, alpha: Pixels) -> Pixels:
    """The colours (H, W, 3) that give an image, put on white by their alpha (H, W)."""
    share = np.maximum(alpha, 1)[..., None] / 255.0
    own = (image - 255.0 * (1 - share)) / share
    return np.where(alpha[..., None] > 0, np.clip(np.rint(own), 0, 255), 255).astype(np.uint8)


def see_through(image: Pixels, alpha: Pixels) -> Pixels:
    """An image as it looks on white, and its alpha (H, W), as stored: (H, W, 4)."""
    return np.dstack([own_colours(image, alpha), alpha])


def pixels_sha256(image: Pixels) -> str:
    """SHA-256 of an image's RGB bytes, row by row, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def tag_of(recipe_sha256: str) -> int:
    """The watermark's tag: the first 12 bits of the recipe's hash."""
    return int(recipe_sha256[:3], 16)
