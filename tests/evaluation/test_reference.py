from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core import cli
from synfer_core.decibels import psnr
from synfer_core.evaluation import reference, reference_sheet
from synfer_core.evaluation.reference import COPY, EXACT, EXPLAINED, MOVED, Case, Made, Plan, Seen
from synfer_core.evaluation.reference_ways import LATENTS, ONE_STEP, SEED, UNITS, Making
from synfer_core.facekit.pack import locate
from synfer_core.facekit.renderer import Renderer
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models.exact import ExactBackbone
from synfer_core.models.text import shared_encoder
from synfer_core.reference import model
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.model import ReferenceModel
from synfer_core.report import Pixels
from synfer_core.request import Recipe
from tests.evaluation.painted import Painter
from tests.reference import tiny

PLAN = Plan(people=4, changed=2, size=64)
EYES = np.zeros((2, 2), np.float32)


def grey_distance(one, other, eyes):  # type: ignore[no-untyped-def]
    assert eyes.shape == (2, 2)
    return float(np.abs(one.astype(int) - other).mean())


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer.load(locate())


@pytest.fixture(scope="module")
def seen(renderer: Renderer) -> Seen:

    def ways(case: Case) -> dict[str, Made]:
        black = np.zeros_like(case.exact)
        return {"perfect": Made(case.exact, (1.0, 0.5)), "black": Made(black)}

    def changes(case: Case) -> dict[str, Pixels]:
        return {"plain": case.exact, "nothing": case.exact, "all units": case.reference}

    told: list[tuple[int, int]] = []
    found = reference.measure(
        renderer,
        [ways],
        PLAN,
        grey_distance,
        lambda image: float(image.mean() < 1),
        changes=changes,
        tell=lambda *both: told.append(both),
        draws=50,
    )
    assert told == [(n, 4) for n in range(1, 5)]
    return found


@pytest.fixture(scope="module")
def around(renderer: Renderer, tmp_path_factory: pytest.TempPathFactory) -> ReferenceBackbone:
    place = tmp_path_factory.mktemp("reference")
    denoiser, adapter = tiny.pair()
    model.save_prior(tiny.prior(), place / model.PRIOR)
    model.save_denoiser(denoiser, place / model.DENOISER)
    model.save_adapter(adapter, place / model.ADAPTER)
    source = ExactBackbone(renderer, 128)
    return ReferenceBackbone(ReferenceModel.load(place), source, shared_encoder())


def test_recipes_ask_for_all_prototypes_of_other_people_in_turn() -> None:
    asked = reference.recipes(Plan(people=15))
    assert [recipe.expression for recipe in asked[:8]] == [*EXPRESSIONS[1:], "happiness"]
    assert all(dict(one.aus) == dict(PROTOTYPES[str(one.expression)]) for one in asked)
    assert len({one.identity_seed for one in asked}) == 15


def test_a_case_has_the_truth_and_the_neutral_reference(renderer: Renderer) -> None:
    recipe = reference.recipes(PLAN)[2]
    case = reference.case_of(renderer, recipe, 64)
    scene = reference.scene_of(recipe)
    np.testing.assert_array_equal(case.exact, renderer.render(scene, 64))
    assert case.bare == (scene.styling.glasses == "none")
    assert np.abs(case.offset).max() > 1
    assert all(0 < mask.mean() < 0.9 for mask in case.where.values())


def test_methods_rank_as_they_should(seen: Seen) -> None:
    assert seen.methods == (COPY, MOVED, "perfect", "black")
    figures = seen.figures()
    for region in ("face", "mouth", "brows and eyes"):
        black, copied, moved, perfect = (
            figures[name][region].value for name in ("black", COPY, MOVED, "perfect")
        )
        assert black < copied < moved < perfect == 100
        assert seen.gains()[MOVED][region].value == pytest.approx(moved - copied)
    assert figures["perfect"]["photo features"].value == 0
    assert [figures["perfect"][name].value for name in EXPLAINED] == [1, 0.5]
    assert not set(EXPLAINED) & {*figures["black"], *seen.gains()["perfect"]}
    assert figures["perfect"]["ms-ssim"].value == pytest.approx(1)


def test_glasses_count_only_where_none_are_asked_for(seen: Seen) -> None:
    bare = seen.ghosts.shape[1]
    assert 0 < bare <= 4
    assert seen.ghosts_of()["black"] == f"{bare} of {bare}"
    assert seen.ghosts_of()[EXACT] == f"0 of {bare}"
    assert (seen.added_ghosts()["black"], seen.added_ghosts()["perfect"]) == (bare, 0)


