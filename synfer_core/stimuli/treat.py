"""The treatment of one image, in order: aligned, resized, greyscale, cut out, matched, composed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, model_validator

from synfer_core.errors import DataError
from synfer_core.report import Pixels
from synfer_core.stimuli import align, histogram, luminance, masks, matte
from synfer_core.stimuli.align import Matrix, Move, Points
from synfer_core.stimuli.luminance import Luminance, Region, luma
from synfer_core.stimuli.masks import Alpha
from synfer_core.stimuli.spec import Crop, Level, Target, Treatment, refusal
from synfer_core.values import Numeric


class Applied(Numeric):
    """All that is done to one image after it was made, in numbers: enough to do it again.

    Attributes:
        move: (2, 3) takes pixels of the image to pixels of the aligned one; None moves nothing.
        size: Pixels on a side of what is written.
        crop: As in `Treatment`.
        outline: Corners of the person's outline in the aligned image, as shares of the frame;
            None where nothing is cut out by it.
        fill: Red, green and blue behind the person; None leaves the background.
        greyscale: Whether colour is taken out.
        target: Mean and standard deviation of luminance to match to.
        histogram: Pixels of each of the 256 grey levels inside the face's oval to match to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    version: Literal[1] = 1
    move: Matrix | None = None
    size: int = Field(ge=16, le=1024, strict=True)
    crop: Crop = "none"
    outline: tuple[tuple[float, float], ...] | None = Field(None, min_length=3, max_length=5000)
    fill: tuple[Level, Level, Level] | None = None
    greyscale: bool = Field(False, strict=True)
    target: Target | None = None
    histogram: tuple[int, ...] | None = Field(None, min_length=256, max_length=256)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.histogram is not None and sum(self.histogram) != _oval(self.size).sum():
            raise DataError("does not add up to the pixels of the oval", field="histogram")
        if self.outline is None and self.fill is not None and self.crop != "oval":
            raise DataError("is missing", field="outline")
        return self

    @property
    def scale(self) -> float:
        """By which the move enlarges; 1 where nothing is moved."""
        return 1.0 if self.move is None else math.hypot(self.move[0][0], self.move[0][1])

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """From `to_json`.

        Raises:
            DataError: It is not valid; names the field.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = refusal(error, cls)
            raise DataError(first.message, field=first.field) from error

    def to_json(self) -> str:
        """As one line of JSON; `parse_json` gives an equal one back."""
        return self.model_dump_json(exclude_none=True)


@dataclass(frozen=True)
class Frame:
    """How the images of one person are framed: found once, on the neutral one.

    Attributes:
        applied: What is done to them, but for the matching to the set.
        move: How they are aligned; None where nothing is moved.
    """

    applied: Applied
    move: Move | None

    @classmethod
    def of(
        cls,
        neutral: Pixels,
        treatment: Treatment,
        eyes: Points | None,
        places: align.Places = align.FACE,
    ) -> Self:
        """The frame of a person.

        Args:
            neutral: The neutral image (S, S, 3).
            treatment: What is asked for.
            eyes: Where they are on it, see `align.find_move`; None moves nothing.
            places: Where they are brought.

        Raises:
            ImageError: The eyes are not apart, or there is no outline to cut out.
        """
        move = None if eyes is None else align.find_move(eyes, len(neutral), places)
        matrix = move.matrix if move else None
        cut_out = treatment.fill is not None and treatment.crop != "oval"
        shown = align.aligned(neutral, matrix, len(neutral))
        applied = Applied(
            move=matrix,
            size=treatment.size or len(neutral),
            crop=treatment.crop,
            outline=matte.outline(shown) if cut_out else None,
            fill=treatment.fill,
            greyscale=treatment.greyscale,
        )
        return cls(applied, move)


@dataclass(frozen=True)
class Prepared:
    """An image ready to be matched.

    Attributes:
        image: (S, S, 3) uint8, still with its background.
        region: (S, S) the pixels that statistics are taken of: the face's oval.
    """

    image: Pixels
    region: Region

    @property
    def luminance(self) -> Luminance:
        """Inside the region."""
        return Luminance.of(self.image, self.region)


@dataclass(frozen=True)
class Treated:
    """An image as it is written.

    Attributes:
        image: (S, S, 3) uint8.
        before, after: Luminance inside the face's oval, before and after matching.
    """

    image: Pixels
    before: Luminance
    after: Luminance


def prepare(image: Pixels, applied: Applied) -> Prepared:
    """All that comes before matching, of an image (S, S, 3) as it was made."""
    shown = align.aligned(image, applied.move, applied.size)
    if applied.greyscale:
        shown = np.repeat(luma(shown)[..., None], 3, axis=2)
    return Prepared(shown, _oval(applied.size))


def treat(image: Pixels, applied: Applied) -> Treated:
    """All that is done to an image (S, S, 3).

    Raises:
        ImageError: Its luminance cannot be matched.
    """
    prepared = prepare(image, applied)
    matched = _matched(prepared, applied)
    after = Luminance.of(matched, prepared.region)
    return Treated(_composed(matched, applied), prepared.luminance, after)


def _oval(size: int) -> Region:
    return masks.whole(masks.oval(size))


def _matched(prepared: Prepared, applied: Applied) -> Pixels:
    if applied.histogram is not None:
        return histogram.match(prepared.image, prepared.region, applied.histogram)
    if applied.target is not None:
        return luminance.match(prepared.image, prepared.region, applied.target)
    return prepared.image


def _alpha(applied: Applied) -> Alpha:
    """How much of the face is seen at each pixel."""
    if applied.crop == "oval":
        return masks.oval(applied.size)
    assert applied.outline is not None
    alpha = masks.inside_of(applied.outline, applied.size)
    return alpha * masks.head(applied.size) if applied.crop == "hair" else alpha


def _composed(image: Pixels, applied: Applied) -> Pixels:
    """The image (S, S, 3) before its plain background; greyscale stays grey."""
    if applied.fill is None:
        return image
    fill = np.array(applied.fill, np.uint8)[None, None]
    if applied.greyscale:
        fill = np.repeat(luma(fill)[..., None], 3, axis=2)
    alpha = _alpha(applied)[..., None]
    return np.rint(alpha * image + (1 - alpha) * fill).astype(np.uint8)
