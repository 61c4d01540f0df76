"""The ablation, on a backbone that shows the more the more it is told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synfer_core import cli
from synfer_core.conditioning import prompt_of, sets_aus, traits_in
from synfer_core.errors import RequestError
from synfer_core.evaluation import ablation, ablation_plan
from synfer_core.evaluation.ablation import Ablation
from synfer_core.evaluation.ablation_plan import PARTS, USUAL, WORDS, Plan
from synfer_core.evaluation.ablation_row import Spaces
from synfer_core.evaluation.features import Space
from synfer_core.evaluation.method_commands import ABLATION_ROWS
from synfer_core.facekit.captions import _ADJECTIVES
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models.backbone import Capabilities, Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe
from tests.evaluation.painted import SIZE, Painter, gauges

PEOPLE = 4
READ = {"base": 2, "+prompt": 4, "+aus": 6, "+semantic": 8}
"""Of eight expressions, how many are shown."""


@dataclass(frozen=True)
class Gradual(Painter):
    """Shows more expressions with each part, and AUs where they are asked for."""

    guides: tuple[str, ...] = ("image",)
    drifts: bool = False
    made: list[str] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, guides=self.guides)

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        yield Progress(0, 1, "painting")
        self.made.append(recipe.to_json())
        row, expression = told(recipe)
        rank = (EXPRESSIONS.index(expression) + recipe.seed) % 8
        shown = EXPRESSIONS[(EXPRESSIONS.index(expression) + (rank >= READ[row])) % 8]
        image = self.paint(recipe.model_copy(update={"expression": shown}))
        if row == "+semantic" and self.drifts and expression != "neutral":
            image.reshape(-1, 3)[:50, 2] = np.random.default_rng(rank).integers(0, 256, 50)
        yield Generation(image, AttentionMaps())


def told(recipe: Recipe) -> tuple[str, Any]:
    """The row of a recipe, and what it asks for."""
    if recipe.expression is None:
        return "base", next(e for e, word in WORDS.items() if f" {word} " in recipe.text)
    rows = ("+prompt", "+aus", "+semantic")
    return rows[sets_aus(recipe) + (recipe.guidance.semantic > 0)], recipe.expression


def painted(channel: int) -> Space:
    def read(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1, 3)[:, :6, channel].astype(np.float64)

    return Space(f"painted {channel}", read)


SPACES = Spaces(painted(2), painted(0))


def run(
    backbone: Painter, *, exact: bool = True, complete: bool = True, **options: Any
) -> Ablation:
    plan = options.pop("plan", Plan(PEOPLE))
    return ablation.measure(
        backbone,
        Painter("facekit") if exact else None,
        gauges(complete=complete),
        SPACES,
        plan,
        draws=100,
        **{"tell": lambda done, total: None} | options,
    )


@pytest.fixture(scope="module")
def seen() -> Ablation:
    return run(Gradual())


def test_rows_add_one_part_each_to_the_same_people_in_the_same_noise() -> None:
    plan = Plan(3, steps=7)
    rows = {name: ablation_plan.recipes(plan, name) for name in PARTS}
    for recipes in rows.values():
        assert len(recipes) == 24
        assert [r.seed for r in recipes] == [p for p in range(3) for _ in range(8)]
        assert len({r.identity_seed for r in recipes}) == 3
        assert {r.steps for r in recipes} == {7}
        assert all(not traits_in(r.words) for r in recipes)
    base, prompt, aus, guided, paper = (recipes[1] for recipes in rows.values())
    assert prompt_of(base) == "a happy face"
    assert prompt_of(rows["base"][6]) == "an angry face"
    assert "lip corners pulled up" in prompt_of(prompt)
    assert not sets_aus(prompt)
    assert aus == prompt.model_copy(update={"aus": dict(PROTOTYPES["happiness"])})
    assert guided.model_copy(update={"guidance": aus.guidance, "semantic": aus.semantic}) == aus
    assert (guided.guidance.semantic, guided.semantic.classifier) == (2.0, "image")
    assert (paper.semantic.classifier, paper.semantic.acts_on) == ("image", "text")
    assert not paper.semantic.fade


def test_neutral_is_asked_for_by_units_too() -> None:
    plan = Plan(1)
    prompt, aus = (ablation_plan.recipes(plan, name)[0] for name in ("+prompt", "+aus"))
    assert not sets_aus(prompt)
    assert sets_aus(aus)
    assert aus.action_units == {}


def test_words_are_those_of_the_training_captions() -> None:
    assert set(WORDS) == set(EXPRESSIONS)
    assert all(WORDS[name] in _ADJECTIVES[name] for name in _ADJECTIVES)


def test_the_command_knows_the_rows() -> None:
    assert tuple(PARTS) == ABLATION_ROWS
    assert ABLATION_ROWS[:-1] == USUAL


@pytest.mark.parametrize(
    ("name", "present", "expected"),
    [
        ("base", PARTS, ()),
        ("+prompt", PARTS, ("base",)),
        ("+aus", PARTS, ("+prompt", "base")),
        ("+semantic", PARTS, ("+aus", "base")),
        ("+paper", PARTS, ("+aus", "base")),
        ("+semantic", {"base", "+semantic"}, ("base",)),
        ("+semantic", {"+prompt", "+semantic"}, ("+prompt",)),
    ],
)
def test_rows_are_compared_with_the_one_before_and_the_first(
    name: str, present: Any, expected: tuple[str, ...]
) -> None:
    assert ablation_plan.before(name, present) == expected


def test_what_each_part_adds_is_found(seen: Ablation) -> None:
    figures = json.loads(json.dumps(seen.figures, allow_nan=False))
    assert figures["images_a_row"] == 8 * PEOPLE
    for name, shown in READ.items():
        row = figures["rows"][name]
        for judge in ("a", "b", "mean"):
            assert row["accuracy"][judge]["value"] == pytest.approx(shown / 8)
        assert np.mean(list(row["expressions"].values())) == pytest.approx(shown / 8, abs=1e-3)
    against = figures["rows"]["+aus"]["against"]
    assert list(against) == ["+prompt", "base"]
    assert against["+prompt"]["accuracy"]["mean"]["value"] == pytest.approx(0.25)
    assert against["base"]["accuracy"]["mean"]["value"] == pytest.approx(0.5)
    assert against["base"]["accuracy"]["mean"]["low"] > 0.3
    assert figures["rows"]["base"]["against"] == {}
    assert figures["notes"] == []


def test_units_that_are_painted_are_read_and_others_are_missed(seen: Ablation) -> None:
    rows = seen.figures["rows"]
    asked = [v for name in EXPRESSIONS for v in PROTOTYPES[name].values()]
    for name in ("base", "+prompt"):
        assert rows[name]["au_error"]["active"]["value"] == pytest.approx(np.mean(asked), abs=0.35)
    for name in ("+aus", "+semantic"):
        assert rows[name]["au_error"]["active"]["value"] < 0.3
        assert rows[name]["au_error"]["all"]["value"] < rows["base"]["au_error"]["all"]["value"] / 2
    gap = rows["+aus"]["against"]["+prompt"]["au_error"]["active"]
    assert gap["high"] < -2


def test_one_sided_contempt_is_asked_for_on_its_side(seen: Ablation) -> None:
    row = seen.made["+aus"]
    contempt = EXPRESSIONS.index("contempt")
    assert row.errors[:, contempt].max() < 1.5
    both = replace(row, aus=np.maximum(row.aus, row.aus[..., ::-1]))
    assert both.errors[:, contempt].max() > 1.5


def test_a_person_who_changes_drifts(seen: Ablation) -> None:
    steady = seen.figures["rows"]["+semantic"]["drift"]["value"]
    rows = run(Gradual(drifts=True), exact=False).figures["rows"]
    assert steady < 0.05
    assert rows["+semantic"]["drift"]["value"] > 0.5
    assert rows["+semantic"]["against"]["+aus"]["drift"]["low"] > 0.4


def test_distances_are_those_of_the_named_spaces(seen: Ablation) -> None:
    figures = seen.figures
    assert figures["spaces"] == {"diversity": "painted 2", "frechet": "painted 0"}
    rows, exact = figures["rows"], figures["exact"]
    # Channel 0 holds the units, as the renders have them; channel 2 the person.
    assert rows["+aus"]["frechet"]["value"] == pytest.approx(0, abs=1e-6)
    assert rows["base"]["frechet"]["value"] > 100
    assert rows["+aus"]["against"]["+prompt"]["frechet"]["high"] < 0
    assert exact["frechet"]["value"] == pytest.approx(0, abs=1e-6), "other people, the same units"
    assert exact["diversity"] == rows["base"]["diversity"]
    looks = painted(2).read(seen.made["base"].images[:, 0])
    apart = np.linalg.norm(looks[:, None] - looks[None], axis=2)
    expected = apart.sum() / (PEOPLE * (PEOPLE - 1))
    assert rows["base"]["diversity"]["value"] == pytest.approx(expected, abs=1e-3)
    assert exact["accuracy"]["mean"]["value"] == 1
    assert exact["against"] == {}


def test_a_row_without_its_classifier_is_null_and_named() -> None:
    seen = run(Gradual(guides=()), plan=Plan(2, rows=("base", "+semantic", "+paper")))
    figures = seen.figures
    assert figures["rows"]["+semantic"] is None
    assert figures["rows"]["+paper"] is None
    assert figures["rows"]["base"] is not None
    for name in ("+semantic", "+paper"):
        note = next(n for n in figures["notes"] if n.startswith(name))
        assert " classifier.safetensors" in note
        assert note in seen.lines()
    with pytest.raises(RequestError, match="no row can be made"):
        run(Gradual(guides=()), plan=Plan(2, rows=("+semantic",)))


def test_what_cannot_be_read_is_null_and_named() -> None:
    seen = run(Gradual(), exact=False, complete=False, plan=Plan(2))
    figures = json.loads(json.dumps(seen.figures, allow_nan=False))
    assert figures["exact"] is None
    for row in figures["rows"].values():
        assert row["drift"] is None
        assert row["frechet"] is None
    assert any("identity.safetensors" in note for note in figures["notes"])
    assert any("exact renders were left out" in note for note in figures["notes"])


def test_lines_are_a_table_and_what_each_row_adds(seen: Ablation) -> None:
    said = seen.lines()
    assert said[0] == f"{8 * PEOPLE} images a row, of {PEOPLE} people"
    bars = [line.split("|")[1:-1] for line in said if line.startswith("|")]
    assert len({len(cells) for cells in bars}) == 1
    assert [cells[0].strip() for cells in bars] == ["row", "---", *USUAL, "exact"]
    assert sum(" against " in line for line in said) == 5
    assert any(line.startswith("+aus against base: accuracy.a +0.500 (") for line in said)
    assert "frechet in the space of painted 0" in said


def test_the_sheet_shows_two_people_row_by_row(seen: Ablation) -> None:
    with Image.open(io.BytesIO(seen.sheet())) as image:
        assert image.size == (84 + 8 * (SIZE + 4), 20 + 2 * 5 * (SIZE + 24))


def test_a_run_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    plan, first, second = Plan(2), Gradual(), Gradual()
    counted: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        counted.append((done, total))
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(first, plan=plan, keep=tmp_path, exact=False, tell=stop)
    assert counted[-1] == (20, 64)
    # Four rows of one expression lie side by side, so a cut leaves whole columns.
    rows = [told(Recipe.parse_json(text))[0] for text in first.made]
    assert rows == list(USUAL) * 5
    again = run(second, plan=plan, keep=tmp_path, exact=False)
    assert not set(first.made) & set(second.made)
    assert len(first.made) + len(second.made) == 64
    whole = run(Gradual(), plan=plan, exact=False)
    for name in USUAL:
        assert (again.made[name].images == whole.made[name].images).all()
    assert again.made["base"].seconds[0, 0] > 0


@pytest.mark.parametrize(
    ("options", "field"), [(["--people", "1"], "--people"), (["--steps", "0"], "--steps")]
)
def test_bad_options_are_named(
    options: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "ablation", *options]) == 2
    assert field in capsys.readouterr().err
