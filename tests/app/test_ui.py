from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.compare import Made
from app.drafts import Drafted
from app.figures import Figures
from app.jobs import Snapshot, State
from app.schemas import forms_of, page_recipe, refines, turn_of, wanted_marking
from app.settings import Settings
from app.ui import controls, curve, engines, label, page, pictures, results, sliders
from synfer_core.drafts import Draft
from synfer_core.errors import ImageError, RequestError, UnsupportedError
from synfer_core.faces.second_opinion import NO_FACE, PENDING, SecondOpinion
from synfer_core.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES, Expression
from synfer_core.models.backbone import Capabilities
from synfer_core.provenance.reading import Provenance, read
from synfer_core.report import (
    Annotation,
    AttentionMaps,
    AUReading,
    Evidence,
    GuidancePoint,
    Label,
    Progress,
    Result,
    Status,
    Verdict,
)
from synfer_core.request import Guidance, Recipe, SemanticOptions

UNITS = tuple(unit.key for unit in ACTION_UNITS.values())
FULL = Capabilities(
    *("builtin", "Built-in", "", 64, UNITS, True, True, True, True, True, True),
    guides=("image",),
    editing=True,
    identity_image=True,
    holding=True,
    scene=True,
    variation=True,
)
PLAIN = Capabilities("plain", "Plain", "", 64, ("AU12", "AUL4"), False, True, False, False, False)
BACKBONES = {"builtin": FULL, "plain": PLAIN}


class Balance(HTMLParser):
    """Checks that every tag that opens closes, in order."""

    VOID = frozenset(
        {"input", "img", "br", "meta", "circle", "path", "rect", "ellipse", "polyline"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def check_markup(markup: str) -> None:
    parser = Balance()
    parser.feed(markup)
    parser.close()
    assert parser.open == []
    # Gradio reads templates as JavaScript template strings and as Handlebars.
    assert not re.search(r"`|\$\{|\{\{|\\", markup)


def recipe(**fields: Any) -> Recipe:
    return Recipe.parse({"text": "a smile", "aus": {"AU12": 4.0, "AU25": 2.0}, **fields})


def result(**fields: Any) -> Result:
    read = Label((0.02, 0.1, 0.02, 0.6, 0.2, 0.02, 0.02, 0.02), "FERAnno abc")
    given: dict[str, Any] = {
        "recipe": recipe(expression="fear", seed=3),
        "image": np.full((8, 8, 3), 90, np.uint8),
        "label": read,
        "readings": (AUReading({"AUL12": 3.0, "AUR12": 4.0, "AU26": 2.0}, "au-reader 1"),),
        "attention": AttentionMaps({"AUL12": np.eye(4, dtype=np.float32)}),
        "seconds": {"generation": 1.5, "annotation": 0.5},
    }
    return Result(**{**given, **fields})


def shown(plain: Result | None = None, **fields: Any) -> Made:
    return Made(result(**fields), plain)


def annotation() -> Annotation:
    made = result(readings=(AUReading({"AU26": 2.0}, "au-reader 1"),))
    return Annotation(made.image, made.label, made.readings, made.attention)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_markup_is_whole(expression: str) -> None:
    panel, form = forms_of(recipe()).panel, forms_of(recipe()).controls
    assert panel["aus"]
    check_markup(sliders.panel_html(expression))
    check_markup(controls.controls_html(BACKBONES, form))
    check_markup(results.stage_html(main=True, empty="wait"))


def test_report_is_whole_and_escapes_what_users_wrote() -> None:
    markup = results.report_html(shown(recipe=recipe(text="<script>alert(1)</script>")), Figures())
    assert "<script" not in markup
    assert "&lt;script&gt;" in markup


def test_every_unit_has_a_slider_and_sided_ones_have_three() -> None:
    keys = re.findall(r'data-key="(AU[LR]?\d+)"', sliders.panel_html("neutral"))
    wanted = sum(3 if unit.sided else 1 for unit in ACTION_UNITS.values())
    assert len(keys) == len(set(keys)) == wanted


def test_presets_carry_the_prototypes() -> None:
    found = re.findall(r"data-expression=\"(\w+)\".*?data-aus='(.*?)'", sliders.panel_html("fear"))
    assert {name: json.loads(aus) for name, aus in found} == {
        name: dict(aus) for name, aus in PROTOTYPES.items()
    }


def test_facs_box_reads_writes_and_says_what_is_wrong() -> None:
    assert sliders.read_facs("l12d+4b") == {"aus": {"AUL12": 4.0, "AU4": 2.0}}
    assert sliders.write_facs({"AUL12": 4.0, "AU4": 2.2}) == "4B+L12D"
    answer = sliders.read_facs("12D+12")
    assert isinstance(answer["error"], dict)
    assert answer["error"]["field"] == "facs"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"identity_seed": 2**63 - 1, "seed": 2**62},
        {"aus": {"AUL12": 1.5, "AU4": 0.3}, "expression": "anger", "size": 128},
        {"aus": {}, "facs": "1C+L2B", "guidance": Guidance(text=7.5, au=1.0).model_dump()},
        {"identity_code": [0.5, -1.25], "scheduler": "dpm++", "steps": 3, "au_scale": 0.35},
        {"enriched_text": "a man, with lip corners pulled up"},
        {"expression": "fear", "guidance": {"semantic": 2.5}, "semantic": {"acts_on": "both"}},
        {"semantic": {"first": 0.25, "last": 0.5, "every": 3}},
        {"semantic": {"fade": False, "acts_on": "aus"}},
        {"reference": "sample:ada", "inversion_depth": 0.5, "keep": 0.25},
        {"reference": "sample:ada"},
        {"identity_image": "sample:ada", "reference": "sample:bayo"},
        {"identity_image": "sample:ada", "identity_scale": 1.25},
        {"reference": "sample:ada", "reference_aus": {"AU12": 3.0}},
    ],
)
def test_a_recipe_survives_the_forms(changes: dict[str, Any]) -> None:
    before = recipe(**changes)
    forms = json.loads(json.dumps(forms_of(before).__dict__))
    after = page_recipe(forms["panel"], forms["controls"], BACKBONES)
    expected = {**before.model_dump(), "facs": None, "aus": before.action_units}
    assert after.model_dump() == expected


