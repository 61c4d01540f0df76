"""Accuracy at rising strength, on a backbone that pleases its classifier ever more."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from PIL import Image

from synfer_core.evaluation import overshoot
from synfer_core.evaluation.overshoot import Curve
from synfer_core.evaluation.semantic import Arm, Plan
from synfer_core.facs import EXPRESSIONS
from synfer_core.models.backbone import Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe, SemanticOptions
from tests.evaluation.painted import Painter
from tests.evaluation.test_semantic import run

SHOWN = {0.0: 3, 1.0: 4, 2.0: 6, 4.0: 6, 8.0: 2}
"""By strength, of seven expressions how many the judges read; its classifier reads one more each
time."""


@dataclass(frozen=True)
class Eager(Painter):
    """Shows what it should up to a strength of 2, and less beyond 4."""

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        yield Progress(0, 1, "painting")
        assert recipe.expression is not None
        strength = recipe.guidance.semantic
        rank = (EXPRESSIONS.index(recipe.expression) + recipe.seed) % 7
        shows = rank < SHOWN[strength]
        asked = recipe if shows else recipe.model_copy(update={"expression": "neutral"})
        pleased = rank < 3 + sorted(SHOWN).index(strength)
        yield Generation(self.paint(asked), AttentionMaps(), latents=pleased)


@pytest.fixture(scope="module")
def found() -> list[Curve]:
    arms = [Arm(s, SemanticOptions()) for s in (8.0, 1.0, 4.0, 2.0)]
    other = Arm(1.0, SemanticOptions(classifier="image", fade=False))
    return overshoot.curves(run(Eager(), *arms, other, plan=Plan(people=3)))


def test_each_setting_has_a_curve_that_starts_without_guidance(found: list[Curve]) -> None:
    settings = ["image both at 0.1-0.7/2", "image both at 0.1-0.7/2, full steps"]
    assert [curve.setting for curve in found] == settings
    assert [curve.strengths for curve in found] == [(0, 1, 2, 4, 8), (0, 1)]
    fading, _ = found
    assert fading.judges.keys() == {"a", "b", "mean"}
    for row in fading.judges.values():
        assert row == pytest.approx([SHOWN[s] / 7 for s in fading.strengths])
    assert fading.guide == pytest.approx([n / 7 for n in (3, 4, 5, 6, 7)])


def test_the_peak_is_the_least_strength_at_which_judges_read_best(found: list[Curve]) -> None:
    fading, full = found
    assert (full.peak, full.too_far) == (1, ())
    # At 4 the judges read as well as at 2, so it gains nothing; at 8 only the classifier gains.
    assert (fading.peak, fading.too_far) == (2, (8,))
    assert str(fading) == f"{fading.setting}: the judges peak at 2; too far at 8"
    assert json.loads(json.dumps(fading.to_dict()))["peak"] == 2


def test_guidance_that_harms_from_the_start_peaks_at_none() -> None:
    curve = Curve("x", (0, 1, 2), (0.5, 0.6, 0.4), {"mean": (0.5, 0.4, 0.3)})
    assert curve.peak == 0
    assert curve.too_far == (1,), "at 2 its own classifier is displeased too"


def test_the_picture_has_a_panel_for_each_setting(found: list[Curve]) -> None:
    with Image.open(io.BytesIO(overshoot.picture(found))) as image:
        assert image.size == (900, 400)
