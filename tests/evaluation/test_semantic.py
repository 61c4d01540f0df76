"""The measures of semantic guidance, on a backbone that hesitates unless it is guided."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from synfer_core import cli
from synfer_core.errors import RequestError
from synfer_core.evaluation import semantic
from synfer_core.evaluation.semantic import Arm, Compared, Made, Plan
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models.backbone import Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe, SemanticOptions
from tests.evaluation.painted import SIZE, Painter, gauges

PEOPLE = 6
PLAN = Plan(people=PEOPLE)
USUAL = Arm(2.0, SemanticOptions())


@dataclass(frozen=True)
class Hesitant(Painter):
    """Shows the expression in four of seven images; with guidance in `guided` of seven."""

    guided: int = 6
    drifts: bool = False

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        yield Progress(0, 1, "painting")
        assert recipe.expression is not None
        strong = recipe.guidance.semantic > 0
        rank = (EXPRESSIONS.index(recipe.expression) + recipe.seed) % 7
        shows = rank < (self.guided if strong else 4)
        asked = recipe if shows else recipe.model_copy(update={"expression": "neutral"})
        image = self.paint(asked)
        if strong and self.drifts:
            flat = image.reshape(-1, 3)
            seed = [recipe.seed, rank]
            flat[:50, 2] = np.random.default_rng(seed).integers(0, 256, 50, np.uint8)
        yield Generation(image, AttentionMaps(), latents=shows)


def run(backbone: Painter, *arms: Arm, plan: Plan = PLAN, complete: bool = True) -> Any:
    return semantic.measure(
        backbone,
        gauges(complete=complete),
        plan,
        arms or [USUAL],
        lambda recipe, made: bool(made.latents),
        tell=lambda done, total: None,
        draws=200,
    )


@pytest.fixture(scope="module")
def helped() -> Any:
    return run(Hesitant())


def test_the_hard_set_has_words_alone_and_slight_units_of_the_same_people() -> None:
    asked = semantic.recipes(Plan(people=3, low=1.0, high=2.0))
    words, slight = asked["words"], asked["slight"]
    assert len(words) == len(slight) == 21
    assert {r.expression for r in words} == set(EXPRESSIONS) - {"neutral"}
    assert all(not r.action_units and r.facs is None for r in words)
    for recipe in slight:
        levels = set(recipe.action_units.values())
        assert set(recipe.action_units) == set(PROTOTYPES[recipe.expression or ""])
        assert len(levels) == 1
        assert levels <= {1.0, 1.25, 1.5, 1.75, 2.0}
    assert len({next(iter(r.action_units.values())) for r in slight}) > 2
    assert [r.seed for r in words] == [r.seed for r in slight]
    assert all(r.guidance.semantic == 0 for r in words + slight)


def test_people_for_tuning_are_others() -> None:
    measured, tuning = (
        {r.identity_seed for r in semantic.recipes(Plan(people=30, tuning=t))["words"]}
        for t in (False, True)
    )
    assert not measured & tuning


def test_an_arm_changes_the_guidance_of_a_recipe_alone() -> None:
    recipe = semantic.recipes(PLAN)["slight"][3]
    options = SemanticOptions(classifier="image", acts_on="aus", every=3)
    guided = Arm(1.5, options).guided(recipe)
    assert guided.guidance.semantic == 1.5
    assert guided.semantic == options
    back = {"guidance": recipe.guidance, "semantic": recipe.semantic}
    assert guided.model_copy(update=back) == recipe
    with pytest.raises(RequestError, match=r"semantic\.acts_on"):
        Arm(1.5, options).guided(semantic.recipes(PLAN)["words"][0])


def test_arms_are_all_combinations() -> None:
    found = semantic.arms(
        [1, 2], ["image"], ["text", "both"], [(0.0, 0.5), (0.2, 1.0)], [1], [True]
    )
    assert len({arm.name for arm in found}) == 8
    assert found[0].name == "image text 1 at 0-0.5/1"
    (full,) = semantic.arms([3], ["image"], ["both"], [(0.1, 0.7)], [2], [False])
    assert full.name == "image both 3 at 0.1-0.7/2, full steps"
    assert full.options == SemanticOptions(classifier="image", fade=False)


def test_what_guidance_gains_is_found_by_both_judges(helped: Any) -> None:
    figures = helped.to_dict()
    json.dumps(figures, allow_nan=False)
    assert figures["baseline"]["all"] == pytest.approx(4 / 7, abs=1e-3)
    assert figures["hard"]
    assert figures["images"] == 2 * figures["recipes"] == 2 * 2 * 7 * PEOPLE
    (arm,) = figures["arms"]
    for judge in ("a", "b", "mean"):
        assert arm["accuracy"][judge]["gain"]["value"] == pytest.approx(2 / 7, abs=1e-3)
        assert arm["accuracy"][judge]["gained"]["value"] == pytest.approx(2 / 3, abs=1e-3)
    assert arm["guide"] == {"without": 0.5714, "with": 0.8571}
    assert arm["kinds"]["slight"]["with"]["value"] == pytest.approx(6 / 7, abs=1e-3)
    assert abs(arm["drift"]["rise"]["value"]) < 0.05
    assert arm["reached"]["both_judges_above_zero"]
    assert arm["reached"]["third_of_the_missing"]
    assert arm["reached"]["drift"]


def test_guidance_that_harms_reaches_nothing() -> None:
    (arm,) = run(Hesitant(guided=2, drifts=True)).to_dict()["arms"]
    assert arm["accuracy"]["mean"]["gain"]["high"] < 0
    assert arm["drift"]["rise"]["value"] > 0.5
    assert not arm["reached"]["both_judges_above_zero"]
    assert not arm["reached"]["third_of_the_missing"]
    assert not arm["reached"]["drift"]


def test_a_backbone_that_shows_everything_makes_no_hard_set() -> None:
    seen = run(Painter(), plan=Plan(people=2))
    assert not seen.hard
    assert seen.to_dict()["arms"][0]["accuracy"]["mean"]["gained"]["value"] == 0


def test_without_an_identity_reader_drift_is_unread() -> None:
    seen = run(Hesitant(), plan=Plan(people=2), complete=False)
    (arm,) = seen.to_dict()["arms"]
    assert arm["drift"] is None
    assert arm["reached"]["drift"] is None
    assert any("identity.safetensors" in line for line in seen.lines())


def test_arms_share_the_images_without_guidance_and_the_best_is_named_first() -> None:
    weak = Arm(0.5, SemanticOptions(classifier="image"))

    class Picky(Hesitant):
        def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
            best = 5 if recipe.guidance.semantic < 1 else 7
            yield from Hesitant(guided=best).stream(recipe)

    seen = run(Picky(), weak, USUAL, plan=Plan(people=3))
    gains = [arm.accuracy()["mean"]["gain"].value for arm in seen.arms]
    assert gains == [pytest.approx(1 / 7), pytest.approx(3 / 7)]
    assert seen.arms[0].plain.images is seen.arms[1].plain.images
    named = [line for line in seen.lines() if not line.startswith("  ")]
    assert named[1:] == [USUAL.name, weak.name]
    with Image.open(io.BytesIO(seen.sheet())) as image:
        assert image.size == (84 + 7 * (SIZE + 4), 20 + 2 * 2 * 3 * (SIZE + 24))


def compared(seconds: NDArray[np.float64]) -> Compared:
    """Two people with one image each that every judge reads right."""
    recipes = tuple(semantic.recipes(Plan(people=2, kinds=("words",)))["words"][::7])
    read = np.eye(8)[[[1], [1]]]
    made = Made(np.zeros((2, 4, 4, 3), np.uint8), np.ones(2), read, None, np.ones((2, 1), bool))
    after = replace(made, seconds=seconds)
    return Compared(Arm(1.0, SemanticOptions()), recipes, ("a",), made, after, draws=20)


def test_time_is_the_ratio_of_medians_with_a_limit() -> None:
    assert compared(np.array([1.2, 1.4])).time().value == pytest.approx(1.3)
    for seconds, fine in ((2.4, True), (2.6, False)):
        assert compared(np.full(2, seconds)).reached()["time"] is fine, seconds


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--people", "1"], "--people"),
        (["--intensity", "2", "1"], "--intensity"),
        (["--strengths", "0"], "--strengths"),
        (["--every", "0"], "--every"),
        (["--acts-on", "aus"], "--acts-on"),
    ],
)
def test_bad_options_are_named(
    options: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "semantic", *options]) == 2
    assert field in capsys.readouterr().err


@pytest.mark.parametrize("window", ["0.5-0.1", "0.1", "0-2", "a-b"])
def test_windows_that_are_none_are_named(window: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["eval", "semantic", "--windows", window])
    assert f"{window!r} is not FIRST-LAST" in capsys.readouterr().err
