"""Where the identity similarity of one person and of different people parts: the drift threshold.

The pairs are those that a stimulus set compares: a neutral image, and one with an expression or an
action unit, of the same person or of another. They are exact renders, so who is shown is known.
Both images of a pair share the seed of light, pose and clothes, as the images of a set do:
otherwise different light would tell people apart, and the threshold would look better than it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation.control_plan import FIRST_IDENTITY
from synfer_core.evaluation.pictures import Make
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, MAX_INTENSITY, PROTOTYPES
from synfer_core.request import Recipe
from synfer_core.stimuli.drift import Floats, Read, Threshold, cosines
from synfer_core.stimuli.plan import scaled

_PEOPLE = FIRST_IDENTITY + 5_000_000
_APEXES = (
    *(dict(PROTOTYPES[name]) for name in EXPRESSIONS[1:]),
    *({unit.key: MAX_INTENSITY} for unit in ACTION_UNITS.values()),
)
"""What the faces show at 100 %: the seven expressions, and each action unit."""

_PERCENTS = (50, 100)


@dataclass(frozen=True)
class Plan:
    """What to render.

    Attributes:
        people: Who take part.
        shown: Images of each person beside the neutral one.
        scenes: Seeds of light, pose and clothes; people of one scene are compared.
    """

    people: int = 60
    shown: int = 4
    scenes: int = 3

    def recipes(self, person: int) -> list[Recipe]:
        """A person's neutral image, and the others; what they show goes round from person to
        person."""
        wanted = list(product(_PERCENTS, _APEXES))
        first = person * self.shown
        units = [wanted[(first + step) % len(wanted)] for step in range(self.shown)]
        aus = [scaled(apex, percent) for percent, apex in units]
        neutral = Recipe(
            backbone="facekit",
            text="plain background",
            facs="",
            seed=person % self.scenes,
            identity_seed=_PEOPLE + person,
        )
        return [neutral, *(neutral.model_copy(update={"facs": None, "aus": one}) for one in aus)]


@dataclass(frozen=True)
class Drift:
    """What was measured.

    Attributes:
        same: Similarities of pairs of one person.
        different: Similarities of pairs of different people.
        threshold: What follows from them.
    """

    same: Floats
    different: Floats
    threshold: Threshold

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        found = self.threshold
        return {
            "threshold": found.value,
            "missed": found.missed,
            "confused": found.confused,
            "same": _spread(self.same),
            "different": _spread(self.different),
            "reader_sha256": found.reader_sha256,
        }

    def lines(self) -> list[str]:
        """The figures in words."""
        found = self.threshold
        return [
            f"threshold of identity similarity: {found.value:.3f}",
            f"pairs of one person below it: {found.missed:.1%} of {found.same:,}",
            f"pairs of different people at or above it: {found.confused:.1%} of "
            f"{found.different:,}",
        ]


def _spread(values: Floats) -> dict[str, float]:
    places = {"p5": 5, "median": 50, "p95": 95}
    return {
        "pairs": len(values),
        **{name: round(float(np.percentile(values, place)), 4) for name, place in places.items()},
    }


def measure(
    make: Make, read: Read, reader_sha256: str, plan: Plan, *, tell: Callable[[int, int], None]
) -> Drift:
    """Render the people, read their codes and compare them.

    Args:
        make: From recipe to image, by the exact renderer.
        read: Identity codes (N, code) of images.
        reader_sha256: The reader behind `read`.
        plan: What to render.
        tell: Called with images rendered and in all.

    Raises:
        DataError: There are no two people of one scene.
    """
    recipes = [recipe for person in range(plan.people) for recipe in plan.recipes(person)]
    images = []
    for recipe in recipes:
        images.append(make(recipe))
        tell(len(images), len(recipes))
    codes = read(np.stack(images)).astype(np.float64).reshape(plan.people, 1 + plan.shown, -1)
    same, different = compare(codes, np.arange(plan.people) % plan.scenes)
    return Drift(same, different, Threshold.between(same, different, reader_sha256))


def compare(codes: Floats, scenes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Similarities of each person's neutral image with others of that person, and of other people.

    Args:
        codes: (people, images, code); a person's neutral image first.
        scenes: (people,) only people of one scene are compared.
    """
    first, second = np.nonzero(scenes[:, None] == scenes[None])
    shown = codes.shape[1] - 1
    neutral = np.repeat(codes[first, 0], shown, axis=0)
    found = cosines(neutral, codes[second, 1:].reshape(len(neutral), -1))
    one = np.repeat(first == second, shown)
    return found[one], found[~one]
