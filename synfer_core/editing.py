"""Editing: what all models share of inverting a face part of the way to noise and denoising anew.

Layout initialisation of SynFER (He et al. 2025, https://arxiv.org/abs/2410.09865, section 3.3): the
noise from which a face is made comes from inverting a reference, so that the new face keeps its
layout. The reference is inverted without words and under the AUs that it shows. What the built-in
model does beyond that is in `reference.layout`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from synfer_core import denoising, samples
from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.faces.align import crop
from synfer_core.faces.images import decode_image, read_image
from synfer_core.facs import (
    LEAST_READING,
    MAX_INTENSITY,
    canonical_key,
    format_facs,
    from_slots,
    slots_of,
    to_slots,
)
from synfer_core.guidance import Denoise
from synfer_core.inversion import InversionStep, invert
from synfer_core.models.denoiser import SCHEDULE, NoiseSchedule
from synfer_core.report import Pixels
from synfer_core.request import IDENTITIES, PNG_DATA, SAMPLE, Recipe, reference_bytes
from synfer_core.samples import Sample

DEPTH = 0.9
"""Share of the way to noise that a reference goes where the recipe does not say."""
PORTRAIT = 224
"""Pixels on a side of a face made ready as `Recipe.identity_image`: CLIP's encoders see so many."""
REFINE = 2
"""Further looks at v in each step of inversion: the second keeps single faces from slipping."""


@dataclass(frozen=True)
class Edit:
    """An edit, ready to be made.

    Attributes:
        recipe: What to make.
        source_aus: AUs of the source that changes were added to; None for an absolute edit.
        notes: Things the user should know, in plain words.
    """

    recipe: Recipe
    source_aus: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What the report says of the source, as JSON."""
        aus = self.source_aus
        return {"source": None if aus is None else format_facs(aus), "notes": list(self.notes)}


def reference_of(image: Pixels) -> str:
    """An aligned face (S, S, 3) as `Recipe.reference` takes it.

    Raises:
        RequestError: As PNG it is larger than 1 MiB.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    reference = PNG_DATA + base64.b64encode(buffer.getvalue()).decode()
    reference_bytes(reference)
    return reference


def portrait_of(image: Pixels) -> tuple[str, tuple[str, ...]]:
    """The largest face of a photo (H, W, 3) as `Recipe.identity_image`, and what to know about it.

    Raises:
        ImageError: No face is found.
    """
    face, notes = crop(image, PORTRAIT)
    return reference_of(face), notes


def sample_of(reference: str, field: str = "reference") -> Sample | None:
    """The sample that a reference in a recipe's field names, if it names one.

    Raises:
        RequestError: There is no such sample.
    """
    if not reference.startswith(SAMPLE):
        return None
    return samples.find(reference.removeprefix(SAMPLE), field)


def pixels_of(reference: str, size: int) -> Pixels:
    """The face (size, size, 3) that a recipe's reference stands for.

    Raises:
        RequestError: There is no such sample.
        ImageError: The picture is damaged.
        UnsupportedError: It has another size than the model's.
    """
    image = picture_of(reference)
    if image.shape[:2] != (size, size):
        height, width = image.shape[:2]
        raise UnsupportedError(
            f"is {width} x {height} pixels", field="reference", allowed=f"{size} x {size}"
        )
    return image


def picture_of(reference: str, field: str = "reference") -> Pixels:
    """The picture (H, W, 3) that a reference in a recipe's field stands for.

    Raises:
        RequestError: There is no such sample.
        ImageError: The picture is damaged.
    """
    data, sample = reference_bytes(reference, field), sample_of(reference, field)
    if sample is not None:
        return read_image(samples.FOLDER / sample.file)
    assert data is not None
    return decode_image(data, field)


