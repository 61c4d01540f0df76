"""The specification of a morph continuum: YAML or JSON in, unknown keys refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from synfer_core.errors import RequestError
from synfer_core.facs import AU_SLOTS, MAX_KEYS, canonical_key, parse_facs, slots_of, validate_aus
from synfer_core.morphs.curves import Course, Curve, Timing
from synfer_core.request import Recipe
from synfer_core.stimuli.spec import Specification, check_opaque, check_unique
from synfer_core.values import Flag

MAX_FRAMES = 600
MAX_FPS = 50.0
"""Browsers slow down a GIF whose frames last less than 20 ms."""

SET_BY_FRAME = ("aus", "facs", "expression", "enriched_text")
"""Recipe fields that say what a face shows: each frame has its own, or words that cannot grow."""


def _few(curves: object) -> object:
    if isinstance(curves, Mapping) and len(curves) > MAX_KEYS:
        allowed = f"at most {MAX_KEYS}"
        raise RequestError(f"{len(curves):,} curves", field="curves", allowed=allowed)
    return curves


class Continuum(Specification):
    """One face on its way from a start, by default neutral, to an apex, or there and back.

    Attributes:
        apex: AUs (0-5) at the apex; read from a FACS string too.
        start: The same at the first frame; AUs that it leaves out are absent.
        recipe: Recipe fields that all frames share: words, person, seed; not `SET_BY_FRAME`.
        frames: How many, first and last included.
        fps: Frames a second.
        course: ``rise`` ends at the apex; ``whole`` comes back to the start.
        times: What the times of curves are: shares of the continuum (0 to 1), or milliseconds.
        curve: When all AUs move.
        curves: By AU key, what is different for it.
        even: Shift the moments of the frames so that neighbours differ evenly; with ``rise`` only.
        drift_threshold: Identity similarity below which a frame is flagged, -1 to 1; None takes the
            threshold that was measured with the identity reader.
    """

    version: Literal[1] = 1
    apex: Mapping[str, float]
    start: Mapping[str, float] = Field(default_factory=dict)
    recipe: Mapping[str, Any] = Field(default_factory=dict)
    frames: int = Field(21, ge=2, le=MAX_FRAMES, strict=True)
    fps: float = Field(20.0, ge=1.0, le=MAX_FPS)
    course: Course = "rise"
    times: Literal["share", "ms"] = "share"
    curve: Curve = Curve()
    curves: Annotated[Mapping[str, Curve], BeforeValidator(_few)] = Field(default_factory=dict)
    even: Flag = False
    drift_threshold: float | None = Field(None, ge=-1.0, le=1.0)

    @field_validator("apex", "start", mode="before")
    @classmethod
    def _units(cls, value: object, info: ValidationInfo) -> object:
        field = str(info.field_name)
        if not isinstance(value, str | Mapping):
            allowed = "a FACS string, or AU keys and intensities"
            raise RequestError("is neither text nor a mapping", field=field, allowed=allowed)
        with _within(field):
            return parse_facs(value) if isinstance(value, str) else validate_aus(value)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(abs(low - high) for low, high in self.ways.values()):
            raise RequestError("moves nothing", field="apex", allowed="such as 6C+12D")
        if self.even and self.course != "rise":
            raise RequestError(
                "a whole course has moments at rest", field="even", allowed="with course: rise"
            )
        self._check_shared()
        check_unique([canonical_key(key) for key in self.curves], "curves")
        moving = {slot for key in self.ways for slot in slots_of(key)}
        for key in self.curves:
            if not moving & set(slots_of(canonical_key(key))):
                allowed = ", ".join(self.ways)
                raise RequestError("does not move", field=f"curves.{key}", allowed=allowed)
        for key in self.ways:
            self.timing(key)
        return self

    def _check_shared(self) -> None:
        for name in self.recipe:
            if name in SET_BY_FRAME:
                raise RequestError(
                    "belongs to a frame; words for the expression could not grow with it",
                    field=f"recipe.{name}",
                    allowed=", ".join(sorted(set(Recipe.model_fields) - set(SET_BY_FRAME))),
                )
        with _within("recipe"):
            check_opaque(Recipe.parse({**self.recipe, "facs": ""}))

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (self.frames - 1) / self.fps

    @property
    def ways(self) -> dict[str, tuple[float, float]]:
        """AU keys in use, with their intensities (0-5) at start and apex.

        Sides are set apart where start and apex differ in that.
        """
        start, apex = dict(self.start), dict(self.apex)
        try:
            keys = list(validate_aus({**start, **apex}))
        except RequestError:
            start, apex = (
                {slot: value for key, value in units.items() for slot in slots_of(key)}
                for units in (start, apex)
            )
            keys = [slot for slot in AU_SLOTS if slot in {**start, **apex}]
        return {key: (start.get(key, 0.0), apex.get(key, 0.0)) for key in keys}

    def timing(self, key: str) -> Timing:
        """The curve of an AU key in use; one side's own comes before that of both sides.

        Raises:
            RequestError: Its times are not in order.
        """
        unit = 1.0 if self.times == "share" else 1000 * self.seconds
        timing = Timing.usual(self.course).changed(self.curve, unit, "curve")
        for name, curve in self.curves.items():
            if canonical_key(name) == key or key in slots_of(canonical_key(name)):
                timing = timing.changed(curve, unit, f"curves.{name}")
        return timing

    def units(self, moment: float) -> dict[str, float]:
        """AUs (0-5) at a moment from 0 to 1; those that are absent are left out."""
        levels = {key: self.timing(key).level(moment) for key in self.ways}
        values = {
            key: round(low + (high - low) * levels[key], 4)
            for key, (low, high) in self.ways.items()
        }
        return {key: value for key, value in values.items() if value}

    def frame(self, moment: float) -> Recipe:
        """The recipe of the face at a moment from 0 to 1."""
        return self._shows(self.units(moment))

    @property
    def neutral(self) -> Recipe:
        """The same person without any AU."""
        return self._shows({})

    def _shows(self, units: Mapping[str, float]) -> Recipe:
        # Without any AU a recipe leaves the face to the words; an empty FACS string says neutral.
        shown: dict[str, Any] = {"aus": units} if units else {"facs": ""}
        return Recipe.parse({**self.recipe, **shown})


@contextmanager
def _within(field: str) -> Iterator[None]:
    """Errors of a recipe name its fields: here these are parts of a field of the specification."""
    try:
        yield
    except RequestError as error:
        inner = (error.field or "").removeprefix("aus.")
        where = field if inner in ("", "facs") else f"{field}.{inner}"
        raise type(error)(error.message, field=where, allowed=error.allowed) from error