def test_greyed_out_controls_do_not_count() -> None:
    forms = forms_of(
        recipe(
            identity_seed=5,
            steps=50,
            negative_text="blur",
            enriched_text="a man",
            expression="fear",
            guidance={"semantic": 2.0},
            semantic={"acts_on": "both", "first": 0.0},
        )
    )
    made = page_recipe(forms.panel, {**forms.controls, "backbone": "plain"}, BACKBONES)
    assert (made.text, made.negative_text, made.steps) == ("", "", 20)
    assert (made.enriched_text, made.guidance.semantic) == (None, 0.0)
    assert made.semantic == SemanticOptions()
    assert made.identity_seed == 5
    assert made.aus == {"AU12": 4.0}, "AU25 is not in the backbone's list"


def test_sides_a_backbone_lacks() -> None:
    assert [PLAIN.moves(key) for key in ("AU12", "AUL12", "AUL4", "AUR4", "AU4", "AU1")] == [
        *(True, True, True, False, False, False)
    ]


@pytest.mark.parametrize(
    ("panel", "form", "field"),
    [
        ({"facs": "99C"}, {}, "facs"),
        ({"aus": {"AU12": 7}}, {}, "aus.AU12"),
        ({"aus": {"AU12": float("nan")}}, {}, "aus.AU12"),
        ({"aus": {"AU12": 1, "AUL12": 2}}, {}, "aus.AUL12"),
        ({"aus": [1]}, {}, "aus"),
        ({}, {"seed": "abc"}, "seed"),
        ({}, {"seed": "-1"}, "seed"),
        ({}, {"identity_seed": "9" * 19}, "identity_seed"),
        ({}, {"text": "x" * 10_000}, "text"),
        ({}, {"steps": 0}, "steps"),
        ({}, {"guidance": {"text": 99}}, "guidance.text"),
        ({}, {"backbone": "nope"}, "backbone"),
        ({}, {"colour": "red"}, "colour"),
        ({"expression": "joy"}, {}, "expression"),
        (None, {}, "recipe"),
    ],
)
def test_wrong_input_names_its_field(panel: Any, form: dict[str, Any], field: str) -> None:
    base = forms_of(recipe())
    with pytest.raises(RequestError) as caught:
        page_recipe(panel, {**base.controls, **form}, BACKBONES)
    assert caught.value.field == field


