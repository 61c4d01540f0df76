from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synfer_core.enrichment import GRAMMAR
from synfer_core.errors import AnswerError
from synfer_core.fetext.caption import (
    MAX_WORDS,
    SURE,
    Grammar,
    Multimodal,
    Subject,
    checked,
    load,
    person,
    question,
)
from synfer_core.fetext.records import Tools
from synfer_core.models.attributes import CLASSES
from tests.faces.photo import needs_landmarker, portrait
from tests.fetext.seen import SEEN
from tests.models.test_multimodal import GREY, write_llava

SMILE = Subject(
    GREY, SEEN, "happiness", {"AUL12": 4.0, "AUR12": 4.0, "AU25": 0.2}, {"glasses": "glasses"}
)


def test_the_grammar_words_attributes_label_and_movements() -> None:
    made = Grammar().write(SMILE)
    assert made.text == (
        "a person with glasses, with an expression of happiness, lip corners pulled up strongly"
    )
    assert made.writer == GRAMMAR


def test_without_a_label_the_movements_speak() -> None:
    quiet = Subject(GREY, SEEN, None, {"AU4": 5.0}, {})
    assert Grammar().write(quiet).text == "a person, brows lowered very strongly"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "a person"),
        ({"beard": "none", "skin_tone": "dark"}, "a person"),
        ({"beard": "beard"}, "a person with a beard"),
        (
            {"glasses": "glasses", "beard": "beard", "hair_colour": "grey"},
            "a person with grey hair, a beard and glasses",
        ),
    ],
)
def test_a_person_in_words(attributes: dict[str, str], words: str) -> None:
    assert person(attributes) == words


def test_a_multimodal_model_writes_and_is_named(tmp_path: Path) -> None:
    captioner = load(str(write_llava(tmp_path, "both lip corners rise")))
    made = captioner.write(SMILE)
    assert (made.text, made.writer, made.notes) == ("both lip corners rise", tmp_path.name, ())
    assert len(captioner.sha256) == 64


def test_nonsense_is_replaced_and_said(tmp_path: Path) -> None:
    captioner = load(str(write_llava(tmp_path, "green ideas sleep")))
    assert isinstance(captioner, Multimodal)
    made = captioner.write(SMILE)
    assert made.text == Grammar().write(SMILE).text
    assert made.writer == GRAMMAR
    assert "nothing of the face's movement" in made.notes[0]


def test_the_question_has_the_label_and_what_was_measured() -> None:
    asked = question(SMILE)
    assert "labelled: happiness" in asked
    assert "lip corners pulled up strongly" in asked
    assert "lips parted" not in asked, "too weak for a word"
    plain = question(Subject(GREY, SEEN, None, {}, {}))
    assert "labelled" not in plain
    assert "Measured" not in plain


@pytest.mark.parametrize("answer", ["", " \n ", "lips " * (MAX_WORDS + 1), "a happy person"])
def test_answers_that_break_a_rule(answer: str) -> None:
    with pytest.raises(AnswerError):
        checked(answer)


def test_answers_are_brought_to_one_line() -> None:
    assert checked('"Raised brows,\n  parted lips."') == "Raised brows, parted lips."


@needs_landmarker
def test_attributes_are_left_out_where_the_judge_is_unsure(tools: Tools) -> None:
    crop = portrait(128)
    known = tools.attributes.read(crop)
    scores = {n: v[0] for n, v in tools.attributes.net.read(crop[None]).items()}
    sure = {name for name, values in scores.items() if values.max() >= SURE}
    assert set(known) == sure
    for name in sure:
        assert known[name] == list(CLASSES[name])[int(np.argmax(scores[name]))]
