from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synfer_core.enrichment import GRAMMAR, INSTRUCTION, Enriched, enrich, enrich_recipe
from synfer_core.errors import RequestError
from synfer_core.facs import ACTION_UNITS, AU_PHRASES, EXPRESSIONS
from synfer_core.models.text_tokens import MAX_TOKENS, count_tokens
from synfer_core.request import Recipe

aus = st.dictionaries(
    st.sampled_from([unit.key for unit in ACTION_UNITS.values()]), st.floats(0, 5)
)


class Says:
    """A writer with one answer, which keeps what it was asked."""

    def __init__(self, answer: str):
        self.name = "parrot"
        self.answer = answer
        self.asked: tuple[str, str] | None = None

    def complete(self, instruction: str, request: str) -> str:
        self.asked = (instruction, request)
        return self.answer


def test_an_expression_is_worded_by_its_prototype_strongest_first() -> None:
    assert enrich("a man", expression="happiness") == Enriched(
        "a man, with an expression of happiness, lip corners pulled up strongly, cheeks raised, "
        "lips parted slightly"
    )


@pytest.mark.parametrize(
    ("intensity", "words"),
    [
        (0.4, "with a neutral expression"),
        (1, "chin raised very slightly"),
        (2, "chin raised slightly"),
        (3, "chin raised"),
        (4, "chin raised strongly"),
        (5, "chin raised very strongly"),
    ],
)
def test_intensity_is_graded(intensity: float, words: str) -> None:
    assert enrich("", aus={"AU17": intensity}).text == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"AUL12": 4.0}, "the left lip corner pulled up strongly"),
        ({"AUR4": 3.0}, "the right brow lowered"),
        (
            {"AUL12": 2.0, "AUR12": 5.0},
            "the right lip corner pulled up very strongly, the left lip corner pulled up slightly",
        ),
        ({"AUL12": 3.2, "AUR12": 2.9}, "lip corners pulled up"),
        ({"AU45": 3.0}, "eyes closed"),
    ],
)
def test_sides(given: dict[str, float], words: str) -> None:
    assert enrich("", aus=given).text == words


def test_every_unit_has_words_and_those_with_sides_have_them_for_one() -> None:
    assert set(AU_PHRASES) == set(ACTION_UNITS)
    for number, phrase in AU_PHRASES.items():
        sided = ACTION_UNITS[number].sided
        assert (phrase.one_side is not None) == sided
        assert not sided or "{side}" in (phrase.one_side or "")


def test_given_units_are_worded_in_place_of_the_prototype() -> None:
    text = enrich("a man", expression="anger", aus={"AU9": 4.0}).text
    assert text == "a man, with an expression of anger, nose wrinkled strongly"
    at_rest = enrich("a man", expression="anger", aus={}).text
    assert at_rest == "a man, with an expression of anger"


@settings(max_examples=60, deadline=None)
@given(aus, st.sampled_from(EXPRESSIONS), st.sampled_from(["", "a man.", "a  woman with an afro"]))
def test_the_text_encoder_can_read_all_of_it(
    given: dict[str, float], expression: str, text: str
) -> None:
    made = enrich(text, expression=expression, aus=given)
    assert made == enrich(text, expression=expression, aus=given)
    assert count_tokens(made.text) <= MAX_TOKENS
    assert "  " not in made.text
    assert ",," not in made.text.replace(" ", "")


def test_the_weakest_movements_are_left_out_and_named() -> None:
    many = {unit.key: 5.0 for unit in ACTION_UNITS.values()} | {"AU1": 1.0, "AU26": 0.6}
    made = enrich("a man", aus=many)
    (note,) = made.notes
    assert note.startswith(f"left out, to stay within {MAX_TOKENS} tokens: ")
    assert note.endswith("inner brows raised very slightly, jaw dropped very slightly")
    assert "slightly" not in made.text
    worded = made.text.count("very strongly")
    assert worded == 7
    assert worded + note.count(",") == len(ACTION_UNITS)


@pytest.mark.parametrize(
    ("text", "options", "field"),
    [
        ("a man", {}, "expression"),
        ("a man", {"expression": "joy"}, "expression"),
        ("a man", {"aus": {"AU16": 1.0}}, "aus.AU16"),
        ("a man", {"aus": {"AU12": 9.0}}, "aus.AU12"),
        ("face " * 60, {"expression": "anger"}, "text"),
    ],
)
def test_what_cannot_be_worded_is_refused(text: str, options: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        enrich(text, **options)
    assert caught.value.field == field


GOOD = "A man, with an expression of happiness, his lip corners pulled up, cheeks raised"


def test_a_model_may_write_it() -> None:
    writer = Says(f"\n \u201c{GOOD}\u201d ")
    assert enrich("a man", expression="happiness", writer=writer) == Enriched(GOOD, "parrot")
    assert writer.asked
    assert writer.asked[0] == INSTRUCTION
    assert writer.asked[1].splitlines() == [
        "Description: a man",
        "Expression: happiness",
        "Movements: lip corners pulled up strongly, cheeks raised, lips parted slightly",
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "was empty"),
        (' "" ', "was empty"),
        (f"Sure!\n{GOOD}", "more than one line"),
        (GOOD + ", cheeks raised" * 20, "tokens, more than 48"),
        ("a happy man", "nothing of the face's movement"),
        (GOOD.replace("A man", "A young man"), "invents something of the person: age young"),
        (GOOD + ", with glasses", "invents something of the person: glasses thin"),
        (GOOD + ", in a red hat", "invents something of the person: 'hat'"),
        (GOOD.replace("A man", "A face").replace("his ", ""), "loses what was given"),
        (GOOD.replace("A man", "A woman").replace("his", "her"), "of the person: sex man"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_not_used_and_the_note_says_why(
    answer: str, why: str
) -> None:
    plain = enrich("a man", expression="happiness")
    made = enrich("a man", expression="happiness", writer=Says(answer))
    assert (made.text, made.writer) == (plain.text, GRAMMAR)
    assert len(made.notes) == 1
    assert why in made.notes[0]
    assert made.notes[0].startswith("parrot's answer ")


def test_a_recipe_keeps_both_texts() -> None:
    before = Recipe(text="a man", expression="fear", seed=4)
    recipe, made = enrich_recipe(before)
    assert recipe.enriched_text == made.text
    assert recipe.model_copy(update={"enriched_text": None}) == before
    assert Recipe.parse_json(recipe.to_json()) == recipe
    with pytest.raises(RequestError, match="enriched_text: is given already"):
        enrich_recipe(recipe)


def test_a_recipe_that_asks_for_no_unit_is_worded_as_a_face_at_rest() -> None:
    assert (
        enrich_recipe(Recipe(text="a man", facs=""))[1].text == "a man, with a neutral expression"
    )


def test_the_grammar_needs_no_torch() -> None:
    code = (
        "import sys; from synfer_core.enrichment import enrich\n"
        "enrich('a man', expression='fear')\n"
        "print({'torch', 'diffusers', 'transformers', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
