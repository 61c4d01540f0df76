"""What comes out: progress, label, AU readings, attention maps, and the result that holds them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synfer_core.errors import ImageError, RequestError
from synfer_core.faces.images import decoding
from synfer_core.facs import EXPRESSIONS, Expression, format_facs
from synfer_core.files import write_whole
from synfer_core.provenance.export import RECIPE_KEY, Export, pixels_sha256
from synfer_core.provenance.marking import Marking
from synfer_core.request import Recipe

Pixels = NDArray[np.uint8]
_MARKED = Marking()


@dataclass(frozen=True)
class Progress:
    """One step of a run.

    Attributes:
        step: Steps done.
        total: Steps in all.
        stage: What runs, in words.
        preview: (H, W, 3) uint8 picture of what the face will be, at some steps.
    """

    step: int
    total: int
    stage: str
    preview: Pixels | None = None


@dataclass(frozen=True)
class Label:
    """A calibrated distribution over the eight expressions.

    Attributes:
        probabilities: Eight numbers that sum to 1, in `facs.EXPRESSIONS` order.
        reader: Which network said so.
    """

    probabilities: tuple[float, ...]
    reader: str

    @property
    def expression(self) -> Expression:
        """The likeliest expression."""
        return EXPRESSIONS[int(np.argmax(self.probabilities))]

    @property
    def confidence(self) -> float:
        """Its probability."""
        return max(self.probabilities)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "expression": self.expression,
            "confidence": round(self.confidence, 4),
            "probabilities": {
                name: round(p, 4) for name, p in zip(EXPRESSIONS, self.probabilities, strict=True)
            },
            "reader": self.reader,
        }


@dataclass(frozen=True)
class Evidence:
    """What one expert says in a vote.

    Attributes:
        expert: Its name.
        probabilities: Eight numbers that sum to 1, in `facs.EXPRESSIONS` order, as they counted.
        weight: Its share of the vote, 0 to 1; the shares of all experts sum to 1.
    """

    expert: str
    probabilities: tuple[float, ...]
    weight: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "expert": self.expert,
            "weight": round(self.weight, 4),
            "probabilities": {
                name: round(p, 4) for name, p in zip(EXPRESSIONS, self.probabilities, strict=True)
            },
        }


Status = Literal["confirmed", "relabelled", "rejected"]


@dataclass(frozen=True)
class Verdict:
    """What FERAnno and the experts together say of a label.

    Attributes:
        status: ``confirmed``, ``relabelled`` or, where neither the label nor another is sure
            enough, ``rejected``.
        label: The label after the verdict; one that is rejected stays as it was given.
        was: The label that was given, where it was replaced.
        confidence: Probability of `label` by the vote, 0 to 1.
        evidence: What each expert says.
    """

    status: Status
    label: Expression
    was: Expression | None
    confidence: float
    evidence: tuple[Evidence, ...]

    def __str__(self) -> str:
        what = {
            "confirmed": f"{self.label} is confirmed",
            "relabelled": f"{self.was} is relabelled {self.label}",
            "rejected": f"{self.label} is rejected as uncertain",
        }
        return f"{what[self.status]}: {self.confidence:.0%} by {len(self.evidence)} votes"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "status": self.status,
            "label": self.label,
            "was": self.was,
            "confidence": round(self.confidence, 4),
            "evidence": [e.to_dict() for e in self.evidence],
        }


@dataclass(frozen=True)
class AUReading:
    """Intensities that a reader measured on an image.

    Attributes:
        aus: AU key to intensity 0-5.
        reader: The reader and its version.
        weak: Keys that this reader is known to measure poorly.
    """

    aus: Mapping[str, float]
    reader: str
    weak: frozenset[str] = frozenset()

    def both(self, number: int) -> float | None:
        """Intensity of a unit for both sides, their mean where they were read apart; None where
        this reader cannot tell it.
        """
        keys = (f"AU{number}", f"AUL{number}", f"AUR{number}")
        values = [self.aus[key] for key in keys if key in self.aus]
        return sum(values) / len(values) if values else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "reader": self.reader,
            "aus": {k: round(v, 2) for k, v in self.aus.items()},
            "facs": format_facs(self.aus),
            "weak": sorted(self.weak),
        }


@dataclass(frozen=True)
class AttentionMaps:
    """Where each AU and each word acted.

    Attributes:
        mass: ``AU12``, ``AUL4`` or ``word:2:smiling`` (position and word) to (h, w) float32, not
            negative, as recorded; what counts is how it spreads over places.
    """

    mass: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def maps(self) -> Mapping[str, NDArray[np.float32]]:
        """The same, each map stretched to 0-1 to be looked at."""
        return {name: _stretch(values) for name, values in self.mass.items()}


def _stretch(values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = values.min(), values.max()
    stretched: NDArray[np.float32] = (values - low) / max(float(high - low), 1e-8)
    return stretched


@dataclass(frozen=True)
class GuidancePoint:
    """What the guiding classifier read before one step of semantic guidance.

    Attributes:
        step: The denoising step, from 1.
        timestep: Its timestep, 0-999.
        loss: -log of the probability.
        probability: Of the expression asked for, in the image predicted so far.
    """

    step: int
    timestep: int
    loss: float
    probability: float

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return {
            "step": self.step,
            "timestep": self.timestep,
            "loss": round(self.loss, 4),
            "probability": round(self.probability, 4),
        }


@dataclass(frozen=True)
class Annotation:
    """What the readers say of an image.

    Attributes:
        image: The image as they saw it, aligned and resized.
        label: FERAnno's label.
        readings: AU readings, one a reader.
        attention: Where FERAnno's queries looked.
        notes: Things the user should know, in plain words.
        identity_code: The person as a recipe takes it, where the model has an identity reader.
        verdict: What the experts say of the label that was given, where one was.
    """

    image: Pixels
    label: Label | None
    readings: tuple[AUReading, ...]
    attention: AttentionMaps
    notes: tuple[str, ...] = ()
    identity_code: tuple[float, ...] | None = None
    verdict: Verdict | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without pictures."""
        return {
            "label": self.label.to_dict() if self.label else None,
            "verdict": self.verdict.to_dict() if self.verdict else None,
            "readings": [r.to_dict() for r in self.readings],
            "notes": list(self.notes),
            "identity_code": self.identity_code,
        }


