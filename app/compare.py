"""A face, and beside it the same one made without semantic guidance: one job, two runs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from synfer_core import editing
from synfer_core.report import Pixels, Progress, Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

WITHOUT = "without guidance"
"""Stage of the first of two runs."""


@dataclass(frozen=True)
class Made:
    """What one press of Generate made.

    Attributes:
        result: The face that was asked for.
        plain: The same recipe without semantic guidance, where both were asked for.
        reference: (S, S, 3) the face that was edited, where one was.
    """

    result: Result
    plain: Result | None = None
    reference: Pixels | None = None

    @property
    def image(self) -> Pixels:
        """The picture that was asked for."""
        return self.result.image


def make(
    synthesizer: Synthesizer, recipe: Recipe, *, compare: bool
) -> Generator[Progress | Made, None, None]:
    """Make a face step by step; the last item is what was made. Closing cancels.

    Args:
        synthesizer: Makes it.
        recipe: What to make.
        compare: Make it without semantic guidance first, where the recipe has any.

    Raises:
        RequestError: The recipe's backbone is unknown or refuses it.
    """
    synthesizer.check(recipe)
    plain = None
    if compare and recipe.guidance.semantic:
        plain = yield from _followed(synthesizer, recipe.unguided(), run=0, runs=2)
    runs = 1 if plain is None else 2
    made = yield from _followed(synthesizer, recipe, run=runs - 1, runs=runs)
    yield Made(made, plain, _reference(made))


def _reference(made: Result) -> Pixels | None:
    """The face that was edited: as large as what came of it."""
    reference = made.recipe.reference
    return None if reference is None else editing.pixels_of(reference, made.image.shape[0])


def _followed(
    synthesizer: Synthesizer, recipe: Recipe, *, run: int, runs: int
) -> Generator[Progress, None, Result]:
    """One run; its steps are counted on through all runs."""
    for item in synthesizer.stream(recipe):
        if isinstance(item, Progress):
            stage = WITHOUT if run < runs - 1 else item.stage
            step = item.step + run * item.total
            yield replace(item, step=step, total=runs * item.total, stage=stage)
        else:
            result = item
    return result