def test_backbone_facts_give_reasons() -> None:
    facts = engines.engine_facts(PLAIN)
    assert facts["units"] == ["12"]
    assert facts["cannot"]["text"] == "Plain reads no words."
    assert set(facts["cannot"]) == {
        *("text", "enriched_text", "negative_text", "guidance", "au_scale", "steps", "scheduler"),
        *("guidance.semantic", "semantic", "reference", "inversion_depth", "keep", "scene"),
        *("identity_image", "identity_scale", "variation"),
    }
    assert facts["units_why"].startswith("Plain moves 1 of the 22 action units")
    assert engines.engine_facts(FULL)["cannot"] == {}
    assert engines.engine_facts(FULL)["units_why"] == ""


def test_a_backbone_gives_its_own_reasons_and_declares_what_it_is() -> None:
    own = {"identity": "keeps no identity", "aus": "has no AU adapter", "sides": "knows no sides"}
    own["identity_image"] = "has no IP-Adapter"
    lacking = replace(FULL, identity=False, identity_image=False, aus=(), sides=False)
    backbone = replace(lacking, image_size=512, reasons=own)
    facts = engines.engine_facts(backbone)
    assert facts["cannot"] == {
        "identity_seed": "Built-in keeps no identity.",
        "identity_code": "Built-in keeps no identity.",
        "identity_image": "Built-in has no IP-Adapter.",
        "identity_scale": "Built-in has no IP-Adapter.",
    }
    assert facts["units_why"] == "Built-in has no AU adapter."
    assert facts["sides_why"] == "Built-in knows no sides."
    assert facts["declares"] == (
        "Built-in: 512 px · no action units · keeps no person · reads English. "
    )
    pictured = replace(FULL, identity=False)
    assert "keeps the person of a picture" in engines.declared(pictured)
    one_sided = replace(FULL, sides=False)
    assert [one_sided.moves(key) for key in ("AU12", "AUL12")] == [True, False]
    assert engines.declared(FULL).startswith("64 px · 22 action units, 0 to 5 · keeps a person")


def test_a_backbone_without_classifiers_leaves_the_other_guidance_alone() -> None:
    backbone = replace(FULL, semantic=False, guides=())
    forms = forms_of(recipe(expression="fear", guidance={"semantic": 2.0, "au": 3.0}))
    made = page_recipe(forms.panel, forms.controls, {"builtin": backbone})
    assert (made.guidance.semantic, made.guidance.au) == (0.0, 3.0)


def test_guides_that_are_not_here_are_not_offered() -> None:
    form = forms_of(recipe()).controls
    assert 'value="image"' in controls.controls_html({"builtin": FULL}, form)
    none = replace(FULL, guides=())
    assert 'value="image"' not in controls.controls_html({"builtin": none}, form)


def test_a_blank_detailed_prompt_is_none() -> None:
    forms = forms_of(recipe())
    assert page_recipe(forms.panel, {**forms.controls, "enriched_text": " \n"}, BACKBONES) == (
        page_recipe(forms.panel, forms.controls, BACKBONES)
    )


