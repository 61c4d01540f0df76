"""When an action unit moves: its onset, apex and offset, and how it gets from one to the other.

The phases are those of FACS (Ekman, Friesen and Hager 2002): onset, while the unit grows; apex,
while it stays; offset, while it fades.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from synfer_core.errors import RequestError
from synfer_core.values import Numeric

Easing = Literal["linear", "smooth"]
Course = Literal["rise", "whole"]
Time = Annotated[float, Field(ge=0.0, le=600_000.0)]
TIMES = ("onset", "apex", "offset", "end")
_SLACK = 1e-6
"""Times in milliseconds become shares by a division, whose rounding is no error of a user's."""


class Curve(Numeric):
    """What a specification says of a curve; what it leaves out is as in the curve for all units.

    Attributes:
        onset: When the unit starts to move.
        apex: When it has reached its apex.
        offset: When it starts to fade; of a whole course only.
        end: When it is back at the start; of a whole course only.
        easing: ``linear``, or ``smooth``: half a wave of the cosine, slow at both ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    onset: Time | None = None
    apex: Time | None = None
    offset: Time | None = None
    end: Time | None = None
    easing: Easing | None = None


@dataclass(frozen=True)
class Timing:
    """A complete curve.

    Attributes:
        onset, apex, offset, end: As in `Curve`, as shares of the continuum, 0 to 1; the last two
            are above 1 where the unit never fades.
        easing: As in `Curve`.
    """

    onset: float
    apex: float
    offset: float
    end: float
    easing: Easing

    @classmethod
    def usual(cls, course: Course) -> Self:
        """From the first frame to the last; a whole course stays at its apex for a fifth of it."""
        if course == "rise":
            return cls(0.0, 1.0, math.inf, math.inf, "linear")
        return cls(0.0, 0.4, 0.6, 1.0, "linear")

    def changed(self, curve: Curve, unit: float, field: str) -> Timing:
        """This curve with what another says on top.

        Args:
            curve: What is to be different.
            unit: What the times of `curve` are divided by to become shares.
            field: Where `curve` stands in the specification.

        Raises:
            RequestError: The times are not in order, or leave the continuum.
        """
        given = curve.model_dump(exclude_none=True)
        if math.isinf(self.end) and {"offset", "end"} & given.keys():
            name = f"{field}.{'offset' if 'offset' in given else 'end'}"
            raise RequestError("the unit never fades", field=name, allowed="with course: whole")
        times = {name: given.get(name, getattr(self, name) * unit) / unit for name in TIMES}
        made = Timing(**times, easing=given.get("easing", self.easing))
        made.check(unit, field)
        return made

    def check(self, unit: float, field: str) -> None:
        """Refuse times that are not in order.

        Raises:
            RequestError: Names the first of them.
        """
        last = self.apex if math.isinf(self.end) else self.end
        rules = {
            "apex": (self.onset < self.apex, "after onset"),
            "offset": (self.apex <= self.offset, "at apex or after it"),
            "end": (self.offset < self.end or math.isinf(self.end), "after offset"),
        }
        for name, (right, allowed) in rules.items():
            if not right:
                value = getattr(self, name) * unit
                raise RequestError(f"is at {value:g}", field=f"{field}.{name}", allowed=allowed)
        if last > 1 + _SLACK:
            name = "apex" if math.isinf(self.end) else "end"
            raise RequestError(
                f"is at {last * unit:g}, after the last frame",
                field=f"{field}.{name}",
                allowed=f"0 to {unit:g}",
            )

    def level(self, moment: float) -> float:
        """How far the unit is on its way from start to apex, 0 to 1, at a moment from 0 to 1."""
        if moment < self.offset:
            way = (moment - self.onset) / (self.apex - self.onset)
        else:
            way = (self.end - moment) / (self.end - self.offset)
        way = min(1.0, max(0.0, way))
        return way if self.easing == "linear" else 0.5 - 0.5 * math.cos(math.pi * way)
