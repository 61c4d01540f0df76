"""Round trips on a tiny model; edits on a backbone that paints what it is asked for, or fails."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synfer_core import cli, editing
from synfer_core.decibels import psnr
from synfer_core.evaluation import inversion
from synfer_core.evaluation.control_parts import people_of
from synfer_core.evaluation.inversion import Edits, Inversion, Plan, RoundTrips
from synfer_core.evaluation.pictures import maker
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.synthesizer import load_builtin
from tests.evaluation.painted import Painter, gauges

PLAN = Plan(people=30, edits=2, known=True)
EXACT = maker(Painter("facekit"))


def silent(done: int, total: int) -> None:
    assert 1 <= done <= total


def edits(painter: Painter, plan: Plan = PLAN, *, complete: bool = True) -> Edits:
    references = np.stack([EXACT(recipe) for recipe in inversion.sources(plan)])
    return Edits.measure(maker(painter), EXACT, gauges(complete=complete), plan, references, silent)


def test_targets_are_the_people_of_the_sources_with_other_units() -> None:
    plan = Plan(people=4, edits=3)
    sources, targets = inversion.sources(plan), inversion.targets(plan)
    assert people_of(targets).tolist() == np.repeat(people_of(sources), 3).tolist()
    assert people_of(sources).min() >= 9_400_000_000
    assert [t.seed for t in targets] == [i // 3 for i in range(12)]
    drawn = [tuple(recipe.aus.values()) for recipe in (*sources[::2], *targets)]
    assert len(set(drawn)) == 14
    assert not any(value for recipe in sources[1::2] for value in recipe.aus.values())
    assert inversion.targets(plan) == targets


def test_an_edit_knows_its_source_only_if_told() -> None:
    source, target = inversion.sources(PLAN)[0], inversion.targets(PLAN)[0]
    image = np.zeros((64, 64, 3), np.uint8)
    told = inversion.edit_of(PLAN, source, target, image)
    assert (told.identity_seed, told.aus) == (target.identity_seed, target.aus)
    assert told.reference_aus == source.aus
    assert (told.keep, told.inversion_depth) == (None, None)
    alone = inversion.edit_of(Plan(keep=0.5, depth=0.3), source, target, image)
    assert (alone.identity_seed, alone.reference_aus) == (None, None)
    assert (alone.keep, alone.inversion_depth) == (0.5, 0.3)


def test_edits_that_obey_get_full_marks() -> None:
    seen = edits(Painter())
    found = seen.spearman(40)
    assert found["edited"].value > 0.8
    assert abs(found["gap"].value) < 0.05
    assert seen.units()["AU12"]["edited"] > 0.8
    identity = seen.identity(40)
    assert identity is not None
    assert identity["value"] == pytest.approx(1, abs=0.02)
    likeness = seen.likeness(40)
    assert likeness["to_exact_edit"]["value"] == 100
    assert likeness["source_to_exact_edit"]["value"] < 40
    assert likeness["unchanged_to_source"]["value"] > 40
    gain = 100 - likeness["source_to_exact_edit"]["value"]
    assert likeness["gain"]["value"] == pytest.approx(gain, abs=0.01)
    parts = [likeness[f"gain_{kind}"]["value"] for kind in ("expressive", "neutral")]
    assert sum(parts) / 2 == pytest.approx(gain, abs=0.01)


def test_edits_of_the_wrong_units_are_found() -> None:
    found = edits(Painter(swap=("AUL12", "AUL15"))).units()
    assert found["AU12"]["edited"] < found["AU12"]["exact"] - 0.2
    assert found["AU4"]["edited"] == pytest.approx(found["AU4"]["exact"], abs=0.02)


def test_edits_that_do_nothing_are_found() -> None:
    found = edits(Painter(deaf=True)).spearman(40)
    assert found["edited"].value < 0.3
    assert found["exact"].value > 0.8


def test_an_edit_that_turns_into_somebody_else_is_found() -> None:
    stranger = edits(Painter(), Plan(people=30, edits=2, known=False)).identity(40)
    assert stranger is not None
    assert stranger["value"] < 0.5 < stranger["renders"]


def test_an_edit_that_changes_the_rest_is_found() -> None:
    seen = edits(Painter())
    spoilt = (seen.edited.astype(int) + 20).clip(0, 255).astype(np.uint8)
    worse = Edits(seen.targets, seen.sources, spoilt, seen.exact, seen.read, seen.codes)
    before, after = (e.likeness(40)["unchanged_to_source"]["value"] for e in (seen, worse))
    assert after < before - 10


def test_without_an_identity_reader_there_is_no_figure() -> None:
    assert edits(Painter(), complete=False).identity(40) is None


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> ReferenceBackbone:
    found = load_builtin(tiny_model_folder)
    assert isinstance(found, ReferenceBackbone)
    return found


@pytest.fixture(scope="module")
def whole(model: ReferenceBackbone) -> Inversion:
    """Everything on two people: references, and edits."""
    plan = Plan(people=2, edits=1, steps=5)

    def exact(recipe: Any) -> Any:
        rng = np.random.default_rng(recipe.seed)
        small = rng.integers(60, 200, (8, 8, 3), np.uint8)
        return np.array(Image.fromarray(small).resize((128, 128), Image.Resampling.BICUBIC))

    def read(images: Any) -> Any:
        return images.reshape(len(images), -1)[:, :36].astype(np.float32) / 51

    reader = gauges(complete=False)
    plain = type(reader)(read, reader.judges, reader.detect, None, None, reader.sha256)
    return inversion.measure(model, maker(model), exact, plain, plan, tell=silent, draws=20)


def test_refinement_brings_references_closer(whole: Inversion) -> None:
    trips = whole.trips.trips
    for depth in inversion.DEPTHS:
        plain, refined = (trips[depth, refine].mean() for refine in inversion.REFINEMENTS)
        assert refined > plain
    assert (trips[editing.DEPTH, editing.REFINE] < whole.trips.codec + 3).all()


def test_the_default_round_trip_is_that_of_the_report(
    whole: Inversion, model: ReferenceBackbone
) -> None:
    source, target = inversion.sources(whole.plan)[0], inversion.targets(whole.plan)[0]
    recipe = inversion.edit_of(whole.plan, source, target, whole.references[0])
    *_, made = model.stream(recipe)
    found = whole.trips.trips[editing.DEPTH, editing.REFINE][0]
    assert getattr(made, "reconstruction_psnr", None) == pytest.approx(found, abs=1e-6)


def test_the_figures_are_complete_json(whole: Inversion) -> None:
    figures = json.loads(json.dumps(whole.to_dict(), allow_nan=False))
    assert figures["plan"]["people"] == 2
    assert figures["identity"] is None
    assert len(figures["round_trip"]["trips"]) == 4
    lost = figures["round_trip"]["trips"][0]
    codec = figures["round_trip"]["codec"]["value"]
    assert lost["lost"]["value"] == pytest.approx(codec - lost["psnr"]["value"], abs=1e-3)
    assert figures["notes"]
    assert any("median Spearman" in line for line in whole.lines())


def test_the_sheet_has_a_row_for_each_person(whole: Inversion) -> None:
    with Image.open(io.BytesIO(whole.sheet())) as sheet:
        assert sheet.size[0] > 4 * 64
        assert sheet.size[1] > 2 * 64


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--people", "1"], "--people"),
        (["--edits", "0"], "--edits"),
        (["--depth", "0"], "--depth"),
        (["--keep", "1.5"], "--keep"),
        (["--json", "/nowhere/at/all.json"], "all.json"),
    ],
)
def test_bad_options_are_named(
    options: list[str], field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["eval", "inversion", *options]) == 2
    assert field in capsys.readouterr().err


def test_equal_pictures_are_at_100_db_and_a_shift_of_one_value_at_48() -> None:
    image = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(image, image) == 100
    assert psnr(image, image + 1) == pytest.approx(48.13, abs=0.01)


def test_round_trips_are_of_the_references_given(
    model: ReferenceBackbone, whole: Inversion
) -> None:
    swapped = RoundTrips.measure(model, whole.plan, whole.references[::-1], silent)
    np.testing.assert_allclose(swapped.codec, whole.trips.codec[::-1])
