"""The measures of control, on a backbone that paints what it is asked for, rightly or wrongly."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synfer_core.evaluation import control_plan
from synfer_core.evaluation.control import image_count, measure
from synfer_core.evaluation.control_plan import PARTS, UNITS, USUAL, Plan
from synfer_core.evaluation.control_report import Control, crosstalk_picture, lines
from synfer_core.evaluation.pictures import maker
from tests.evaluation.painted import Painter, gauges

PLAN = Plan(images=150, preset_people=14, sided_repeats=1, word_images=16, ramp_people=2)
EXACT = Painter("facekit")


def run(painter: Painter, *parts: str, complete: bool = True) -> Control:
    return measure(
        painter,
        EXACT,
        gauges(complete=complete),
        PLAN,
        parts or USUAL,
        tell=lambda done, total: None,
        draws=40,
    )


@pytest.fixture(scope="module")
def sound() -> dict[str, Any]:
    return run(Painter()).to_dict()


def test_a_backbone_that_obeys_gets_full_marks(sound: dict[str, Any]) -> None:
    assert sound["median_spearman"]["value"] > 0.8
    assert sound["least_spearman"]["value"] > 0.75
    ranks = [unit["spearman"]["value"] for unit in sound["aus"].values()]
    assert sound["median_spearman_all"]["value"] == pytest.approx(np.median(ranks), abs=1e-3)
    assert sound["crosstalk_mean"]["value"] < 0.03
    for name in ("one_sided", "face_found", "expression", "words"):
        assert sound[name]["value"] == 1, name
    assert sound["identity"]["value"] == pytest.approx(1, abs=0.02)
    assert sound["identity"]["others"] < 0.5 < sound["identity"]["same"]
    assert sound["notes"] == []


def test_the_figures_are_complete_json(sound: dict[str, Any]) -> None:
    json.dumps(sound, allow_nan=False)
    assert sound["weights_sha256"] == "a" * 64
    assert sound["images"] == 150 + 28 + 42 + 16
    assert list(sound["aus"]) == list(UNITS)
    smile, lids = sound["aus"]["AU12"], sound["aus"]["AU7"]
    assert smile["error"]["value"] < 0.3
    assert smile["mediapipe_spearman"]["value"] > 0.95
    assert smile["reader_r"] > 0.95
    assert smile["exact_spearman"]["value"] > 0.8
    assert lids["mediapipe_spearman"] is None
    assert sound["aus"]["AU4"]["mediapipe_weak"]
    assert sound["exact"]["median_spearman"]["value"] > 0.8
    assert len(sound["crosstalk"]["matrix"]) == len(UNITS)


def test_groups_have_all_headlines_and_a_largest_gap(sound: dict[str, Any]) -> None:
    groups = sound["by_group"]
    assert set(groups) == {"skin_tone", "sex", "age", "largest_gap"}
    for figure in ("face_found", "median_spearman", "one_sided", "expression", "identity", "words"):
        assert figure in groups["sex"]["groups"]["woman"], figure
        gaps = [groups[by]["gaps"][figure]["value"] for by in ("skin_tone", "sex", "age")]
        assert groups["largest_gap"]["value"] >= max(gaps)
    images = [group["images"] for group in groups["age"]["groups"].values()]
    assert sum(images) == sound["images"]


def test_two_units_taken_for_each_other_are_found() -> None:
    figures = run(Painter(swap=("AU18", "AU26")), "aus").to_dict()
    swapped, fine = figures["aus"]["AU26"], figures["aus"]["AU25"]
    assert abs(swapped["spearman"]["value"]) < 0.2
    assert swapped["error"]["value"] > 1
    assert swapped["exact_spearman"]["value"] > 0.8
    assert fine["spearman"]["value"] > 0.8
    assert figures["least_spearman"]["value"] < 0.2
    matrix, units = figures["crosstalk"]["matrix"], figures["crosstalk"]["units"]
    assert matrix[units.index("AU18")][units.index("AU26")] == 1
    assert figures["crosstalk"]["worst"][0]["share"] == 1


def test_a_unit_that_drags_another_along_is_found() -> None:
    figures = run(Painter(strong=("AU27", "AU18")), "aus").to_dict()
    worst = next(pair for pair in figures["crosstalk"]["worst"] if not pair["inevitable"])
    assert (worst["asked"], worst["moved"]) == ("AU27", "AU18")
    assert worst["share"] > 0.5


def test_a_backbone_that_ignores_everything_fails_everything() -> None:
    figures = run(Painter(deaf=True, faceless=True)).to_dict()
    assert abs(figures["median_spearman"]["value"]) < 0.2
    assert figures["crosstalk_mean"]["value"] > 0.3
    assert figures["one_sided"]["value"] == 0
    assert figures["face_found"]["value"] == 0
    assert figures["expression"]["value"] == 0
    assert figures["words"]["value"] < 0.7
    assert figures["aus"]["AU12"]["mediapipe_spearman"] is None
    assert figures["by_group"]["largest_gap"]["figure"]


def test_ramps_follow_single_units_and_find_two_taken_for_each_other() -> None:
    sound = run(Painter(), "ramps").to_dict()["ramps"]
    assert sound["value"] == pytest.approx(1, abs=0.01)
    assert sound["least"]["value"] > 0.95
    swapped = run(Painter(swap=("AU18", "AU26")), "ramps").to_dict()
    assert swapped["ramps"]["aus"]["AU18"]["value"] < 0.5
    assert swapped["ramps"]["least"]["value"] < 0.5
    assert swapped["exact"]["ramps"]["least"]["value"] > 0.95


def test_sides_that_move_together_are_found() -> None:
    assert run(Painter(sides=False), "one-sided").to_dict()["one_sided"]["value"] == 0


def test_parts_that_are_not_asked_for_are_null() -> None:
    figures = run(Painter(), "identity").to_dict()
    assert figures["identity"]["value"] == pytest.approx(1, abs=0.02)
    assert figures["images_by_part"] == {"presets": 42}
    for name in ("aus", "median_spearman", "crosstalk", "one_sided", "expression", "words"):
        assert figures[name] is None, name


def test_gauges_that_are_not_there_are_said() -> None:
    seen = run(Painter(), "identity", "words", complete=False)
    figures = seen.to_dict()
    assert figures["identity"] is None
    assert figures["words"] is None
    assert [note.split(":")[0] for note in figures["notes"]] == ["identity", "words"]
    assert any("attributes.safetensors" in line for line in lines(figures))


def test_without_the_exact_renderer_there_is_no_ceiling() -> None:
    seen = measure(
        Painter(), None, gauges(), PLAN, ["identity"], tell=lambda done, total: None, draws=40
    )
    figures = seen.to_dict()
    assert figures["exact"] is None
    assert figures["identity"]["value"] is None
    assert figures["identity"]["same"] > 0.5
    assert any(line.startswith("same person") and "no ratio" in line for line in lines(figures))
    assert "exact: " in figures["notes"][0]


def test_the_exact_backbone_is_its_own_ceiling() -> None:
    told: list[tuple[int, int]] = []
    seen = measure(
        EXACT,
        EXACT,
        gauges(),
        PLAN,
        ["aus", "identity"],
        tell=lambda *now: told.append(now),
        draws=20,
    )
    assert seen.exact is seen.model
    figures = seen.to_dict()
    assert figures["identity"]["value"] == 1
    assert figures["aus"]["AU12"]["reader_r"] > 0.9
    assert told[-1] == (len(told), len(told)) == (150 + 30 + 42, 222)


def test_progress_knows_the_number_of_images() -> None:
    assert image_count(Plan(), PARTS) == 300 + 60 + 84 + 56 + 64 + 666
    assert image_count(Plan(), ["words"]) == 64


def test_pictures_have_their_sizes() -> None:
    seen = run(Painter(), "aus")
    sheet = seen.sheet()
    assert sheet is not None
    with Image.open(io.BytesIO(sheet)) as image:
        assert image.size == (84 + 5 * 20, 20 + 8 * 40)
    assert seen.model.mixes is not None
    png = crosstalk_picture(seen.model.mixes.crosstalk(), "Cross-talk")
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert min(image.size) > 500
    assert run(Painter(), "words").sheet() is None


def test_lines_say_each_headline_beside_its_ceiling(sound: dict[str, Any]) -> None:
    text = lines(sound)
    assert len([line for line in text if "exact renders" in line]) == 9 + len(UNITS)
    unit = next(line for line in text if line.startswith("  AU12:"))
    assert f"; exact renders {sound['aus']['AU12']['exact_spearman']['value']:.3f}" in unit
    assert text[-1].startswith("236 images")


def test_the_maker_gives_the_last_image() -> None:
    recipe = control_plan.words(PLAN, "painted")[0]
    assert (maker(EXACT)(recipe) == EXACT.paint(recipe)).all()
