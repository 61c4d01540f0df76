"""How evenly the frames of morph continua differ, and whether the person stays.

Each continuum is another person and the next of the seven expressions, from neutral to its
prototype, once at equal moments and once with moments shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synfer_core.evaluation.control_plan import FIRST_IDENTITY
from synfer_core.faces.align import READ_SIZE
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models.backbone import sized
from synfer_core.morphs.making import Making, Morph
from synfer_core.morphs.spec import Continuum
from synfer_core.request import Recipe
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.tools import Tools

_PEOPLE = FIRST_IDENTITY + 6_000_000


@dataclass(frozen=True)
class Plan:
    """What to make.

    Attributes:
        continua: How many.
        frames: Of each.
    """

    continua: int = 8
    frames: int = 21

    def specs(self, size: int | None = None) -> list[Continuum]:
        """The specifications.

        Args:
            size: Pixels on a side; None for the backbone's own.
        """
        shown = EXPRESSIONS[1:]
        return [
            Continuum(
                apex=dict(PROTOTYPES[shown[number % len(shown)]]),
                recipe={
                    "text": "plain background",
                    "identity_seed": _PEOPLE + number,
                    **({} if size is None else {"size": size}),
                },
                frames=self.frames,
                even=True,
            )
            for number in range(self.continua)
        ]


@dataclass(frozen=True)
class Seen:
    """What was measured.

    Attributes:
        morphs: The continua, spaced evenly; each also knows its frames at equal moments.
    """

    morphs: tuple[Morph, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "continua": len(self.morphs),
            "frames": sum(len(morph.frames) for morph in self.morphs),
            "ratio_at_equal_moments": _spread([self._before(m) for m in self.morphs]),
            "ratio": _spread([m.evenness.ratio for m in self.morphs]),
            "largest_jump": _spread([m.evenness.largest for m in self.morphs]),
            "lowest_similarity": _spread(
                [s for m in self.morphs if (s := m.lowest_similarity) is not None]
            ),
            "threshold": self.morphs[0].threshold,
            "flagged_continua": sum(bool(morph.flagged) for morph in self.morphs),
            "flagged_frames": sum(len(morph.flagged) for morph in self.morphs),
        }

    def lines(self) -> list[str]:
        """The figures in words."""
        seen = self.to_dict()
        names = {
            "ratio_at_equal_moments": "largest jump / mean, at equal moments",
            "ratio": "largest jump / mean, moments shifted",
            "largest_jump": "largest jump (mean CIE 1976 colour difference)",
            "lowest_similarity": "lowest identity similarity",
        }
        told = [
            f"{words}: median {seen[name]['median']:.3f}, {seen[name]['least']:.3f} to "
            f"{seen[name]['most']:.3f}"
            for name, words in names.items()
            if seen[name]
        ]
        flagged = f"{seen['flagged_continua']} of {seen['continua']} continua"
        threshold = seen["threshold"]
        return [
            f"{seen['continua']} continua, {seen['frames']} frames",
            *told,
            f"below the drift threshold of {threshold:.3f}: {flagged}, "
            f"{seen['flagged_frames']} frames"
            if threshold is not None
            else "there is no drift threshold",
        ]

    @staticmethod
    def _before(morph: Morph) -> float:
        return (morph.unspaced or morph.evenness).ratio


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    found = {"least": min(values), "median": float(np.median(values)), "most": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def measure(tools: Tools, plan: Plan, *, tell: Callable[[int, int], None]) -> Seen:
    """Make the continua and measure them.

    Args:
        tools: What makes and reads the frames.
        plan: Which continua.
        tell: Called with frames made and in all, both passes counted.

    Raises:
        SynferError: A frame cannot be made.
    """
    total = 2 * plan.continua * plan.frames
    done = 0

    def watch(_: object) -> None:
        nonlocal done
        done += 1
        tell(done, total)

    size = sized(Recipe(), tools.origin(Recipe()), READ_SIZE).size
    made = [Making(spec, tools, MemoryStore()).make(watch) for spec in plan.specs(size)]
    return Seen(tuple(made))
