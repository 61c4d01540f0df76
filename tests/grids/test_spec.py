from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.grids.spec import MAX_CELLS, Grid

UNITS = {"kind": "units", "values": ["AU4", "AU12"]}
INTENSITY = {"kind": "intensity", "values": [0, 2.5, 5]}
SEEDS = {"kind": "seed", "values": [3, 2**62]}


def aus(grid: Grid) -> list[dict[str, float]]:
    return [cell.recipe.action_units for cell in grid.cells]


def test_units_by_intensity_in_reading_order() -> None:
    grid = Grid.parse({"rows": UNITS, "columns": INTENSITY})
    assert aus(grid) == [{key: v} for key in ("AU4", "AU12") for v in (0.0, 2.5, 5.0)]
    assert [(c.index, c.row, c.column) for c in grid.cells][4] == (4, 1, 1)
    assert grid.name(grid.cells[4]) == "AU12 lip corner puller, intensity 2.5"
    assert grid.columns.names == ("0", "2.5", "5")
    turned = Grid.parse({"rows": INTENSITY, "columns": UNITS})
    assert aus(turned)[3] == {"AU12": 2.5}


def test_two_units_by_their_intensities() -> None:
    grid = Grid.parse(
        {
            "base": {"facs": "25B"},
            "rows": {"kind": "intensity", "unit": "AU12", "values": [1]},
            "columns": {"kind": "intensity", "unit": "AU45", "values": [0, 4]},
        }
    )
    assert aus(grid) == [
        {"AU25": 2.0, "AU12": 1.0, "AU43": 0.0},
        {"AU25": 2.0, "AU12": 1.0, "AU43": 4.0},
    ]
    assert grid.rows.title == "AU12 lip corner puller"


def test_units_with_units_and_the_larger_where_both_are_one() -> None:
    rows = {**UNITS, "intensity": 3}
    grid = Grid.parse({"rows": rows, "columns": {**UNITS, "intensity": 2}})
    assert aus(grid)[:2] == [{"AU4": 3.0}, {"AU4": 3.0, "AU12": 2.0}]
    assert aus(Grid.parse({"rows": SEEDS, "columns": UNITS}))[0] == {"AU4": 4.0}


def test_seeds_and_nested_fields_leave_the_rest() -> None:
    base = {"aus": {"AU6": 2}, "guidance": {"text": 3.0}, "identity_code": [0.5]}
    grid = Grid.parse(
        {"base": base, "rows": SEEDS, "columns": {"kind": "guidance.au", "values": [1, 8]}}
    )
    recipe = grid.cells[3].recipe
    assert (recipe.seed, recipe.guidance.au, recipe.guidance.text) == (2**62, 8.0, 3.0)
    people = {"kind": "identity_seed", "values": [9]}
    recipe = Grid.parse({"base": base, "rows": people, "columns": SEEDS}).cells[0].recipe
    assert (recipe.identity_seed, recipe.identity_code) == (9, None)


def test_expressions_are_presets_and_units_come_on_top() -> None:
    expressions = {"kind": "expression", "values": ["neutral", "contempt"]}
    base = {"aus": {"AU26": 4}}
    grid = Grid.parse({"base": base, "rows": expressions, "columns": SEEDS})
    assert (grid.cells[0].recipe.facs, grid.cells[0].recipe.expression) == ("", "neutral")
    one_side = {"kind": "units", "values": ["AUL12", "AU4"], "intensity": 5}
    grid = Grid.parse({"base": base, "rows": expressions, "columns": one_side})
    assert aus(grid)[2] == {"AUR12": 2.0, "AUR14": 3.0, "AUL12": 5.0}


def test_one_side_that_is_moved_leaves_the_other() -> None:
    one_side = {"kind": "units", "values": ["AUL12"], "intensity": 5}
    grid = Grid.parse({"base": {"aus": {"AU12": 2}}, "rows": one_side, "columns": SEEDS})
    assert aus(grid)[0] == {"AUR12": 2.0, "AUL12": 5.0}


