from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synfer_core import cli
from synfer_core.evaluation import attention
from synfer_core.evaluation.attention import KEYS, Attention, Seen
from synfer_core.evaluation.control_plan import DISFA
from synfer_core.facs import AU_SLOTS, MAX_INTENSITY, slots_of, to_slots
from synfer_core.models.backbone import Capabilities, Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe
from synfer_core.synthesizer import load_builtin

SIDE, SIZE = 8, 32
Planted = Callable[[str], np.ndarray]


def own_cell(slot: str) -> np.ndarray:
    """One cell of its own for each slot."""
    mass = np.zeros(SIDE * SIDE, np.float32)
    mass[AU_SLOTS.index(slot)] = 1
    return mass.reshape(SIDE, SIDE)


def even(slot: str) -> np.ndarray:
    return np.full((SIDE, SIDE), 0.3, np.float32)


def nearly_even(slot: str) -> np.ndarray:
    return even(slot) + 0.01 * own_cell(slot)


def neighbour(slot: str) -> np.ndarray:
    """The place of another unit."""
    return own_cell(AU_SLOTS[(AU_SLOTS.index(slot) + 2) % len(AU_SLOTS)])


def face(slot: str) -> np.ndarray:
    """The same for every unit: the rows in which there are regions at all."""
    mass = np.zeros((SIDE, SIDE), np.float32)
    mass[:5] = 1
    return mass


