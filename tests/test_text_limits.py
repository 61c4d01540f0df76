"""Depth and size of JSON and YAML, found out before anything is built from them."""

from __future__ import annotations

import json
import time

import pytest

from synfer_core.errors import FormatError, RequestError, TooLargeError
from synfer_core.request import Recipe
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.text_limits import DEPTH, PARTS, YAML_PARTS, check_json, check_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)
MERGES = "a0: &a0 {k: [x, x]}\n" + "".join(
    f"a{n}: &a{n} {{l{n}: *a{n - 1}, r{n}: *a{n - 1}}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize("mark", ["[", "{", '{"a": [', '[["]", '])
def test_deep_json_is_refused(mark: str) -> None:
    with pytest.raises(FormatError, match="too deep"):
        check_json(mark * 5_000, "recipe")
    with pytest.raises(FormatError, match="too deep"):
        Recipe.parse_json(mark * 5_000)


def test_wide_json_is_refused() -> None:
    with pytest.raises(TooLargeError, match="too many values"):
        check_json(json.dumps([1] * (PARTS + 1)), "recipe")
    check_json(json.dumps([1] * (PARTS // 2)), "recipe")


@pytest.mark.parametrize("word", ["[[[" * 50, '\\"[' * 50, "\\\\" * 50 + "[", "{,}" * PARTS])
def test_marks_within_words_do_not_count(word: str) -> None:
    check_json(json.dumps({"text": word, "more": {"text": [word]}}), "recipe")


def test_a_quote_that_is_no_end_hides_nothing() -> None:
    with pytest.raises(FormatError):
        check_json(r'{"a": "\\", "b": ' + "[" * (DEPTH + 1) + "}", "recipe")


@pytest.mark.parametrize("mark", ["[", "{", "- ", "? ", "a: {", "!!seq [", "[[{"])
def test_deep_yaml_is_refused_at_once(mark: str) -> None:
    began = time.process_time()
    with pytest.raises(RequestError, match="too deep"):
        StimulusSet.parse_text((mark * 20_000).encode())
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("text", [BOMB, MERGES])
def test_what_aliases_stand_for_is_counted_before_it_is_built(text: str) -> None:
    began = time.process_time()
    with pytest.raises(RequestError, match="too many values"):
        StimulusSet.parse_text(text.encode())
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("text", ["a: [1, 2", "a: &a [*a]", "\0", "*nobody", "- a\nb"])
def test_what_is_no_yaml_is_left_to_the_reader(text: str) -> None:
    check_yaml(text.encode(), "SPEC")


def test_a_usual_text_passes() -> None:
    people = "".join(f"- {{seed: {n}, text: tall}}\n" for n in range(200))
    check_yaml(b"shared: &s {size: 64}\nrecipe: {<<: *s}\nidentities:\n" + people.encode(), "SPEC")
    assert YAML_PARTS > 5 * 10_000, "10,000 people with words"
