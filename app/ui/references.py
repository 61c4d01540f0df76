"""Faces to edit: built-in samples, finished faces and uploads, made ready for a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from app.ui.pictures import preview_url
from app.uploads import uploaded
from synfer_core import editing, samples
from synfer_core.errors import SynferError, UnsupportedError
from synfer_core.faces.images import decode_image, read_image
from synfer_core.facs import ACTION_UNITS
from synfer_core.report import Pixels, carried_recipe
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

_THUMB = 96
_NO_CHANGE = {"AU12": 0.0}
"""A relative edit that changes nothing: it says what the face shows."""
_ALIKE = 0.5


@dataclass(frozen=True)
class Thumb:
    """A built-in sample as the page offers it."""

    name: str
    alt: str
    url: str


@cache
def thumbs() -> tuple[Thumb, ...]:
    """The built-in samples, in the order to show them in."""
    return tuple(Thumb(s.name, s.alt, _thumb_url(s)) for s in samples.shipped())


def _thumb_url(sample: samples.Sample) -> str:
    image = Image.fromarray(read_image(samples.FOLDER / sample.file))
    small = image.resize((_THUMB, _THUMB), Image.Resampling.LANCZOS)
    return preview_url(np.asarray(small))


def reference_reader(synthesizer: Synthesizer, limit_mb: int) -> Callable[[object], dict[str, Any]]:
    """What the page calls with a face to edit; answers what its form needs, or an error."""

    def read_reference(sent: object) -> dict[str, Any]:
        try:
            return _read(synthesizer, sent, limit_mb)
        except SynferError as error:
            return {"error": {**error.to_dict(), "field": "reference"}}

    return read_reference


def portrait_reader(limit_mb: int) -> Callable[[object], dict[str, Any]]:
    """What the page calls with a picture of a person; answers what its form needs, or an error."""

    def read_portrait(sent: object) -> dict[str, Any]:
        try:
            picture, notes = editing.portrait_of(decode_image(uploaded(sent, limit_mb)))
        except SynferError as error:
            return {"error": {**error.to_dict(), "field": "identity_image"}}
        return {"identity_image": picture, "notes": list(notes)}

    return read_portrait


def _read(synthesizer: Synthesizer, sent: object, limit_mb: int) -> dict[str, Any]:
    """The face's reference and picture, what it shows and who it is.

    Raises:
        RequestError: Nothing arrived, or too much.
        ImageError: The picture cannot be read or shows no face.
    """
    source, made_by, notes = _source(sent, limit_mb)
    edit, known = edit_of(synthesizer, source, made_by)
    recipe = edit.recipe
    assert recipe.reference is not None
    size = synthesizer.backbones["builtin"].capabilities.image_size
    person = editing.with_person(recipe).identity_code
    return {
        "reference": recipe.reference,
        "picture": preview_url(editing.pixels_of(recipe.reference, size)),
        "aus": joined(recipe.aus) if known else None,
        "person": person,
        "notes": [*edit.notes, *notes],
    }


def _source(sent: object, limit_mb: int) -> tuple[Pixels | str, Recipe | None, tuple[str, ...]]:
    """What was sent: a sample's reference, or an image with the recipe that made it, and notes."""
    name = sent.get("sample") if isinstance(sent, Mapping) else None
    if isinstance(name, str):
        return samples.find(name).reference, None, ()
    data = uploaded(sent, limit_mb)
    return decode_image(data), *carried_recipe(data)


def edit_of(
    synthesizer: Synthesizer, source: Pixels | str, made_by: Recipe | None
) -> tuple[editing.Edit, bool]:
    """An edit that changes nothing, and whether it is known what the face shows."""
    try:
        return synthesizer.edit(source, _NO_CHANGE, relative=True, made_by=made_by), True
    except UnsupportedError as error:
        if error.field != "relative":
            raise
        return synthesizer.edit(source, {}, made_by=made_by), False


def joined(aus: Mapping[str, float]) -> dict[str, float]:
    """AUs for the sliders, in tenths: sides that are alike as one, what is absent left out."""
    found: dict[str, float] = {}
    for number in ACTION_UNITS:
        both, left, right = (f"AU{side}{number}" for side in ("", "L", "R"))
        sides = {key: aus.get(key, aus.get(both, 0.0)) for key in (left, right)}
        if abs(sides[left] - sides[right]) < _ALIKE or both in aus:
            sides = {both: sum(sides.values()) / 2}
        found |= sides
    return {key: round(value, 1) for key, value in found.items() if round(value, 1) > 0}