def test_a_detailed_prompt_is_written_from_the_forms() -> None:
    write = page.enricher(BACKBONES)
    forms = forms_of(recipe(enriched_text="an old one", expression="happiness")).__dict__
    assert write(forms)["text"] == (
        "a smile, with an expression of happiness, lip corners pulled up strongly, "
        "lips parted slightly"
    )
    many = dict.fromkeys(UNITS, 5.0)
    (note,) = write({**forms, "panel": {"aus": many}})["notes"]
    assert note.startswith("left out")
    assert write({**forms, "panel": {}})["error"]["field"] == "expression"
    assert write({**forms, "panel": {"facs": "99C"}})["error"]["field"] == "facs"
    assert write(None)["error"]["field"] == "recipe"


POINTS = (GuidancePoint(1, 949, 2.3, 0.1), GuidancePoint(5, 700, 0.2, 0.82))


def test_the_curve_tells_where_guidance_began_and_ended() -> None:
    plain = result(label=Label((0.5, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05), "FERAnno abc"))
    markup = results.report_html(shown(plain, guidance_curve=POINTS), Figures())
    check_markup(markup)
    section = markup[markup.index('class="guided"') :]
    section = section[: section.index("</section>")]
    assert "fear with 10&nbsp;% at step 1 and with 82&nbsp;% at step 5" in section
    assert "<b>5&nbsp;%</b> without guidance, <b>20&nbsp;%</b> with" in section
    lines = re.findall(r'points="(.*?)"', section)
    heights = [[float(place.split(",")[1]) for place in line.split()] for line in lines]
    assert heights[0][0] > heights[0][1], "probability rises"
    assert heights[1][0] < heights[1][1], "loss falls"


def test_one_point_is_a_curve_and_none_is_no_section() -> None:
    check_markup(curve.guidance_html(POINTS[:1], "fear", None, None))
    assert curve.guidance_html((), "fear", None, None) == ""
    assert 'class="guided"' not in results.report_html(shown(), Figures())


def test_the_picture_without_guidance_stands_beside_with_its_own_maps() -> None:
    plain = result(attention=AttentionMaps({"AU12": np.eye(4, dtype=np.float32)[::-1]}))
    value = results.result_value(shown(plain))
    assert (value["name"], value["beside"]["name"]) == ("With guidance", "Without guidance")
    assert [m["key"] for m in value["beside"]["maps"]] == [m["key"] for m in value["maps"]]
    assert value["beside"]["maps"][0]["url"] != value["maps"][0]["url"]
    assert "beside" not in results.result_value(shown())


def test_the_face_that_was_edited_stands_beside_and_its_round_trip_is_told() -> None:
    made = Made(result(reconstruction_psnr=26.04), None, np.zeros((8, 8, 3), np.uint8))
    value = results.result_value(made)
    assert (value["name"], value["beside"]["name"]) == ("After", "Before")
    markup = results.report_html(made, Figures())
    check_markup(markup)
    assert "a little softer, the person the same: <b>26.0" in markup
    assert "reconstruction" not in results.report_html(shown(), Figures())


@pytest.mark.parametrize(
    ("psnr", "words"), [(35, "almost as it was"), (19, "visibly changed"), (5, "another face")]
)
def test_a_round_trip_in_words(psnr: float, words: str) -> None:
    assert words in results.reconstruction_html(psnr)


def verdict(status: Status, name: Expression, was: Expression | None = None) -> Verdict:
    sure = (0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0, 0.0)
    torn = (0.0, 0.0, 0.0, 0.3, 0.25, 0.45, 0.0, 0.0)
    evidence = (Evidence("feranno", sure, 0.7), Evidence("mine <b>", torn, 0.3))
    return Verdict(status, name, was, 0.72, evidence)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (verdict("confirmed", "surprise"), "<strong>Surprise</strong> 72 %"),
        (verdict("relabelled", "surprise", "fear"), "Fear &rarr; <strong>Surprise</strong> 72 %"),
        (verdict("rejected", "fear"), "rejected as uncertain"),
    ],
)
def test_a_verdict_stands_with_its_evidence(said: Verdict, text: str) -> None:
    for markup in (
        results.report_html(shown(verdict=said), Figures()),
        results.annotation_html(replace(annotation(), verdict=said)),
    ):
        check_markup(markup)
        section = markup[markup.index('class="vote"') :]
        section = section[: section.index("</section>")]
        assert text in section
        assert "mine &lt;b&gt;" in section
        assert "itself disgust, 45 %" in section, "an expert that says otherwise is quoted"
        assert section.count('class="bar-row') == (4 if said.was else 2)
    assert label.vote_html(None) == ""


