"""An axis of a grid: what it changes, to which values, and how rows and columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES, canonical_key
from synfer_core.request import Recipe
from synfer_core.stimuli.spec import check_unique
from synfer_core.values import Numeric

Kind = Literal[
    "intensity",
    "units",
    "expression",
    "identity_seed",
    "seed",
    "guidance.au",
    "guidance.text",
    "guidance.semantic",
    "au_scale",
    "steps",
    "scene.yaw",
    "scene.pitch",
    "scene.roll",
    "scene.gaze_yaw",
    "scene.gaze_pitch",
    "scene.light",
    "scene.light_side",
    "scene.background",
    "scene.framing",
    "scene.glasses",
    "scene.hair",
    "scene.beard",
]
KINDS: Mapping[Kind, str] = MappingProxyType(
    dict(
        zip(
            get_args(Kind),
            (
                *("intensity", "action unit", "expression", "person", "seed"),
                *("AU guidance", "prompt guidance", "semantic guidance", "AU scale", "steps"),
                *("head turned", "head raised", "head tilted", "gaze to the side"),
                *("gaze upwards", "light", "light from", "background", "framing"),
                *("glasses", "hair", "beard"),
            ),
            strict=True,
        )
    )
)
"""What an axis can change, and what it is called on a sheet."""

MAX_VALUES = 50
"""Values of one axis."""

USUAL_INTENSITY = 4.0
"""Of single action units where neither their axis nor the other one says it: D, severe."""

Value = StrictBool | StrictInt | StrictFloat | Annotated[str, Field(max_length=40)]


class Axis(Numeric):
    """What rows or columns change.

    Attributes:
        kind: ``intensity`` (0-5, of `unit` or of the units on the other axis), ``units`` (one
            action unit at a time), ``expression`` (units and label, as the studio's presets set
            them), or the recipe's field of that name.
        values: In order: AU keys, expressions or numbers.
        unit: Whose intensity it is, as an AU key; None takes the units on the other axis.
        intensity: Of the units on this axis, 0-5; None takes the other axis, else 4.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Kind
    values: tuple[Value, ...] = Field(min_length=1, max_length=MAX_VALUES)
    unit: str | None = None
    intensity: float | None = Field(None, ge=0.0, le=5.0)

    @property
    def title(self) -> str:
        """What stands beside the axis, such as ``AU12 lip corner puller``."""
        if self.unit is not None:
            return unit_name(self.unit)
        if self.kind == "units" and self.intensity is not None:
            return f"{KINDS[self.kind]} at {self.intensity:g}"
        return KINDS[self.kind]

    @property
    def names(self) -> tuple[str, ...]:
        """What stands at each row or column."""
        return tuple(self._name(value) for value in self.values)

    def _name(self, value: Value) -> str:
        if self.kind == "units":
            return unit_name(str(value))
        if isinstance(value, bool):
            return "yes" if value else "no"
        return value if isinstance(value, str) else f"{value:.10g}"

    @property
    def sets_units(self) -> bool:
        """Whether it says what the face does."""
        return self.kind in ("intensity", "units", "expression")

    def fields(self, value: Value) -> dict[str, Any]:
        """Recipe fields for a value; for single units and intensities there are none."""
        if self.kind in ("intensity", "units"):
            return {}
        if self.kind == "expression":
            aus = dict(PROTOTYPES.get(str(value), {}))
            # Without any AU a recipe leaves the face to the words; an empty string says neutral.
            return {"expression": value, **({"aus": aus} if aus else {"facs": ""})}
        group, _, part = self.kind.partition(".")
        return {group: {part: value}} if part else {group: value}


def unit_name(key: str) -> str:
    """An AU key with its name, such as ``AUL12 lip corner puller, left``."""
    side = {"L": ", left", "R": ", right"}.get(key[2], "")
    return f"{key} {ACTION_UNITS[int(key.lstrip('AULR'))].name}{side}"


def check_axis(axis: Axis, place: str) -> Axis:
    """The axis with AU keys in one spelling.

    Args:
        axis: As it was given.
        place: ``rows`` or ``columns``, for errors.

    Raises:
        RequestError: A value is not allowed, or comes twice.
    """
    for name, kind in (("unit", "intensity"), ("intensity", "units")):
        if getattr(axis, name) is not None and axis.kind != kind:
            raise RequestError("is not used", field=f"{place}.{name}", allowed=f"with kind {kind}")
    if axis.unit is not None:
        axis = axis.model_copy(update={"unit": _key(axis.unit, f"{place}.unit")})
    field = f"{place}.values"
    if axis.kind == "units":
        values = tuple(_key(str(value), field) for value in axis.values)
        axis = axis.model_copy(update={"values": values})
    for value in axis.values:
        _check_value(axis, value, field)
    check_unique(axis.values, field)
    return axis


def _key(key: str, field: str) -> str:
    try:
        return canonical_key(key)
    except RequestError as error:
        message = f"{key[:20]}: {error.message}"
        raise type(error)(message, field=field, allowed=error.allowed) from error


def _check_value(axis: Axis, value: Value, field: str) -> None:
    """Try one value in a recipe that would take any other value of its kind."""
    if axis.kind == "expression" and value not in EXPRESSIONS:
        raise RequestError(
            f"{value!r} is no expression", field=field, allowed=", ".join(EXPRESSIONS)
        )
    if isinstance(value, bool) and axis.kind not in ("scene.hair", "scene.beard"):
        raise RequestError("yes and no say nothing here", field=field, allowed="numbers or names")
    fields = {"aus": {"AU12": value}} if axis.kind == "intensity" else axis.fields(value)
    try:
        Recipe.parse({"expression": "happiness", **fields})
    except UnsupportedError:
        raise
    except RequestError as error:
        raise RequestError(
            f"{value!r}: {error.message}", field=field, allowed=error.allowed
        ) from error
