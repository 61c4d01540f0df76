"""The scene's controls: markup, forms, and the studio's page with them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright import sync_api

from app.schemas import forms_of, page_recipe, unsupported_fields
from app.ui import data_recipe
from app.ui.grids import form_of as form_of_grid
from app.ui.grids import grid_of
from app.ui.morphs import continuum_of, taken
from app.ui.scene import FRONTAL, scene_html
from app.ui.stimuli import FIRST, spec_of
from synfer_core.errors import RequestError
from synfer_core.models.backbone import NO_SCENE, Capabilities
from synfer_core.provenance.marking import Marking
from synfer_core.request import Recipe, SceneOptions
from synfer_core.synthesizer import Synthesizer
from tests.app.browsing import IN_A_BROWSER, Visit, choose, open_tab


def backbone(name: str, *, scene: bool) -> Capabilities:
    return Capabilities(
        name=name,
        title=name,
        note="",
        image_size=64,
        aus=("AU12",),
        text=True,
        identity=True,
        guidance=True,
        attention=True,
        steps=True,
        scene=scene,
        reasons={} if scene else {"scene": NO_SCENE},
    )


BACKBONES = {
    "facekit": backbone("facekit", scene=True),
    "builtin": backbone("builtin", scene=False),
}


def test_every_field_has_a_control() -> None:
    markup = scene_html("studio")
    for name in SceneOptions.model_fields:
        assert f'data-scene="{name}"' in markup
        assert f"scene.{name}" in markup
    assert 'value="transparent"' in markup
    assert 'value="transparent"' not in scene_html("set", whole=False)


def test_the_forms_give_the_scene_back() -> None:
    scene = {"yaw": 12.0, "background": "#3c91e6", "hair": False}
    recipe = Recipe.parse({"backbone": "facekit", "scene": scene})
    forms = forms_of(recipe)
    assert forms.controls["scene"] == scene
    assert page_recipe(forms.panel, forms.controls, BACKBONES) == recipe
    assert "scene" not in forms_of(Recipe()).controls


def test_an_engine_without_a_scene_is_asked_for_none() -> None:
    assert "scene" in unsupported_fields(BACKBONES["builtin"])
    forms = forms_of(Recipe.parse({"scene": {"yaw": 12.0}}))
    assert page_recipe(forms.panel, forms.controls, BACKBONES).scene is None


def test_a_set_takes_the_scene_of_its_form() -> None:
    form = {**FIRST, "recipe": {"seed": "4", "backbone": "facekit", "scene": {"yaw": 0}}}
    spec = spec_of(form)
    assert spec.same_scene
    assert spec.recipe["scene"] == {"yaw": 0}
    assert not spec_of({**form, "same_scene": False}).same_scene
    assert "scene" not in spec_of({**form, "recipe": {"seed": "4", "scene": None}}).recipe


def test_a_grid_takes_the_scene_of_its_form_and_gives_it_back() -> None:
    forms = forms_of(Recipe.parse({"backbone": "facekit", "identity_seed": 3}))
    form = {
        "base": {"panel": forms.panel, "controls": {**forms.controls, "scene": {"yaw": -8}}},
        "rows": {"kind": "identity_seed", "values": "1, 2"},
        "columns": {"kind": "scene.pitch", "values": "0, 5"},
    }
    grid = grid_of(form, BACKBONES)
    assert [cell.recipe.scene for cell in grid.cells][1] == SceneOptions(yaw=-8, pitch=5)
    assert {cell.recipe.seed for cell in grid.cells} == {0}
    apart = grid_of({**form, "same_scene": False}, BACKBONES)
    assert len({cell.recipe.seed for cell in apart.cells}) == 2
    assert grid_of(form_of_grid(apart), BACKBONES) == apart
    plain = {**forms.controls, "backbone": "builtin", "scene": {"yaw": 3}}
    alike = {**form, "base": {"panel": {}, "controls": plain}, "columns": form["rows"]}
    alike["rows"] = {"kind": "intensity", "unit": "AU12", "values": "0, 5"}
    assert grid_of(alike, BACKBONES).base.scene is None
    wrong = {"panel": {}, "controls": {**forms.controls, "scene": {"yaw": 90}}}
    with pytest.raises(RequestError) as caught:
        grid_of({**form, "base": wrong}, BACKBONES)
    assert f" {caught.value.field} " in scene_html("grid")


def test_a_continuum_takes_the_scene_of_its_form() -> None:
    scene = {"roll": 6.0, "background": "transparent"}
    recipe = Recipe.parse({"backbone": "facekit", "aus": {"AU12": 3}, "scene": scene})
    form = {**taken(recipe, Marking()), "frames": 3, "fps": 10, "course": "rise", "even": False}
    assert "the transparent background" in form["left"]
    assert continuum_of(form).frame(1.0).scene is None
    assert continuum_of({**form, "scene": {"roll": 4}}).frame(0.5).scene == SceneOptions(roll=4)
    with pytest.raises(RequestError) as caught:
        continuum_of({**form, "scene": {"roll": 40}})
    assert f" {caught.value.field} " in scene_html("morph")


def test_the_recipe_of_a_data_set_takes_the_scene_of_its_form() -> None:
    text = "counts: 2\nbackbone: facekit\nrecipe: {steps: 9, scene: {light: studio}}\n"
    form = data_recipe.form_of(data_recipe.spec_of(text, 10))
    assert form["scene"] == {"light": "studio"}
    changed = data_recipe.merged(text, {**form, "scene": {"yaw": 5}})
    shared = {"steps": 9, "scene": {"yaw": 5}}
    assert data_recipe.spec_of(changed, 10).recipe == shared
    bare = data_recipe.merged(changed, {**form, "scene": None})
    assert data_recipe.spec_of(bare, 10).recipe == {"steps": 9}
    with pytest.raises(RequestError) as caught:
        data_recipe.spec_of(data_recipe.merged(text, {**form, "scene": {"yaw": 90}}), 10)
    assert f" data.{caught.value.field} " in scene_html("data")


class TestInABrowser:
    pytestmark = IN_A_BROWSER

    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
        """The recipes that are made from here on."""
        begun: list[Recipe] = []
        stream = Synthesizer.stream

        def noted(self: Synthesizer, recipe: Recipe) -> Any:
            begun.append(recipe)
            return stream(self, recipe)

        monkeypatch.setattr(Synthesizer, "stream", noted)
        return begun

    def test_grids_and_morphs_make_the_scene_that_is_set(
        self, light: Visit, made: list[Recipe]
    ) -> None:
        page, frontal = light.page, SceneOptions(**FRONTAL)
        open_tab(page, "Grids")
        small(page, "grid")
        controls = page.locator(".scene[data-place=grid]")
        sync_api.expect(controls.locator(".state")).to_have_text("7 set")
        controls.locator("summary").click()
        controls.get_by_label("Head turned", exact=True).fill("15")
        controls.get_by_label("Glasses").select_option("round")
        page.get_by_role("button", name="AU by AU").click()
        rows, columns = (page.locator(f'[data-axis="{axis}"]') for axis in ("rows", "columns"))
        rows.get_by_label("Values").fill("4")
        columns.get_by_label("Values").fill("2")
        page.get_by_role("button", name="Make the grid").click()
        done = page.locator(".grid-stage")
        sync_api.expect(done).to_have_attribute("data-phase", "done", timeout=60_000)
        assert made[-1].scene == frontal.model_copy(update={"yaw": 15.0, "glasses": "round"})

        open_tab(page, "Morphs")
        small(page, "morph")
        page.locator("#morph-frames").fill("2")
        page.locator("[data-morph=even]").uncheck()
        page.get_by_role("button", name="Take the face from Studio").click()
        controls = page.locator(".scene[data-place=morph]")
        controls.locator("summary").click()
        controls.get_by_label("Light", exact=True).select_option("studio")
        page.get_by_role("button", name="Make the continuum").click()
        sync_api.expect(page.locator(".film .status")).to_have_text(
            re.compile("2 frames"), timeout=60_000
        )
        assert made[-1].scene == SceneOptions(light="studio"), "the Studio's, which says nothing"
        assert made[-1].aus == {"AU6": 3.0, "AU12": 4.0, "AU25": 2.0}


def small(page: sync_api.Page, place: str) -> None:
    """The exact renderer at its smallest size on the page."""
    choose(page, "facekit", place)
    page.locator(f"input[name={place}-size][value='128']").check(force=True)