def test_label_and_target_stand_apart_when_they_disagree() -> None:
    markup = results.report_html(shown(), Figures())
    assert "meant as fear" in markup
    rows = dict(re.findall(r'class="bar-row (.*?)"><span class="bar-name">(\w+)', markup))
    assert rows["read"] == "Surprise"
    assert rows["meant"] == "Fear"
    agreed = results.report_html(shown(recipe=recipe(expression="surprise")), Figures())
    assert "as meant" in agreed
    assert "meant as" not in agreed


@pytest.mark.parametrize(
    ("p", "text"),
    [(0, "0 %"), (0.001, "&lt;1 %"), (0.5, "50 %"), (0.9999, "&gt;99 %"), (1, "100 %")],
)
def test_percent_claims_no_certainty(p: float, text: str) -> None:
    assert label.percent(p) == text


def test_readback_sets_asked_against_measured() -> None:
    markup = results.readback_html(result().readings, {"AU12": 4.0, "AU25": 2.0})
    rows = re.findall(r"<b>(\w+)</b>.*?</tr>", markup)
    assert rows == ["12", "25", "26"], "asked for first, then what else was seen"
    assert "3.5 <small>D</small>" in markup, "both sides are the mean of the two"
    assert 'title="not measured by this reader"' in markup
    assert "Read by au-reader 1" in markup


def test_mediapipe_stands_beside_the_au_reader() -> None:
    opinion = SecondOpinion(AUReading({"AUL12": 2.0, "AUR12": 2.4, "AU26": 1.0}, "mediapipe 1"))
    markup = results.readback_html(result().readings, {"AU12": 4.0, "AU25": 2.0}, opinion)
    heads = re.findall(r"<th>(.*?)</th>", markup)
    assert heads == ["Unit", "Asked", "AU reader", "MediaPipe"]
    twelve, other = re.findall(r"<tr>(.*?)</tr>", markup)[1:]
    assert re.findall(r"(\d\.\d) <small>", twelve) == ["4.0", "3.5", "2.2"]
    assert other.count("&ndash;") == 2, "neither reader measures unit 25 here"
    assert "needs a face it can find" in markup


@pytest.mark.parametrize(
    ("opinion", "mark"),
    [
        (PENDING, "&hellip;"),
        (NO_FACE, "&ndash;"),
        (SecondOpinion(None, "It is <missing>.", "Fetch it."), "&ndash;"),
    ],
)
def test_a_silent_mediapipe_leaves_a_mark_and_says_why(opinion: SecondOpinion, mark: str) -> None:
    markup = results.annotation_html(annotation(), opinion)
    check_markup(markup)
    (row,) = re.findall(r"<tr>(.*?)</tr>", markup)[1:]
    assert re.findall(r"&\w+;(?=</td>)", row) == [mark]
    assert f'missing">{escape(opinion.why)}</p>' in markup
    assert ("What to do</summary>Fetch it." in markup) == bool(opinion.remedy)


def test_mediapipe_may_be_the_only_reader() -> None:
    opinion = SecondOpinion(AUReading({"AU26": 3.0}, "mediapipe 1"))
    markup = results.readback_html((), {"AU26": 4.0}, opinion)
    assert re.findall(r"<th>(.*?)</th>", markup) == ["Unit", "Asked", "MediaPipe"]
    silent = results.readback_html((), {"AU26": 4.0}, NO_FACE)
    assert "No reader of action units is available here." in silent
    assert NO_FACE.why in silent