def test_a_change_is_told_beside_what_copying_is_off_by(seen: Seen) -> None:
    changed = seen.changed()
    assert changed["nothing"]["face"].value == 100
    assert changed["nothing"]["face, share"].value < 0.01
    assert changed["all units"]["mouth, share"].value == pytest.approx(1)
    copied = seen.values[0, :2, 0].mean()
    assert changed["all units"]["face"].value == pytest.approx(copied)


def blank_case(recipe: Recipe, size: int) -> Case:
    blank = np.zeros((size, size, 3), np.uint8)
    return Case(recipe, blank, blank, np.zeros((size, size, 2), np.float32), {}, EYES, True)


def test_a_model_gets_the_recipe_and_is_enlarged_to_the_size_of_the_truth() -> None:
    painter = Painter()
    recipe = reference.recipes(PLAN)[0]
    made = Making(painter)(blank_case(recipe, 32))["painted"].picture
    assert made.shape == (32, 32, 3)
    expected = painter.paint(recipe.model_copy(update={"backbone": "painted"}))
    np.testing.assert_allclose(made[1::2, 1::2].mean(), expected.mean(), rtol=0.3)


def test_the_model_around_a_reference_brings_what_it_starts_from(
    around: ReferenceBackbone,
) -> None:
    recipe = reference.recipes(PLAN)[0].model_copy(update={"steps": 2})
    case = reference.case_of(around.source.renderer, recipe, 128)
    made = Making(around)(case)
    assert list(made) == [
        "closed-form warp",
        "closed form",
        ONE_STEP,
        "four steps",
        "builtin",
        LATENTS,
    ]
    pictures = [one.picture for one in made.values()]
    assert all(picture.shape == (128, 128, 3) for picture in pictures)
    assert all((picture != case.reference).any() for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(made)
    assert made[LATENTS].explained == (1, 1)
    assert all(
        one.explained is not None and one.explained != (1, 1) for one in [*made.values()][:5]
    )


def test_exact_latents_know_no_glasses(around: ReferenceBackbone) -> None:
    asked = (reference.recipe_of(person, "happiness", 1) for person in range(50))
    renderer = around.source.renderer
    recipe = next(r for r in asked if reference.scene_of(r).styling.glasses != "none")
    made = Making(around)(reference.case_of(renderer, recipe, 128))
    assert made[LATENTS].explained == (1, 1)


def test_changes_leave_the_person_and_the_scene(around: ReferenceBackbone) -> None:
    recipe = reference.recipes(PLAN)[0].model_copy(update={"steps": 2})
    case = reference.case_of(around.source.renderer, recipe, 128)
    plain, *others = Making(around).changes(case).values()
    assert [*Making(around).changes(case)][1:] == ["no words", UNITS, "guidance doubled", SEED]
    np.testing.assert_array_equal(plain, Making(around)(case)["builtin"].picture)
    assert all((plain != other).any() for other in others)
    assert all(psnr(plain, other) > psnr(plain, plain[:, ::-1]) for other in others)


def test_the_sheet_has_two_rows_a_person(around: ReferenceBackbone) -> None:
    told: list[tuple[int, int]] = []
    jpeg = reference_sheet.draw(
        around.source, around, size=128, steps=1, people=1, tell=lambda *two: told.append(two)
    )
    with Image.open(io.BytesIO(jpeg)) as sheet:
        assert sheet.size == (84 + 8 * 132, 20 + 2 * 132)
    assert told == [(8, 16), (16, 16)]


def test_figures_are_told_written_and_drawn(seen: Seen) -> None:
    told = json.loads(json.dumps(seen.to_dict()))
    assert told["people"] == 4
    assert set(told["figures"]) == set(seen.methods)
    assert set(told["above copying"]) == set(seen.methods[1:])
    assert sum("above copying" in line for line in seen.lines()) == 3 * 5
    assert "changed, all units: dB apart" in "\n".join(seen.lines())
    assert seen.sheet().startswith(b"\xff\xd8")


def test_the_command_measures_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "reference.json"
    options = ["--baselines", "--people", "2", "--size", "64", "--json", str(target)]
    assert cli.main(["eval", "reference", *options]) == 0
    assert COPY in capsys.readouterr().out
    assert json.loads(target.read_text())["size"] == 64
    assert cli.main(["eval", "reference", "--people", "1"]) == 2
    assert "--people" in capsys.readouterr().err
