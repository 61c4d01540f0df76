from __future__ import annotations

import inspect

import pytest

from synfer_core import errors
from synfer_core.errors import ImageError, RequestError, SynferError, UnsupportedError, about


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
    found = inspect.getmembers(errors, inspect.isclass)
    classes = [c for _, c in found if c.__module__ == errors.__name__]
    assert len(classes) >= 9
    assert all(issubclass(c, SynferError) for c in classes)


def test_pictures_get_the_name_that_they_are_known_by() -> None:
    with pytest.raises(ImageError) as caught, about("a.png"):
        raise ImageError("shows no face", field="image")
    assert str(caught.value) == "a.png: shows no face"
    with pytest.raises(ImageError, match=r"b\.png"), about("a.png"):
        raise ImageError("is damaged", field="b.png")
