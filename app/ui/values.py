"""Values that go to a page: each unlike the last, and the names of pages."""

from __future__ import annotations

import itertools
from typing import Any

import gradio as gr

from synfer_core.errors import SynferError

Value = dict[str, Any]

_serial = itertools.count()


def stamped(value: Value) -> Value:
    """The value made unlike the last one, for a page does not notice an equal one."""
    return {**value, "serial": next(_serial)}


def told(error: SynferError) -> Value:
    """An error as the page's notice takes it."""
    return stamped(error.to_dict())


def page_name(request: gr.Request) -> str:
    """The name of one open page; only that page and the server know it.

    The browser chooses the hash, so the prefix keeps it from naming a client of the API.
    """
    return f"page {request.session_hash}"
