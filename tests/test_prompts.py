"""What is read of a prompt, and what of it is told to have no effect."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.models.backbone import Generation
from synfer_core.models.exact import find
from synfer_core.prompts import note_on, note_on_commands, read
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

PLAIN = [
    "a smiling woman", "", "a man, 40 years old; it's late", "na\u00efve r\u00e9sum\u00e9",
    "100% \u2013 \u201cquoted\u201d (really)", "  two  spaces ,, ", "AND OR [a:b]", "e\u0301lan",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_stay_letter_for_letter(text: str) -> None:
    prompt = read(text)
    assert (prompt.unread, prompt.weighted, note_on(text)) == ((), (), None)
    assert prompt.text == text or not text.isascii()


@pytest.mark.parametrize(
    ("typed", "left", "unread"),
    [
        ("a woman \U0001f600", "a woman", ("\U0001f600",)),
        ("smile\U0001f600\U0001f44d\U0001f3fd!", "smile !", ("\U0001f600\U0001f44d\U0001f3fd",)),
        ("\u5fae\u7b11\u7684\u5973\u4eba", "", ("\u5fae\u7b11\u7684\u5973\u4eba",)),
        ("a man, \u0627\u0628\u062a\u0633\u0627\u0645\u0629", "a man",
         ("\u0627\u0628\u062a\u0633\u0627\u0645\u0629",)),
        ("\u0449\u0443\u043a\u0430 smiles", "smiles", ("\u0449\u0443\u043a\u0430",)),
        ("a woman, <lora:x:0.8>, smiling", "a woman, smiling", ("<lora:x:0.8>",)),
        ("a woman BREAK smiling", "a woman smiling", ("BREAK",)),
        ("a break in the clouds", "a break in the clouds", ()),
        ("\uff53\uff4d\uff49\uff4c\uff49\uff4e\uff47", "smiling", ()),
    ],
)  # fmt: skip
def test_what_is_not_read_is_left_out_and_told(
    typed: str, left: str, unread: tuple[str, ...]
) -> None:
    prompt = read(typed)
    assert (prompt.text, prompt.unread) == (left, unread)
    note = note_on(typed)
    assert (note is not None) == bool(unread)
    assert all(piece in (note or "") for piece in unread)


def test_words_with_a_weight_are_read_without_it() -> None:
    prompt = read("a ((smiling:1.4)) woman, [old: 0.5]")
    assert prompt.text == "a smiling woman, old"
    assert prompt.weighted == ("((smiling:1.4))", "[old: 0.5]")
    assert note_on("a (smiling:1.4) woman") == (
        "Weights do not count: (smiling:1.4). This model reads plain English words."
    )


def test_one_note_tells_of_all_texts_and_stays_short() -> None:
    note = note_on("\U0001f600 face", "BREAK", "\U0001f600")
    assert (
        note == "Not read in the prompt: \U0001f600, BREAK. This model reads plain English words."
    )
    many = note_on(" a ".join(chr(0x4E00 + i) for i in range(50)), "<x:" + "y" * 900 + ">")
    assert many is not None
    assert "and 43 more" in many
    assert len(many) < 400


def test_a_model_that_reads_all_letters_says_which_are_no_commands() -> None:
    assert note_on_commands("a smiling woman (really), \u5fae") is None
    note = note_on_commands("a (smiling:1.4) woman BREAK", "<lora:x:0.8>")
    assert note is not None
    assert note.endswith("plain letters: BREAK, (smiling:1.4), <lora:x:0.8>.")


def test_the_exact_renderer_says_when_it_heard_nothing() -> None:
    backbone = find(64)
    for text, told in (("\u5fae\u7b11", True), ("a man with a beard", False), ("", False)):
        *_, made = backbone.stream(Recipe(backbone="facekit", text=text))
        assert isinstance(made, Generation)
        assert bool(made.notes) is told


@given(st.text(max_size=200))
def test_any_text_is_read_once_and_for_all(text: str) -> None:
    once = read(text).text
    assert read(once).unread == ()
    assert read(once).text == once or read(once).weighted


@pytest.fixture(scope="module")
def synthesizer(tiny_model_folder: object) -> Synthesizer:
    return Synthesizer.load(tiny_model_folder)  # type: ignore[arg-type]


def test_the_report_says_what_had_no_effect_and_no_map_pretends_otherwise(
    synthesizer: Synthesizer,
) -> None:
    plain = Recipe(text="a smiling woman", steps=1)
    odd = plain.model_copy(
        update={"text": "a (smiling:1.4) woman \U0001f600 \u5fae\u7b11 <lora:x:0.8> BREAK"}
    )
    usual, made = synthesizer.generate(plain), synthesizer.generate(odd)
    np.testing.assert_array_equal(made.image, usual.image)
    assert [map_ for map_ in made.attention.maps if map_.startswith("word:")] == [
        "word:0:a", "word:1:smiling", "word:2:woman"
    ]  # fmt: skip
    told = [note for note in made.notes if "Not read" in note]
    assert len(told) == 1
    assert all(
        piece in told[0] for piece in ("\U0001f600", "\u5fae\u7b11", "<lora:x:0.8>", "BREAK")
    )
    assert told[0] in json.loads(json.dumps(made.to_dict()))["notes"]
    assert not any("read in the prompt" in note for note in usual.notes)
    assert made.recipe.text == odd.text
