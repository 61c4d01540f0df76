"""What a page's word opens."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.tokens import opened_by


@dataclass
class One:
    token: str


HELD = [One("first"), One("second")]


@pytest.mark.parametrize("token", ["\u00fc", "\ud800", "\u0645", 5, ["a"]])
def test_a_token_that_is_none_opens_nothing(token: object) -> None:
    assert opened_by(HELD, {"token": token}) is None


def test_a_word_opens_what_it_names() -> None:
    assert opened_by(HELD, {"token": "second", "more": 1}) is HELD[1]


@pytest.mark.parametrize(
    "sent", [{"token": "third"}, {"token": ""}, {"token": None}, {}, "first", None]
)
def test_nothing_else_opens_anything(sent: object) -> None:
    assert opened_by(HELD, sent) is None
