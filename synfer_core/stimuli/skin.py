"""What matching across people will do to how light their skin looks, told before a set is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synfer_core.report import Pixels
from synfer_core.request import Recipe
from synfer_core.stimuli.plan import Plan, Stimulus
from synfer_core.stimuli.record import Change
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.stimuli.treat import Applied, prepare

SIZE = 64
"""Pixels on a side of the small neutral faces that are measured."""

EXACT = "facekit"
"""The backbone that draws them: each seed's person is the same person on every backbone."""

Draw = Callable[[Recipe], Pixels]


def matters(spec: StimulusSet) -> bool:
    """Whether a set's treatment can change how light one person is against another."""
    treatment = spec.treatment
    across = treatment.match != "none" and treatment.match_over == "set"
    return across and (len(spec.identities) > 1 or treatment.target is not None)


def foresee(plan: Plan, draw: Draw, most: int) -> Change:
    """The largest change that a person's mean luminance is likely to see.

    Each person's neutral face is drawn small by the exact renderer and measured.

    Args:
        plan: Of a set for which `matters` holds.
        draw: Renders a recipe.
        most: People that are measured; the first ones.
    """
    people = plan.neutrals[:most]
    means = [_mean(draw(_small(one))) for one in people]
    target = plan.spec.treatment.target
    after = float(np.mean(means)) if target is None else target.mean
    return max(_changes(people, means, after))


def _changes(people: Sequence[Stimulus], means: Sequence[float], after: float) -> list[Change]:
    return [
        Change(one.subject, one.recipe.identity_seed or 0, before, after)
        for one, before in zip(people, means, strict=True)
    ]


def _small(neutral: Stimulus) -> Recipe:
    """The person's neutral face, small and exact."""
    recipe = neutral.recipe
    if recipe.backbone == EXACT:
        return recipe.model_copy(update={"size": SIZE})
    kept: dict[str, Any] = {"text": recipe.text, "seed": recipe.seed, "facs": ""}
    who = {"identity_seed": recipe.identity_seed}
    return Recipe.parse({**kept, **who, "backbone": EXACT, "size": SIZE})


def _mean(image: Pixels) -> float:
    return prepare(image, Applied(size=len(image))).luminance.mean
