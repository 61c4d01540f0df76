"""Where an image comes from, read back: recipe, metadata, hashes, watermark, and their accord."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import RequestError
from synfer_core.faces.images import decode_image, opened
from synfer_core.provenance import metadata, watermark
from synfer_core.provenance.export import pixels_sha256, tag_of
from synfer_core.provenance.metadata import Origin
from synfer_core.provenance.watermark import Finding
from synfer_core.report import carried_text
from synfer_core.request import Recipe


@dataclass(frozen=True)
class Provenance:
    """What an image file says of where it comes from.

    Attributes:
        origin: What its metadata says, this program's or another's; None where it says nothing.
        recipe: The recipe in it; None where there is none, or none that this version can read.
        recipe_error: Why a recipe that is there cannot be read.
        recipe_sha256: Hash of the recipe's text as it stands in the file.
        pixels_sha256: Hash of the file's pixels.
        watermark: What was read off the pixels.
    """

    origin: Origin | None
    recipe: Recipe | None
    recipe_error: str | None
    recipe_sha256: str | None
    pixels_sha256: str
    watermark: Finding

    @property
    def said(self) -> Origin:
        """What the metadata says, with nothing said where there is none."""
        return self.origin or Origin()

    @property
    def recipe_agrees(self) -> bool | None:
        """Whether the recipe is the one that the metadata names; None where either is missing."""
        return _equal(self.recipe_sha256, self.said.recipe_sha256)

    @property
    def pixels_agree(self) -> bool | None:
        """Whether the pixels are those that were written; None where the metadata does not say."""
        return _equal(self.pixels_sha256, self.said.pixels_sha256)

    @property
    def tag_agrees(self) -> bool | None:
        """Whether the watermark's tag is the recipe's; None without a mark or a recipe's hash."""
        named = self.recipe_sha256 or self.said.recipe_sha256
        if self.watermark.tag is None or not named:
            return None
        return self.watermark.tag == tag_of(named)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        mark = self.watermark
        return {
            "origin": self.origin.to_dict() if self.origin else None,
            "recipe": json.loads(self.recipe.to_json()) if self.recipe else None,
            "recipe_error": self.recipe_error,
            "recipe_sha256": self.recipe_sha256,
            "recipe_agrees": self.recipe_agrees,
            "pixels_sha256": self.pixels_sha256,
            "pixels_agree": self.pixels_agree,
            "watermark": {
                "found": mark.found,
                "bits_agreeing": mark.agreeing,
                "bits": watermark.IDENTIFIER_BITS,
                "chance": mark.chance,
                "tag": mark.tag,
                "tag_agrees": self.tag_agrees,
            },
        }


def read(data: bytes, field: str = "image") -> Provenance:
    """Where the image in the bytes of an image file comes from.

    Raises:
        ImageError: It cannot be read as an image; see `decode_image`.
    """
    pixels = decode_image(data, field)
    text = carried_text(data)
    recipe, error = _recipe(text)
    return Provenance(
        origin=_origin(data),
        recipe=recipe,
        recipe_error=error,
        recipe_sha256=None if text is None else metadata.text_sha256(text),
        pixels_sha256=pixels_sha256(pixels),
        watermark=_mark(data, pixels),
    )


def _mark(data: bytes, pixels: NDArray[np.uint8]) -> Finding:
    """The watermark: in the picture as it is seen, or in the colours that it stores."""
    found = watermark.find(pixels)
    if found.found:
        return found
    stored = decode_image(data, on_white=False)
    return found if np.array_equal(stored, pixels) else watermark.find(stored)


def _recipe(text: str | None) -> tuple[Recipe | None, str | None]:
    """The recipe, or why it cannot be read: that, too, says where the image comes from."""
    if text is None:
        return None, None
    try:
        return Recipe.parse_json(text), None
    except RequestError as error:
        return None, str(error)


def _origin(data: bytes) -> Origin | None:
    with opened(data) as image:
        packet = image.info.get("xmp")
    return metadata.parse_xmp(packet) if isinstance(packet, bytes) else None


def _equal(found: str | None, named: str | None) -> bool | None:
    return None if found is None or named is None else found == named
