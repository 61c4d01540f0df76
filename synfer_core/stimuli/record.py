"""What is known of a finished set: its rows, and the figures that its documents give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from synfer_core.models.backbone import Capabilities
from synfer_core.stimuli.making import Failure, Goal
from synfer_core.stimuli.plan import Plan, Stimulus
from synfer_core.stimuli.table import Row


@dataclass(frozen=True)
class Change:
    """How light one person's face was, and is.

    Attributes:
        subject: Number of the person.
        seed: The identity seed.
        before, after: Mean luminance inside the face's oval over the person's images, before and
            after matching, grey levels 0-255.
    """

    subject: int
    seed: int
    before: float
    after: float

    def __lt__(self, other: Change) -> bool:
        return abs(self.after - self.before) < abs(other.after - other.before)

    def __str__(self) -> str:
        return (
            f"person {self.subject} (seed {self.seed}), from {self.before:.0f} to {self.after:.0f}"
        )


@dataclass(frozen=True)
class Record:
    """A finished set.

    Attributes:
        plan: What was asked for.
        goals: By subject, what the images are matched to.
        stimuli: The images that are in the set, in order.
        rows: Their rows in the table.
        failures: The images that are not.
        origin: What made them, and where its images come from.
        note: What a user should know of the identity gauge; empty where all is there.
        unread: By reader of expressions (`opinions.TITLES`) that is missing, why.
        confusion: The picture of the confusion table, PNG; empty where nobody read.
    """

    plan: Plan
    goals: Mapping[int, Goal]
    stimuli: Sequence[Stimulus]
    rows: Sequence[Row]
    failures: Sequence[Failure]
    origin: Capabilities
    note: str
    unread: Mapping[str, str] = field(default_factory=dict)
    confusion: bytes = b""

    @property
    def flagged(self) -> tuple[str, ...]:
        """File names of images whose person drifts."""
        return tuple(str(row["file"]) for row in self.rows if row.get("identity_drift") == 1)

    @property
    def largest_change(self) -> Change:
        """Of the person whose mean luminance was changed most."""
        return max(map(self._change, {int(row["subject"]) for row in self.rows}))

    def _change(self, subject: int) -> Change:
        rows = [row for row in self.rows if row["subject"] == subject]
        before, after = (
            fmean(float(row[f"luminance_mean_{when}"]) for row in rows)
            for when in ("before", "after")
        )
        return Change(subject, int(rows[0]["identity_seed"]), before, after)

    def values(self, column: str) -> list[float]:
        """The numbers of a column, without empty cells."""
        return [float(row[column]) for row in self.rows if column in row]

    def span(self, column: str, digits: int = 1) -> str:
        """The least and the largest number of a column, in words; empty without any."""
        values = self.values(column)
        if not values:
            return ""
        low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
        return low if low == high else f"{low} to {high}"