def test_it_goes_round_by_json_and_is_read_from_yaml(tmp_path: Path) -> None:
    grid = Grid.parse({"base": {"text": "a man", "seed": 2**60}, "rows": UNITS, "columns": SEEDS})
    assert Grid.parse_text(grid.to_json().encode()) == grid
    file = tmp_path / "grid.yaml"
    file.write_text("rows: {kind: units, values: [AU4]}\ncolumns: {kind: seed, values: [1, 2]}")
    assert len(Grid.load(file).cells) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base": {"stepps": 3}}, "base.stepps"),
        ({"base": {"aus": {"AU12": 9}}}, "base.aus.AU12"),
        ({"base": {"enriched_text": "she smiles"}}, "base.enriched_text"),
        ({"rows": {"kind": "hat", "values": [1]}}, "rows.kind"),
        ({"rows": {**UNITS, "unit": "AU4"}}, "rows.unit"),
        ({"rows": {**UNITS, "intensity": 9}}, "rows.intensity"),
        ({"rows": {**UNITS, "values": []}}, "rows.values"),
        ({"rows": {**UNITS, "values": ["AU4", "AU4"]}}, "rows.values"),
        ({"rows": {**UNITS, "values": ["AU99"]}}, "rows.values"),
        ({"rows": {**SEEDS, "intensity": 3}}, "rows.intensity"),
        ({"columns": {"kind": "seed", "values": [-1]}}, "columns.values"),
        ({"columns": {"kind": "seed", "values": [True]}}, "columns.values"),
        ({"columns": {"kind": "guidance.au", "values": [99]}}, "columns.values"),
        ({"columns": {"kind": "guidance.semantic", "values": [2]}}, "base.expression"),
        ({"columns": {"kind": "expression", "values": ["joy"]}}, "columns.values"),
        ({"columns": {"kind": "intensity", "unit": "AU4", "values": [1]}}, "columns.unit"),
        ({"columns": {"kind": "units", "values": ["AUL12"]}}, "columns.values"),
        ({"rows": SEEDS}, "columns.unit"),
        ({"rows": SEEDS, "columns": SEEDS}, "columns.kind"),
        ({"hat": 1}, "hat"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        Grid.parse({"rows": UNITS, "columns": INTENSITY, **change})
    assert (caught.value.field or "").startswith(field)


def test_the_limit_is_in_the_error_and_unknown_units_stay_unsupported() -> None:
    many = {"kind": "seed", "values": list(range(50))}
    with pytest.raises(RequestError) as caught:
        Grid.parse({"rows": many, "columns": {"kind": "steps", "values": list(range(1, 50))}})
    assert str(MAX_CELLS) in (caught.value.allowed or "")
    with pytest.raises(UnsupportedError):
        Grid.parse({"rows": {"kind": "units", "values": ["AU11"]}, "columns": SEEDS})
    with pytest.raises(RequestError):
        Grid.parse([])


def test_axes_over_the_scene_change_one_field_of_it() -> None:
    grid = Grid.parse(
        {
            "base": {"backbone": "facekit", "scene": {"background": "#808080"}},
            "rows": {"kind": "scene.yaw", "values": [-20, 0, 20]},
            "columns": {"kind": "scene.hair", "values": [True, False]},
        }
    )
    scenes = [cell.recipe.scene for cell in grid.cells]
    assert [(s.yaw, s.hair) for s in scenes if s] == [
        *((-20, True), (-20, False), (0, True), (0, False), (20, True), (20, False))
    ]
    assert {s.background for s in scenes if s} == {"#808080"}
    assert grid.name(grid.cells[1]) == "head turned -20, hair no"
    assert Grid.parse_text(grid.to_json().encode()) == grid


@pytest.mark.parametrize(
    ("kind", "value"),
    [("scene.yaw", 41), ("scene.light", "sun"), ("steps", True), ("guidance.au", True)],
)
def test_values_of_the_scene_are_checked(kind: str, value: object) -> None:
    with pytest.raises(RequestError) as caught:
        Grid.parse({"rows": {"kind": kind, "values": [value]}, "columns": SEEDS})
    assert caught.value.field == "rows.values"
