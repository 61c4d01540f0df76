from __future__ import annotations

import inspect

import pytest

from synfer_core import errors
from synfer_core.errors import RequestError, SynferError, UnsupportedError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SynferError("is missing"), "is missing"),
        (SynferError("is missing", field="codec"), "codec: is missing"),
        (RequestError("is out of range", field="steps", allowed="1 to 100"),
         "steps: is out of range (allowed: 1 to 100)"),
    ],
)  # fmt: skip
def test_text_names_field_and_allowed_range(error: SynferError, text: str) -> None:
    assert str(error) == text


def test_dict_names_the_type() -> None:
    error = UnsupportedError("can't do AU16", field="aus.AU16", allowed="1, 2")
    assert error.to_dict() == {
        "type": "UnsupportedError",
        "field": "aus.AU16",
        "message": "can't do AU16",
        "allowed": "1, 2",
    }


def test_every_error_can_be_caught_as_one() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert len(classes) >= 9
    assert all(issubclass(c, SynferError) for c in classes)