@dataclass(frozen=True)
class Result:
    """A generated image and what was measured on it.

    Attributes:
        recipe: The recipe, with the weights' hash filled in.
        image: (H, W, 3) uint8, as it was made: marks go onto what is exported. Where there is
            alpha, as it looks on white.
        label: FERAnno's calibrated label, where the model has FERAnno.
        readings: AU readings, one a reader.
        attention: Maps of the denoising that made the image.
        seconds: Seconds by stage.
        notes: Things the user should know, in plain words.
        guidance_curve: What semantic guidance read on the way; empty without it.
        verdict: What the experts say of the expression that the recipe names.
        reconstruction_psnr: How well inversion brought the recipe's reference back, unedited, in
            dB; None without a reference.
        alpha: (H, W) uint8, how much of each pixel the person covers; None where the picture has
            its background.
    """

    recipe: Recipe
    image: Pixels
    label: Label | None
    readings: tuple[AUReading, ...]
    attention: AttentionMaps
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    guidance_curve: tuple[GuidancePoint, ...] = ()
    verdict: Verdict | None = None
    reconstruction_psnr: float | None = None
    alpha: Pixels | None = None

    @property
    def image_sha256(self) -> str:
        """SHA-256 of the image's RGB bytes before any mark: equal recipes, equal hash."""
        return pixels_sha256(self.image)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON, without pictures."""
        psnr = self.reconstruction_psnr
        return {
            "recipe": json.loads(self.recipe.to_json()),
            "image_sha256": self.image_sha256,
            "label": self.label.to_dict() if self.label else None,
            "verdict": self.verdict.to_dict() if self.verdict else None,
            "asked": format_facs(self.recipe.action_units),
            "readings": [r.to_dict() for r in self.readings],
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
            "notes": list(self.notes),
            "guidance_curve": [point.to_dict() for point in self.guidance_curve],
            "reconstruction_psnr": None if psnr is None else round(psnr, 2),
        }

    def export(self, marking: Marking = _MARKED) -> Export:
        """The image as it leaves the program: marked, and with its origin."""
        return Export.of(self.image, self.recipe, marking, self.alpha)

    def to_png(self, marking: Marking = _MARKED) -> bytes:
        """The marked image as PNG with recipe and origin in its metadata."""
        return self.export(marking).to_png()

    def save_png(self, path: Path, marking: Marking = _MARKED) -> None:
        """Write `to_png` beside its place and rename it into place."""
        write_whole(path, self.to_png(marking))


def read_recipe(png: bytes, field: str = "image") -> Recipe:
    """The recipe in a PNG's metadata.

    Args:
        png: The file's bytes.
        field: What errors call it.

    Raises:
        ImageError: The bytes are no readable PNG.
        RequestError: There is no recipe in it, or none that this version reads.
    """
    text = _text(png, RECIPE_KEY, field)
    if text is None:
        raise RequestError(
            "this picture carries no recipe: it was not made here, or a program that saved it anew "
            "left its metadata out",
            field=field,
        )
    return _recipe(text, field)


def carried_recipe(data: bytes, field: str = "image") -> tuple[Recipe | None, tuple[str, ...]]:
    """The recipe in the bytes of any file, where it carries one that this version reads.

    Returns:
        The recipe, and a note where there is one that cannot be read.
    """
    text = carried_text(data)
    if text is None:
        return None, ()
    try:
        return _recipe(text, field), ()
    except RequestError as error:
        return None, (f"{error.message} Its pixels alone were taken.",)


def _recipe(text: str, field: str) -> Recipe:
    """The recipe of a picture's metadata.

    Raises:
        RequestError: It is damaged or of another version; says what helps.
    """
    try:
        return Recipe.parse_json(text)
    except RequestError as error:
        newer = error.field == "version"
        why = "is of another version of this program" if newer else f"cannot be read ({error})"
        remedy = "a program of that version" if newer else "the file as it was first saved"
        raise RequestError(
            f"The recipe in this picture {why}; {remedy} still has it.",
            field=field,
            allowed="a picture made here, as it was saved, or a recipe as JSON",
        ) from error


def carried_text(data: bytes, key: str = RECIPE_KEY) -> str | None:
    """What the bytes of any file carry under a PNG text chunk's name, by default the recipe.

    None where there is no such text, or no PNG.
    """
    try:
        return _text(data, key)
    except ImageError:
        return None


def _text(png: bytes, key: str, field: str = "image") -> str | None:
    with decoding(field, "a PNG file"), Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        image.load()
        text = getattr(image, "text", {}).get(key)
    return None if text is None else str(text)
