"""The drift threshold on painted people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core.cli import main
from synfer_core.errors import DataError
from synfer_core.evaluation.drift import Plan, compare, measure
from synfer_core.report import Pixels
from synfer_core.request import Recipe


def paint(recipe: Recipe) -> Pixels:
    """A person as a tint, a little paler with each unit; the scene as brightness."""
    rng = np.random.default_rng(recipe.identity_seed)
    tint = rng.integers(60, 180, 3) + 5 * recipe.seed + sum(recipe.action_units.values()) / 4
    return np.broadcast_to(tint, (8, 8, 3)).astype(np.uint8)


def read(images: np.ndarray) -> np.ndarray:
    return images.mean((1, 2)).astype(np.float32) - 120


def test_people_are_told_apart_by_a_threshold_between_them() -> None:
    told: list[tuple[int, int]] = []
    plan = Plan(people=12, shown=3, scenes=2)
    seen = measure(paint, read, "r", plan, tell=lambda *step: told.append(step))
    assert told[-1] == (48, 48)
    assert (len(seen.same), len(seen.different)) == (12 * 3, 12 * 5 * 3)
    figures = seen.to_dict()
    assert figures["different"]["median"] < figures["threshold"] < figures["same"]["median"]
    assert seen.threshold.missed == pytest.approx(seen.threshold.confused, abs=0.05)
    assert "threshold of identity similarity" in seen.lines()[0]


def test_pairs_are_a_neutral_image_and_another_of_the_same_scene() -> None:
    codes = np.eye(6)[:, None].repeat(2, axis=1)
    same, different = compare(codes, np.arange(6) % 3)
    assert same.tolist() == [1.0] * 6
    assert different.tolist() == [0.0] * 6


def test_each_person_is_neutral_and_shows_what_the_next_does_not() -> None:
    plan = Plan(people=15, shown=4)
    everyone = [plan.recipes(person) for person in range(plan.people)]
    assert all(one[0].facs == "" and len(one) == 5 for one in everyone)
    assert all(
        len({r.identity_seed for r in one}) == len({r.seed for r in one}) == 1 for one in everyone
    )
    shown = {tuple(r.aus.items()) for one in everyone for r in one[1:]}
    assert len(shown) == 58, "seven expressions and 22 units at two intensities"


def test_one_person_is_too_few() -> None:
    with pytest.raises(DataError):
        measure(paint, read, "r", Plan(people=1), tell=lambda *_: None)


def test_without_a_reader_the_command_says_so(
    tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "drift", "--models", str(tiny_model_folder)]) == 2
    assert "identity.safetensors: weight file is missing" in capsys.readouterr().err
