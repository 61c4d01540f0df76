"""Names of open pages: who has one open is part of its name."""

from __future__ import annotations

_KIND = "page"


def page_of(client: str, session: str | None) -> str:
    """The name of one open page.

    The browser chooses the session, so what stands before it keeps a page from naming another
    user's page, or a client of the API.

    Args:
        client: Who has it open, without spaces.
        session: The browser's name for it.
    """
    return f"{_KIND} {client} {session}"


def client_of_page(page: str) -> str | None:
    """Who has a page open; None for what is no page's name."""
    kind, _, rest = page.partition(" ")
    return rest.partition(" ")[0] or None if kind == _KIND else None
