"""Editing on a tiny untrained model; what holds must hold for any weights."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from synfer_core import batch, decibels, editing
from synfer_core.errors import ImageError, RequestError, UnsupportedError
from synfer_core.facs import AU_SLOTS
from synfer_core.reference import layout
from synfer_core.reference.backbone import ReferenceBackbone
from synfer_core.reference.denoiser import SCHEDULE
from synfer_core.reference.layout import Layout
from synfer_core.report import Pixels, Progress, Result
from synfer_core.request import PNG_DATA, Recipe
from synfer_core.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: Path) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)


@pytest.fixture(scope="module")
def face() -> Pixels:
    """128 x 128 pixels of coloured blotches."""
    rng = np.random.default_rng(5)
    small = rng.integers(60, 200, (8, 8, 3), np.uint8)
    return np.array(Image.fromarray(small).resize((128, 128), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def reference(face: Pixels) -> str:
    return editing.reference_of(face)


def make(synthesizer: Synthesizer, reference: str, **fields: Any) -> Result:
    return synthesizer.generate(Recipe(reference=reference, **{"steps": 5, **fields}))


def test_a_reference_comes_back_as_the_same_pixels(face: Pixels, reference: str) -> None:
    assert (editing.square_of(reference) == face).all()


def test_an_edit_differs_by_its_aus_and_says_how_well_it_inverts(
    synthesizer: Synthesizer, reference: str
) -> None:
    smile, frown = (make(synthesizer, reference, aus={key: 4.0}) for key in ("AU12", "AU15"))
    assert (smile.image != frown.image).any()
    assert smile.reconstruction_psnr == frown.reconstruction_psnr
    assert 5 < (smile.reconstruction_psnr or 0) <= 100
    assert smile.to_dict()["reconstruction_psnr"] > 5
    assert set(smile.attention.maps) == {"AU12"}


def test_without_a_reference_there_is_no_round_trip(synthesizer: Synthesizer) -> None:
    assert synthesizer.generate(Recipe(steps=2)).to_dict()["reconstruction_psnr"] is None


@pytest.mark.parametrize(
    "change",
    [{"inversion_depth": 0.4}, {"reference_aus": {"AU26": 5.0}}, {"text": "a man"},
     {"steps": 7}, {"au_scale": 0.5}, {"guidance": {"au": 3.0}},
     {"scheduler": "dpm++"}],
)  # fmt: skip
def test_every_part_of_an_edit_matters(
    synthesizer: Synthesizer, reference: str, change: dict[str, Any]
) -> None:
    base = make(synthesizer, reference, aus={"AU12": 4.0}).image
    assert (make(synthesizer, reference, aus={"AU12": 4.0}, **change).image != base).any()


def test_keep_holds_the_reference(
    synthesizer: Synthesizer, face: Pixels, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny model's guess is drawn at random and moves every place far.
    monkeypatch.setattr(layout, "MOVES", 100.0)
    free, half, held = (
        decibels.psnr(face, make(synthesizer, reference, aus={"AU12": 4.0}, keep=keep).image)
        for keep in (0.0, 0.5, 1.0)
    )
    assert free < half < held
    usual = make(synthesizer, reference, aus={"AU12": 4.0}).image
    assert decibels.psnr(face, usual) == held


def test_the_noise_seed_does_not_matter(synthesizer: Synthesizer, reference: str) -> None:
    first, second = (make(synthesizer, reference, seed=seed).image for seed in (0, 1))
    assert (first == second).all()


def test_equal_edits_give_equal_pixels_alone_and_in_a_batch(
    synthesizer: Synthesizer, reference: str, tmp_path: Path
) -> None:
    recipe = Recipe(reference=reference, aus={"AU12": 4.0}, steps=4)
    alone = synthesizer.generate(recipe)
    lines = (Recipe(steps=2).to_json(), alone.recipe.to_json(), recipe.to_json())
    numbered = tuple(enumerate(line.encode() for line in lines))
    assert batch.run(numbered, tmp_path, synthesizer.generate).failed == 0
    for name in ("000001.png", "000002.png"):
        assert (np.asarray(Image.open(tmp_path / name)) == alone.export().pixels).all()


def test_a_deeper_start_leaves_less_of_the_reference(
    synthesizer: Synthesizer, face: Pixels, reference: str
) -> None:
    plain = {"aus": {"AU12": 4.0}, "keep": 0.0, "steps": 10}
    shallow, deep = (
        decibels.psnr(face, make(synthesizer, reference, inversion_depth=d, **plain).image)
        for d in (0.1, 1.0)
    )
    assert shallow > deep


def model_of(synthesizer: Synthesizer) -> ReferenceBackbone:
    model = synthesizer.backbones["builtin"]
    assert isinstance(model, ReferenceBackbone)
    return model


def lay_out(model: ReferenceBackbone, recipe: Recipe) -> Layout:
    steps = layout.lay_out(model.model, recipe, model.canvas(recipe).small)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            found: Layout = stop.value
            return found


def test_what_is_held_firmly_comes_back_exactly(synthesizer: Synthesizer, reference: str) -> None:
    model = model_of(synthesizer)
    recipe = Recipe(reference=reference, aus={"AU12": 4.0}, steps=4)
    found = lay_out(model, recipe)
    firm = replace(found, free=torch.zeros_like(found.free))
    held = firm.holding(lambda latents, timestep: torch.randn_like(latents))
    torch.manual_seed(0)
    latents = editing.round_trip(held, firm.start, recipe, schedule=SCHEDULE)
    torch.testing.assert_close(latents, torch.zeros_like(latents), atol=1e-4, rtol=0)


def test_places_that_an_edit_moves_are_free(
    synthesizer: Synthesizer, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(synthesizer)
    asked = {"reference": reference, "aus": {"AU12": 4.0}, "steps": 4}
    shown = {"reference_aus": {"AU12": 4.0}}
    still = [lay_out(model, Recipe(**asked, **shown, keep=keep)).free for keep in (1.0, 0.5)]
    assert still[0].max() == 0
    assert still[1].unique().tolist() == [0.5]
    monkeypatch.setattr(layout, "MOVES", 1e-9)
    far = lay_out(model, Recipe(**asked, reference_aus={"AU12": 0.0}))
    assert far.free.min() == 1


def test_what_the_reference_is_known_to_show_is_not_read(
    synthesizer: Synthesizer, reference: str
) -> None:
    model = model_of(synthesizer).model
    small = torch.rand(1, 3, 128, 128) * 2 - 1
    told = Recipe(reference=reference, reference_aus={"AU17": 2.5})
    shown = layout.shown_units(model, told, small)
    assert shown[0, AU_SLOTS.index("AU17")] == 0.5
    assert float(shown.sum()) == 0.5
    assert not layout.shown_units(model, Recipe(reference="sample:ada"), small).any()
    read = layout.shown_units(model, Recipe(reference=reference), small)
    torch.testing.assert_close(read, model.prior.form.units(model.prior.latents.look(small)))


def test_what_does_not_change_is_held_and_nothing_is_left(
    synthesizer: Synthesizer, face: Pixels, reference: str
) -> None:
    aus = {"AU12": 4.0, "AU26": 1.0}
    same = make(synthesizer, reference, aus=aus, reference_aus=aus).image
    assert (same == face).all()


def test_words_alone_leave_every_place_free(synthesizer: Synthesizer, reference: str) -> None:
    recipe = Recipe(reference=reference, expression="happiness", steps=4)
    assert lay_out(model_of(synthesizer), recipe).free.min() == 1


def test_progress_counts_both_ways(synthesizer: Synthesizer, reference: str) -> None:
    recipe = Recipe(reference=reference, steps=10, inversion_depth=0.3, aus={"AU12": 1.0})
    seen = [item for item in synthesizer.stream(recipe) if isinstance(item, Progress)]
    first, *seen = seen
    assert (first.step, first.stage) == (0, "rendering")
    assert [item.step for item in seen] == [1, 2, 3, 4, 5, 6]
    assert {item.total for item in seen} == {6}
    assert [item.stage for item in seen] == ["inverting"] * 3 + ["denoising"] * 3


@pytest.mark.parametrize(("depth", "steps"), [(None, 18), (1.0, 20), (0.01, 1), (0.5, 10)])
def test_depth_is_a_share_of_the_steps(depth: float | None, steps: int, reference: str) -> None:
    assert editing.steps_of(Recipe(reference=reference, inversion_depth=depth)) == steps


def png(size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    return PNG_DATA + base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("size", "allowed"),
    [((128, 129), "a square picture"), ((64, 64), "128 to 1024"), ((1025, 1025), "128 to 1024")],
)
def test_a_picture_that_is_not_square_small_or_large_is_refused(
    synthesizer: Synthesizer, size: tuple[int, int], allowed: str
) -> None:
    with pytest.raises(UnsupportedError, match=f"reference: is .*{allowed}"):
        synthesizer.check(Recipe(reference=png(size)))


def test_a_damaged_picture_is_refused_before_any_work(synthesizer: Synthesizer) -> None:
    whole = base64.b64decode(png((128, 128)).removeprefix(PNG_DATA))
    cut = PNG_DATA + base64.b64encode(whole[:50]).decode()
    with pytest.raises(ImageError, match="reference: is damaged"):
        synthesizer.check(Recipe(reference=cut))


def test_an_unknown_sample_is_refused(synthesizer: Synthesizer) -> None:
    with pytest.raises(RequestError, match=r"reference: there is no sample 'nobody' .*ada"):
        synthesizer.check(Recipe(reference="sample:nobody"))


def test_changes_add_to_the_source() -> None:
    source = {"AU12": 3.0, "AUL2": 1.0, "AU9": 0.1, "AU26": 4.5}
    assert editing.relative(source, {"AUL12": 1.5, "AU4": 2.0, "AU26": 2.0, "AU2": -3.0}) == {
        "AUL12": 4.5, "AUR12": 3.0, "AUL4": 2.0, "AUR4": 2.0, "AU26": 5.0, "AUL2": 0.0, "AUR2": 0.0,
    }  # fmt: skip


def test_a_change_to_nothing_still_names_its_unit() -> None:
    assert editing.relative({"AU26": 2.0}, {"AU26": -5.0}) == {"AU26": 0.0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [({}, "aus"), ({"AU12": 6.0}, "aus.AU12"), ({"AU12": float("nan")}, "aus.AU12"),
     ({"AU99": 1.0}, "aus.AU99"), ({"AU12": 1.0, "AUL12": 1.0}, "aus.AUL12")],
)  # fmt: skip
def test_changes_that_are_not_allowed_are_named(changes: dict[str, float], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        editing.relative({}, changes)
    assert caught.value.field == field


def test_an_absolute_edit_is_a_plain_recipe(synthesizer: Synthesizer, face: Pixels) -> None:
    edit = synthesizer.edit(face, {"AU12": 4.0}, steps=4)
    assert edit.recipe == Recipe(reference=editing.reference_of(face), aus={"AU12": 4.0}, steps=4)
    assert edit.source_aus is None
    assert edit.to_dict() == {"source": None, "notes": []}


def test_a_relative_edit_of_an_earlier_result_starts_from_its_recipe(
    synthesizer: Synthesizer, face: Pixels
) -> None:
    made_by = Recipe(aus={"AU12": 3.0, "AU26": 1.0}, identity_seed=4, text="a bald man")
    edit = synthesizer.edit(face, {"AU12": -1.0}, relative=True, made_by=made_by)
    assert edit.recipe.aus == {"AUL12": 2.0, "AUR12": 2.0, "AU26": 1.0}
    assert edit.to_dict()["source"] == "12C+26A"
    assert edit.recipe.identity_code is not None
    assert edit.recipe.reference_aus == {"AU12": 3.0, "AU26": 1.0}
    assert edit.recipe.text == ""
    other = synthesizer.edit(face, {"AU12": 1.0}, made_by=made_by, identity_seed=9)
    assert (other.recipe.identity_seed, other.recipe.identity_code) == (9, None)


def test_true_is_no_change_of_a_unit() -> None:
    with pytest.raises(RequestError, match="must be a number"):
        editing.relative({}, {"AU12": True})


def test_a_relative_edit_without_a_reader_is_refused(
    synthesizer: Synthesizer, face: Pixels
) -> None:
    with pytest.raises(UnsupportedError, match="relative"):
        synthesizer.edit(face, {"AU12": 1.0}, relative=True)
    sets_none = Recipe(text="a man")
    with pytest.raises(UnsupportedError, match="relative"):
        synthesizer.edit(face, {"AU12": 1.0}, relative=True, made_by=sets_none)
