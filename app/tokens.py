"""Words by which a page names what the server holds for it; nobody else can guess them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class Held(Protocol):
    """What is held for a page."""

    @property
    def token(self) -> str:
        """The word that opens it."""


H = TypeVar("H", bound=Held)


def opened_by(held: Iterable[H], sent: object) -> H | None:
    """What the ``token`` in a page's message opens; None where there is no such thing."""
    token = sent.get("token") if isinstance(sent, Mapping) else None
    if not (isinstance(token, str) and token.isascii()):  # as all that are given out
        return None
    return next((one for one in held if secrets.compare_digest(token, one.token)), None)
