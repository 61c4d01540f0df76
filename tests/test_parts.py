"""The method's parts, each on and off and in every combination, on a tiny untrained model."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synfer_core.editing import reference_of
from synfer_core.enrichment import enrich_recipe
from synfer_core.panel import FILE
from synfer_core.report import Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from tests.models.test_experts import shipped, write_readers
from tests.test_calibration import copied, write_feranno
from tests.test_panel import ballot_for

PARTS = ("enriched", "units", "guided", "edited")
REFERENCE = reference_of(np.random.default_rng(3).integers(0, 256, (128, 128, 3), np.uint8))
COMBINATIONS = tuple(product((False, True), repeat=len(PARTS)))


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    """With a guiding classifier, FERAnno, an AU reader and weighed experts."""
    folder = copied(tiny_model_folder, tmp_path_factory.mktemp("parts"))
    write_feranno(folder)
    write_readers(folder)
    ballot_for(shipped(folder)).save(folder / FILE)
    return Synthesizer.load(folder)


def recipe(*, enriched: bool, units: bool, guided: bool, edited: bool) -> Recipe:
    data: dict[str, Any] = {"text": "a woman", "expression": "fear", "steps": 3, "seed": 5}
    data |= {"facs": "1C+2C+5B"} if units else {}
    options = {"first": 0.0, "last": 1.0, "every": 1}
    data |= {"guidance": {"semantic": 8.0}, "semantic": options} if guided else {}
    data |= {"reference": REFERENCE} if edited else {}
    made = Recipe.parse(data)
    return enrich_recipe(made)[0] if enriched else made


@pytest.fixture(scope="module")
def results(synthesizer: Synthesizer) -> dict[tuple[bool, ...], Result]:
    """By which of `PARTS` are on."""
    wanted = {on: recipe(**dict(zip(PARTS, on, strict=True))) for on in COMBINATIONS}
    return {on: synthesizer.generate(asked) for on, asked in wanted.items()}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_changes_the_face_in_any_company(
    results: dict[tuple[bool, ...], Result], part: str
) -> None:
    place = PARTS.index(part)
    for off in (on for on in COMBINATIONS if not on[place]):
        on = (*off[:place], True, *off[place + 1 :])
        assert (results[off].image != results[on].image).any(), (off, on)


@pytest.mark.parametrize("on", COMBINATIONS)
def test_each_part_says_what_it_did_and_only_where_it_is_on(
    results: dict[tuple[bool, ...], Result], on: tuple[bool, ...]
) -> None:
    result, parts = results[on], dict(zip(PARTS, on, strict=True))
    assert bool(result.guidance_curve) == parts["guided"]
    assert (result.reconstruction_psnr is not None) == parts["edited"]
    assert (result.recipe.enriched_text is not None) == parts["enriched"]
    assert result.recipe.text == "a woman"
    assert ("AU5" in result.attention.mass) == parts["units"]
    assert (
        any(":lids:" in name or name.endswith(":lids") for name in result.attention.mass)
        == (parts["enriched"])
    )
    assert result.verdict is not None
    experts = {evidence.expert for evidence in result.verdict.evidence}
    guide = set() if parts["guided"] else {"classifier"}
    assert experts == {"feranno", "au-rules"} | guide, "who guided has no vote"


def test_all_parts_together_are_repeatable(
    synthesizer: Synthesizer, results: dict[tuple[bool, ...], Result]
) -> None:
    everything = results[(True,) * len(PARTS)]
    again = synthesizer.generate(Recipe.parse_json(everything.recipe.to_json()))
    assert (again.image == everything.image).all()
    assert again.guidance_curve == everything.guidance_curve


def test_a_model_without_the_optional_parts_still_makes_the_face(
    tiny_model_folder: Path, results: dict[tuple[bool, ...], Result]
) -> None:
    bare = Synthesizer.load(tiny_model_folder)
    assert not bare.capabilities["builtin"].guides
    plain = bare.generate(recipe(enriched=True, units=True, guided=False, edited=False))
    assert (plain.image == results[True, True, False, False].image).all()
    assert plain.verdict is None