def test_a_unit_nobody_asked_for_shows_by_its_side_where_only_one_moves() -> None:
    aus = {"AUL14": 0.2, "AUR14": 3.0, "AUL4": 0.9, "AUR4": 1.0, "AUL1": 2.0, "AUR1": 2.2}
    markup = results.readback_html((AUReading(aus, "au-reader 1"),), {})
    assert re.findall(r"<b>(\w+)</b>", markup) == ["1", "R14"]


def test_weak_readings_are_marked() -> None:
    reading = AUReading({"AU6": 3.0}, "mediapipe 1", frozenset({"AUL6"}))
    markup = results.readback_html((reading,), {"AU6": 3.0})
    assert 'class="weak"' in markup
    assert "Greyed" in markup


def test_overlays_join_sides_and_keep_words_apart() -> None:
    left, right = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    left[0, 0] = right[3, 3] = 1.0
    maps = {"AUL12": left, "AUR12": right, "word:0:a": left, "word:1:smile": left, "word:2:,": left}
    maps["AU9"] = left
    choices = results.overlay_choices(AttentionMaps(maps), ["AU12", "AU25"])
    assert [(c["key"], c["label"]) for c in choices] == [
        ("AU12", "12 Lip corner puller"),
        ("word:1:smile", "\u201csmile\u201d"),
    ]
    heat = np.asarray(decoded(choices[0]["url"]))[..., 3]
    assert heat[2, 2] > 200
    assert heat[-3, -3] > 200
    assert heat[2, -3] < 20


def test_heat_takes_odd_maps() -> None:
    odd = np.array([[np.nan, -1.0], [2.0, 0.5]], np.float32)
    assert decoded(pictures.heat_url(odd)).mode == "RGBA"


def test_the_picture_carries_its_recipe() -> None:
    made = result()
    value = results.result_value(Made(made))
    content = base64.b64decode(value["image"].split(",")[1])
    assert page.recipe_of(content) == made.recipe
    assert value["file"] == "synfer_pany_fear_s3.png"


def test_a_draft_tells_which_value_it_shows_and_what_it_waits_for() -> None:
    draft = Draft(recipe(), np.zeros((4, 4, 3), np.uint8))
    done = Snapshot("", State.DONE, 0, None, Drafted(9, draft), None)
    value = results.draft_value(done, 7)
    assert (value["turn"], value["waits"]) == (9, False), "a newer value was made in its place"
    assert decoded(value["image"]).size == (4, 4)
    queued = results.draft_value(Snapshot("", State.QUEUED, 2, None, None, None), 7)
    assert (queued["turn"], queued["waits"], queued["image"]) == (7, True, None)
    assert queued["status"] == "Waiting: 1 other first"
    given_up = results.draft_value(Snapshot("", State.CANCELLED, 0, None, None, None), 7)
    assert (given_up["turn"], given_up["waits"], given_up["image"]) == (7, False, None)


def test_a_run_that_refines_shows_no_previews() -> None:
    preview = np.zeros((4, 4, 3), np.uint8)
    running = Snapshot("", State.RUNNING, 0, Progress(3, 20, "denoising", preview), None, None)
    assert results.progress_value(running, previews=False)["image"] is None


def test_what_the_page_tells_of_drafts_is_no_part_of_the_recipe() -> None:
    forms = forms_of(recipe())
    said = forms.controls | {"turn": 4, "refines": True}
    assert page_recipe(forms.panel, said, BACKBONES) == recipe()
    assert (turn_of(said), refines(said)) == (4, True)
    assert (turn_of({"turn": "x"}), turn_of(None), refines({"refines": 1})) == (0, 0, False)


def test_progress_in_words() -> None:
    def value(state: State, ahead: int, progress: Progress | None) -> dict[str, Any]:
        return results.progress_value(Snapshot("", state, ahead, progress, None, None))

    assert value(State.QUEUED, 1, None)["status"] == "Waiting: next in line"
    assert value(State.QUEUED, 3, None)["status"] == "Waiting: 2 others first"
    preview = np.zeros((4, 4, 3), np.uint8)
    shown = value(State.RUNNING, 0, Progress(3, 20, "denoising", preview))
    assert shown["status"] == "Forming the face: step 3 of 20"
    assert decoded(shown["image"]).size == (4, 4)


