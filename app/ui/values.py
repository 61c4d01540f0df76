"""Values that go to a page: each unlike the last, and the names of pages."""

from __future__ import annotations

import itertools
from typing import Any

import gradio as gr

from app.pages import page_of, told_by
from app.security.users import client_of
from synfer_core.errors import CancelledError, SynferError

Value = dict[str, Any]

_serial = itertools.count()


def stamped(value: Value) -> Value:
    """The value made unlike the last one, for a page does not notice an equal one."""
    return {**value, "serial": next(_serial)}


def told(error: SynferError) -> Value:
    """An error as the page's notice takes it."""
    return stamped(error.to_dict())


def stopped(status: str) -> Value:
    """A stage on which nothing runs and nothing came out."""
    return stamped({"phase": "stopped", "status": status})


def ended_badly(outcome: object, what: str) -> tuple[Value, Value | None]:
    """Stage and notice where longer work brought nothing.

    Args:
        outcome: The error that ended it; None where nobody foresaw it.
        what: What was to be made, such as ``set``.
    """
    if isinstance(outcome, SynferError) and not isinstance(outcome, CancelledError):
        return stopped(f"No {what} was made; the reason is given on the page."), told(outcome)
    if outcome is None:
        error = SynferError("Something went wrong; the server's log has the details.")
        return stopped(f"No {what} was made; the reason is given on the page."), told(error)
    return stopped("Cancelled; nothing was kept."), None


def page_name(request: gr.Request) -> str:
    """The name of one open page; only that page and the server know it."""
    if request.request is None:
        return page_of("unknown", request.session_hash)
    scope = request.request.scope
    return told_by(scope, page_of(client_of(scope), request.session_hash))
