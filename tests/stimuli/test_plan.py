from __future__ import annotations

import pytest

from synfer_core.conditioning import sets_aus
from synfer_core.errors import RequestError
from synfer_core.request import SceneOptions
from synfer_core.stimuli.plan import NEUTRAL, Plan, scaled
from synfer_core.stimuli.spec import StimulusSet


def plan(**fields: object) -> Plan:
    values = {"identities": [5, 6], "expressions": ["happiness"], "intensities": [50, 100]}
    return Plan.of(StimulusSet.parse({**values, **fields}))


def test_every_person_has_a_neutral_image_and_then_all_steps() -> None:
    made = plan(action_units=["AU4"])
    assert [s.file for s in made.stimuli[:5]] == [
        "001_neutral_000_front.png",
        "001_happiness_050_front.png",
        "001_happiness_100_front.png",
        "001_AU4_050_front.png",
        "001_AU4_100_front.png",
    ]
    assert len(made.stimuli) == 10
    assert [s.recipe.identity_seed for s in made.neutrals] == [5, 6]
    assert {s.expression for s in made.neutrals} == {NEUTRAL}


def test_a_neutral_image_asks_for_no_unit_instead_of_leaving_it_to_the_words() -> None:
    neutral = plan().neutrals[0].recipe
    assert sets_aus(neutral)
    assert neutral.action_units == {}


def test_intensities_are_shares_of_the_apex() -> None:
    assert scaled({"AU6": 3.0, "AU12": 4.0}, 10) == {"AU6": 0.3, "AU12": 0.4}
    half = plan().stimuli[1]
    assert half.recipe.aus == {"AU6": 1.5, "AU12": 2.0, "AU25": 1.0}
    assert half.facs == "6B+12B+25A"


def test_images_share_seed_and_words_and_people_have_words_of_their_own() -> None:
    people = [5, {"seed": 6, "text": "an old man"}]
    made = plan(identities=people, recipe={"seed": 8, "text": "plain background"})
    assert {s.recipe.seed for s in made.stimuli} == {8}
    assert {s.recipe.expression for s in made.stimuli} == {None}
    assert made.stimuli[0].recipe.text == "plain background"
    assert made.stimuli[-1].recipe.text == "plain background, an old man"


def test_names_must_tell_images_apart() -> None:
    with pytest.raises(RequestError) as caught:
        plan(files={"template": "{subject}_{expression}.png"})
    assert caught.value.field == "files.template"


def test_all_people_stand_in_one_scene_unless_each_has_their_own() -> None:
    recipe = {"seed": 9, "scene": {"background": "#808080"}}
    assert {s.recipe.seed for s in plan(recipe=recipe).stimuli} == {9}
    own = plan(recipe=recipe, same_scene=False).stimuli
    by_person = {s.recipe.identity_seed: {t.recipe.seed for t in own
                 if t.subject == s.subject} for s in own}  # fmt: skip
    assert all(len(seeds) == 1 for seeds in by_person.values())
    assert by_person[5] != by_person[6]
    assert {s.recipe.scene for s in own} == {SceneOptions(background="#808080")}


def test_images_without_alpha_have_no_transparent_background() -> None:
    with pytest.raises(RequestError) as caught:
        plan(recipe={"scene": {"background": "transparent"}})
    assert caught.value.field == "recipe.scene.background"
    assert "#rrggbb" in (caught.value.allowed or "")


def test_exact_faces_are_framed_by_the_eyes_unless_told_otherwise() -> None:
    def framing(align: str, **recipe: object) -> str | None:
        made = plan(recipe=recipe, treatment={"align": align}).neutrals[0].recipe
        return made.scene and made.scene.framing

    assert framing("eyes", backbone="facekit") == "eyes"
    assert framing("eyes", backbone="facekit", scene={"yaw": 5, "framing": "head"}) == "head"
    assert framing("none", backbone="facekit", scene={"yaw": 5}) is None
    assert framing("eyes") is None
