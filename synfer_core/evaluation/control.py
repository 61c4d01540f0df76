"""Does the face do what was asked? Units, sides, presets, words and the person, all measured.

The same recipes rendered by the exact backbone say what the gauges themselves can read: the
ceiling. Definitions: docs/evaluation.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation import control_plan
from synfer_core.evaluation.control_parts import Mixes, Presets, Sided, Worded
from synfer_core.evaluation.control_plan import Plan
from synfer_core.evaluation.control_ramps import Ramps
from synfer_core.evaluation.control_report import Control, Measured
from synfer_core.evaluation.estimates import DRAWS
from synfer_core.evaluation.gauges import Gauges
from synfer_core.evaluation.pictures import Make, completed, maker
from synfer_core.models.backbone import Backbone
from synfer_core.request import Recipe

Tell = Callable[[int, int], None]


def image_count(plan: Plan, parts: Collection[str]) -> int:
    """Images that one backbone makes for these parts, neutral ones included."""
    recipes = {name: part(plan, "builtin") for name, part in _PLANS.items() if _wanted(name, parts)}
    neutral = len({recipe.identity_seed for recipe in recipes.get("aus", [])})
    return sum(map(len, recipes.values())) + neutral


_PLANS = {
    "aus": control_plan.mixes,
    "one-sided": control_plan.one_sided,
    "presets": control_plan.presets,
    "words": control_plan.words,
    "ramps": control_plan.ramps,
}


def _wanted(name: str, parts: Collection[str]) -> bool:
    """Identity is read on the images of the presets."""
    return name in parts or (name == "presets" and "identity" in parts)


def look(make: Make, gauges: Gauges, plan: Plan, parts: Collection[str], backbone: str) -> Measured:
    """Make and read the images of the parts asked for."""
    asked = {name: part(plan, backbone) for name, part in _PLANS.items() if _wanted(name, parts)}
    return Measured(
        mixes=Mixes.measure(make, gauges, asked["aus"]) if "aus" in asked else None,
        sided=Sided.measure(make, gauges, asked["one-sided"]) if "one-sided" in asked else None,
        presets=Presets.measure(make, gauges, asked["presets"]) if "presets" in asked else None,
        words=Worded.measure(make, gauges, asked["words"]) if "words" in asked else None,
        ramps=Ramps.measure(make, gauges, asked["ramps"]) if "ramps" in asked else None,
    )


def measure(
    backbone: Backbone,
    exact: Backbone | None,
    gauges: Gauges,
    plan: Plan,
    parts: Collection[str],
    *,
    tell: Tell,
    draws: int = DRAWS,
) -> Control:
    """Make everything with a backbone, and again with the exact one, and read it.

    Args:
        backbone: The model under test.
        exact: The exact renderer; None leaves the ceiling out; the same as `backbone` where that
            is the model under test.
        gauges: The readers.
        plan: How much to ask for.
        parts: From `control_plan.PARTS`; at least one.
        tell: Called with images made and in all.
        draws: Bootstrap samples.
    """
    start = time.perf_counter()
    name = backbone.capabilities.name
    twice = exact is not None and exact is not backbone
    count = _Counter(tell, image_count(plan, parts) * (2 if twice else 1))
    model = look(count.counted(maker(backbone)), gauges, plan, parts, name)
    ceiling = model if exact is backbone else None
    if exact is not None and twice:
        ceiling = look(count.counted(maker(exact)), gauges, plan, parts, exact.capabilities.name)
    return Control(
        backbone=name,
        weights_sha256=completed(backbone, model.recipes[0]).weights_sha256,
        model=model,
        exact=ceiling,
        asked_parts=frozenset(parts),
        gauges_sha256=dict(gauges.sha256),
        seconds=time.perf_counter() - start,
        draws=draws,
    )


class _Counter:
    """Tells how many images are made.

    Args:
        tell: Called with images made and in all.
        total: Images in all.
    """

    def __init__(self, tell: Tell, total: int):
        self._tell, self._total, self._done = tell, total, 0

    def counted(self, make: Make) -> Make:
        """`make`, counted."""

        def counting(recipe: Recipe) -> NDArray[np.uint8]:
            image = make(recipe)
            self._done += 1
            self._tell(self._done, self._total)
            return image

        return counting