def square_of(reference: str, field: str = "reference") -> Pixels:
    """The picture (S, S, 3), of any size, that a reference in a recipe's field stands for.

    Raises:
        RequestError: There is no such sample.
        ImageError: The picture is damaged.
        UnsupportedError: It is not square.
    """
    picture = picture_of(reference, field)
    height, width = picture.shape[:2]
    if height != width:
        raise UnsupportedError(
            f"is {width} x {height} pixels", field=field, allowed="a square picture"
        )
    return picture


def with_person(recipe: Recipe) -> Recipe:
    """The recipe with the person that its sample shows, where it names nobody itself.

    Raises:
        RequestError: There is no such sample.
    """
    named = any(getattr(recipe, name) is not None for name in IDENTITIES)
    sample = sample_of(recipe.reference) if recipe.reference is not None else None
    if named or sample is None:
        return recipe
    return recipe.model_copy(update={"identity_code": sample.identity_code})


def known_aus(recipe: Recipe) -> Mapping[str, float] | None:
    """AUs (0-5) that a recipe's reference is known to show; None where nothing is known.

    Raises:
        RequestError: There is no such sample.
    """
    if recipe.reference_aus is not None or recipe.reference is None:
        return recipe.reference_aus
    sample = sample_of(recipe.reference)
    return None if sample is None else sample.aus


def without_words(recipe: Recipe) -> Recipe:
    """The recipe's person alone, as a seed or a code: the condition of inversion."""
    silent = {"text": "", "enriched_text": None, "negative_text": "", "expression": None}
    silent |= {"identity_image": None, "identity_scale": None}
    return recipe.model_copy(update={**silent, "aus": {}, "facs": None})


def relative(source: Mapping[str, float], changes: Mapping[str, float]) -> dict[str, float]:
    """The absolute AUs of a relative edit: changes added to a source's AUs, kept within 0 to 5.

    Args:
        source: AUs of the source, 0-5; faint readings of units that do not change count as absent.
        changes: AU key to change, -5 to 5; at least one.

    Raises:
        RequestError: A key or change is not allowed, or a unit comes twice.
    """
    if not changes:
        raise RequestError("changes nothing", field="aus", allowed="at least one AU")
    slots = from_slots(to_slots(source))
    result = {slot: value for slot, value in slots.items() if value >= LEAST_READING}
    moved: set[str] = set()
    for key, change in changes.items():
        if isinstance(change, bool):
            raise RequestError("must be a number", field=f"aus.{key}", allowed="-5 to 5")
        if not -MAX_INTENSITY <= change <= MAX_INTENSITY:
            raise RequestError(f"{change:g} is out of range", field=f"aus.{key}", allowed="-5 to 5")
        for slot in slots_of(canonical_key(key)):
            if slot in moved:
                raise RequestError("comes twice", field=f"aus.{key}", allowed="each unit once")
            moved.add(slot)
            value = slots.get(slot, 0.0) + change
            result[slot] = round(min(MAX_INTENSITY, max(0.0, value)), 4)
    return result


def steps_of(recipe: Recipe) -> int:
    """Steps that a recipe's reference goes back, and comes again: at least 1."""
    depth = DEPTH if recipe.inversion_depth is None else recipe.inversion_depth
    return max(1, round(depth * recipe.steps))


def carry_back(
    denoise: Denoise,
    clean: Tensor,
    recipe: Recipe,
    *,
    refine: int = REFINE,
    schedule: NoiseSchedule = SCHEDULE,
) -> Iterator[InversionStep]:
    """The steps of inversion of clean latents (1, C, s, s), as deep as the recipe says."""
    steps = steps_of(recipe)
    for step in invert(denoise, clean, recipe.steps, refine=refine, schedule=schedule):
        yield step
        if step.index == steps:
            return


def round_trip(
    denoise: Denoise, start: Tensor, recipe: Recipe, *, schedule: NoiseSchedule = SCHEDULE
) -> Tensor:
    """Latents (1, C, s, s) that come back from where `carry_back` ended, at guidance 1."""
    steps = steps_of(recipe)
    *_, last = denoising.sample(denoise, start, "ddim", recipe.steps, last=steps, schedule=schedule)
    return last.latents
