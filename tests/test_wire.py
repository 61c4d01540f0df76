from __future__ import annotations

import inspect

import pytest

from synfer_core import errors
from synfer_core.errors import BusyError, FaultError, RequestError, SynferError
from synfer_core.facs import ACTION_UNITS
from synfer_core.wire import MAX_WORDS, Failure, Problem, Vocabulary


def every_error() -> list[SynferError]:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    kinds = [kind for kind in found if issubclass(kind, SynferError)]
    words = {"field": "aus.AU12", "allowed": "0 to 5"}
    return [
        kind("is wrong", **words, retry_after=7)
        if issubclass(kind, BusyError)
        else kind("is wrong", **words)
        for kind in kinds
    ]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_it_was_sent(error: SynferError) -> None:
    sent = Failure(error=Problem.of(error)).model_dump_json()
    arrived = Failure.model_validate_json(sent).error.to_error()
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)


@pytest.mark.parametrize("kind", ["NewerError", "annotations", "object", ""])
def test_an_error_that_is_not_known_here_is_a_fault(kind: str) -> None:
    error = Problem(type=kind, message="is new").to_error()
    assert type(error) is FaultError
    assert error.message == "is new"


def test_what_an_error_repeats_is_cut_and_can_be_sent() -> None:
    problem = Problem.of(RequestError("no \ud800 here", field="s" * 5000))
    assert len(problem.field or "") == MAX_WORDS + 3
    assert problem.message == "no \\ud800 here"
    problem.model_dump_json().encode()


def test_the_vocabulary_is_that_of_recipes() -> None:
    words = Vocabulary.of([])
    assert Vocabulary.model_validate_json(words.model_dump_json()) == words
    assert [unit.number for unit in words.action_units] == list(ACTION_UNITS)