def region(identity_seed: int, key: str) -> np.ndarray:
    cells = sum(own_cell(slot) for slot in slots_of(key))
    return np.kron(np.asarray(cells) > 0, np.ones((SIZE // SIDE,) * 2)).astype(bool)


class Looker:
    """A backbone whose attention is planted."""

    def __init__(self, planted: Planted):
        self.planted = planted

    @property
    def capabilities(self) -> Capabilities:
        flags = dict.fromkeys(("text", "identity", "guidance", "attention", "steps"), False)
        return Capabilities("planted", "", "", SIZE, (), **flags)

    def check(self, recipe: Recipe) -> Recipe:
        return recipe.model_copy(update={"weights_sha256": "a" * 64})

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        yield Progress(0, 1, "looking")
        maps = {slot: self.planted(slot) for slot in recipe.action_units}
        yield Generation(np.full((SIZE, SIZE, 3), 90, np.uint8), AttentionMaps(maps))


@cache
def looked(planted: Planted) -> Attention:
    """Two people under DISFA's twelve and one unit more."""
    units = {slot for key in (*DISFA, "AU27") for slot in slots_of(key)}
    wanted = [r for r in attention.recipes(2) if set(r.action_units) <= units]
    return attention.measure(Looker(planted), region, wanted, tell=lambda done, total: None)


def test_each_unit_is_asked_for_alone_on_every_person() -> None:
    recipes = attention.recipes()
    assert len(recipes) == 12 * 22
    assert len({r.to_json() for r in recipes}) == len(recipes)
    assert {r.seed for r in recipes} == set(range(12))
    assert all(r.expression is None and not r.text for r in recipes)
    for recipe, key in zip(recipes[:22], KEYS, strict=True):
        assert to_slots(recipe.action_units) == to_slots({key: MAX_INTENSITY})


def test_attention_in_its_own_region_is_all_inside() -> None:
    figures = looked(own_cell).to_dict()
    smile = figures["aus"]["AU12"]
    assert smile["share"] == {"value": 1, "low": 1, "high": 1}
    assert smile["chance"] == pytest.approx(2 / 64, abs=1e-4)
    assert smile["ratio"]["value"] == smile["best"] == 32
    assert figures["aus"]["AUL12"]["ratio"]["value"] == 64
    assert smile["others"]["value"] == 0
    assert figures["twice_chance"]["count"] == figures["twice_chance"]["of"] == 12
    assert figures["images"] == 26
    assert figures["weights_sha256"] == "a" * 64
    json.dumps(figures, allow_nan=False)


def test_attention_that_knows_nothing_is_at_chance() -> None:
    figures = looked(even).to_dict()
    assert all(au["ratio"]["value"] == pytest.approx(1, abs=1e-3) for au in figures["aus"].values())
    assert figures["twice_chance"] == {"count": 0, "of": 12, "aus": []}


def test_attention_at_the_wrong_unit_is_caught() -> None:
    figures = looked(neighbour).to_dict()
    assert all(figures["aus"][key]["ratio"]["value"] == 0 for key in DISFA)


def test_attention_on_the_face_alone_is_no_unit_s_own() -> None:
    smile = looked(face).to_dict()["aus"]["AU12"]
    assert smile["ratio"]["value"] == pytest.approx(1.6, abs=1e-3)
    assert smile["others"] == smile["ratio"]


def test_raw_mass_counts_and_not_the_stretched_map() -> None:
    assert looked(nearly_even).figures["AU12"].ratio.value < 1.1


def test_a_region_that_covers_half_a_cell_gets_half_of_its_attention() -> None:
    moved = np.zeros((SIZE, SIZE), bool)
    moved[:2, :4] = True
    seen = Seen(0, "AU27", np.eye(SIDE, dtype=np.float32)[:, :1] * np.eye(SIDE)[:1], moved, _grey())
    assert seen.inside(seen.mass) == 0.5
    assert seen.best == pytest.approx(0.5 * 128)


def _grey() -> np.ndarray:
    return np.full((SIZE, SIZE, 3), 128, np.uint8)


def test_the_sheet_outlines_regions_and_marks_units() -> None:
    with Image.open(io.BytesIO(looked(own_cell).sheet())) as image:
        assert image.size == (84 + 6 * (2 * SIZE + 4), 20 + 3 * (2 * SIZE + 24))
        pixels = np.asarray(image).astype(int)
    row, column = divmod(AU_SLOTS.index("AU27"), SIDE)
    top, left = 20 + 2 * (2 * SIZE + 24) + row * 8, 84 + column * 8
    assert pixels[top, left + 3].min() > 180
    inner = pixels[top + 3 : top + 5, left + 3 : left + 5].mean((0, 1))
    assert inner[0] > inner[2] + 60


def test_the_model_records_sides_apart(tiny_model_folder: Path) -> None:
    model = load_builtin(tiny_model_folder)
    wanted = [r.model_copy(update={"steps": 2}) for r in attention.recipes(1)]
    chosen = [r for r in wanted if set(r.action_units) & {"AUL12", "AU27"}]

    def left_half(identity_seed: int, key: str) -> np.ndarray:
        return np.tile(np.arange(64) < 32, (64, 1))

    seen = attention.measure(model, left_half, chosen, tell=lambda done, total: None)
    assert seen.keys == ("AU12", "AUL12", "AUR12", "AU27")
    for row in seen.seen:
        assert row.mass.shape == (32, 32)
        assert row.mass.max() > row.mass.min() >= 0
    assert 0.2 < seen.figures["AU12"].share.value < 0.8
    both, left, right = (seen.of(key)[0].mass for key in ("AU12", "AUL12", "AUR12"))
    np.testing.assert_allclose(both, (left + right) / 2, rtol=1e-5, atol=1e-9)
    assert (left != right).any()


def test_regions_of_people_lie_where_units_act() -> None:
    from synfer_core.facekit.renderer import Renderer

    where = attention.regions(Renderer.load().head, 64)
    brow, mouth = where(1, "AU4"), where(1, "AU12")
    assert 0.01 < brow.mean() < 0.3
    assert np.argwhere(brow)[:, 0].mean() < np.argwhere(mouth)[:, 0].mean() - 10
    left, right = where(1, "AUL12"), where(1, "AUR12")
    assert np.argwhere(left)[:, 1].mean() > 32 > np.argwhere(right)[:, 1].mean()
    np.testing.assert_array_equal(mouth, left | right)
    assert (where(1, "AU12") != where(2, "AU12")).any()
    # Lips that part leave a gap; it belongs to what moved.
    jaw = where(1, "AU27")
    middle = np.argwhere(where(1, "AU28")).mean(0).round().astype(int)
    assert jaw[middle[0] + 2 : middle[0] + 8, middle[1]].all()


def test_no_images_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", "attention", "--images", "0"]) == 2
    assert "--images" in capsys.readouterr().err


def test_the_command_makes_whole_people(
    tiny_model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = attention.recipes
    monkeypatch.setattr(
        attention, "recipes", lambda *of: [r.model_copy(update={"steps": 2}) for r in wanted(*of)]
    )
    target, sheet = tmp_path / "attention.json", tmp_path / "attention.jpg"
    arguments = ["--models", str(tiny_model_folder), "--images", "5"]
    outputs = ["--json", str(target), "--sheet", str(sheet)]
    assert cli.main(["eval", "attention", *arguments, *outputs]) == 0
    figures = json.loads(target.read_text())
    assert (figures["images"], figures["people"]) == (22, 1)
    assert (
        figures["weights_sha256"] == load_builtin(tiny_model_folder).check(Recipe()).weights_sha256
    )
    assert sheet.read_bytes().startswith(b"\xff\xd8")
    assert "at least twice chance" in capsys.readouterr().out