def test_loading_a_recipe_answers_with_forms_or_an_error() -> None:
    read = page.recipe_reader(1)
    sent = {"data": base64.b64encode(recipe(seed=9).to_json().encode()).decode()}
    assert read(sent)["controls"]["seed"] == "9"
    for content in (b"hello", b"\x89PNG broken", b'{"text": "a", "text": "b"}', b"[]"):
        answer = read({"data": base64.b64encode(content).decode()})
        assert answer["error"]["field"] == "recipe"
    assert (
        "large" in read({"data": base64.b64encode(bytes(1_000_001)).decode()})["error"]["message"]
    )
    assert read({"data": "***"})["error"]["type"] == "RequestError"


def test_a_loaded_recipe_runs_with_the_weights_at_hand() -> None:
    made = recipe(weights_sha256="a" * 64)
    assert page.recipe_of(made.to_json().encode()).weights_sha256 is None
    with pytest.raises(ImageError):
        page.recipe_of(b"\x89PNG\r\n\x1a\n")


def test_settings_come_from_the_environment_and_refuse_the_unknown() -> None:
    given = {"SYNFER_STUDIO_WAITING": "3", "SYNFER_STUDIO_FIRST_FACE": "false", "PATH": "x"}
    settings = Settings.from_env(given)
    assert (settings.waiting, settings.first_face) == (3, False)
    with pytest.raises(RequestError, match="SYNFER_STUDIO_WAITNG"):
        Settings.from_env({"SYNFER_STUDIO_WAITNG": "3"})
    with pytest.raises(RequestError, match="SYNFER_STUDIO_WAITING"):
        Settings.from_env({"SYNFER_STUDIO_WAITING": "-1"})


def test_a_backbone_that_is_not_here_is_unsupported() -> None:
    forms = forms_of(recipe(backbone="facekit"))
    with pytest.raises(UnsupportedError, match="not available"):
        page_recipe(forms.panel, forms.controls, BACKBONES)


def decoded(url: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    image.load()
    return image


def test_the_neutral_preset_asks_for_a_neutral_face_and_no_preset_leaves_it_to_the_words() -> None:
    form = forms_of(recipe()).controls
    neutral = page_recipe({"aus": {}, "expression": "neutral"}, form, BACKBONES)
    assert neutral.facs == ""
    free = page_recipe({"aus": {}, "expression": None}, form, BACKBONES)
    assert free.facs is None
    assert not free.aus


def exported(value: dict[str, Any]) -> Provenance:
    return read(base64.b64decode(value["image"].split(",")[1]))


def test_the_picture_is_marked_as_the_page_asks() -> None:
    face = np.random.default_rng(0).integers(60, 200, (64, 64, 3), np.uint8)
    made = Made(result(image=face))
    usual = Settings().marking
    for form, marked, words in (
        ({}, True, "none"),
        ({"watermark": False, "visible_label": False}, False, "none"),
        ({"watermark": True, "visible_label": True}, True, "AI-generated"),
        ("no form", True, "none"),
    ):
        found = exported(results.result_value(made, wanted_marking(form, usual)))
        assert found.watermark.found is marked, form
        assert found.pixels_agree
        assert found.origin
        assert found.origin.label == words
        assert found.origin.image_sha256 == made.result.image_sha256


def test_the_server_may_set_other_marks() -> None:
    given = {"SYNFER_STUDIO_WATERMARK": "0", "SYNFER_STUDIO_VISIBLE_LABEL": "1"}
    marking = Settings.from_env(given).marking
    assert (marking.watermark, marking.label) == (False, True)
    markup = controls.controls_html(BACKBONES, forms_of(recipe()).controls, marking)
    check_markup(markup)
    assert 'id="watermark" >' in markup
    assert 'id="visible-label" checked>' in markup
