"""The scene's controls: markup, forms, and the studio's page with them."""

from __future__ import annotations

from app.schemas import forms_of, page_recipe, unsupported_fields
from app.ui.scene import scene_html
from app.ui.stimuli import FIRST, spec_of
from synfer_core.models.backbone import NO_SCENE, Capabilities
from synfer_core.request import Recipe, SceneOptions


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
