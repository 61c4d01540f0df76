"""Files of the server that a message to Gradio may name: none.

Gradio copies the file at any ``path`` that comes with ``gradio.FileData``. Its check that this file
was uploaded stands only in applications that it launched itself, not in a mounted one; see
``docs/security.md``. The page sends pictures inline, so no message needs a path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import gradio as gr
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import failures
from app.off_loop import off_loop
from app.security.paths import to_api
from synfer_core.errors import FaultError, FormatError, RequestError, SynferError
from synfer_core.text_limits import PARTS, check_json

CALLS = "/component_server"
CALL_VALUES = 200_000
"""Values in what a page's script sends to a function: a table of 200 faces has about 100,000."""

NAME = 128
"""Characters in what a message calls a session or a function."""

_NAMES = ("session_hash", "fn_name", "event_id")
_INLINE = 20_000  # bytes; so few are read in less time than a thread takes to start


def check_paths(page: gr.Blocks) -> None:
    """Have Gradio itself refuse paths that nobody uploaded, as it does where it launches an app.

    Raises:
        FaultError: This version of Gradio has no such check, or it has another name.
    """
    if not hasattr(page, "has_launched"):
        raise FaultError("this version of Gradio has no flag that turns its check of paths on")
    page.has_launched = True


def check_message(body: bytes, values: int = PARTS) -> None:
    """Refuse a message that names a file, or that would keep Gradio's event loop busy.

    Args:
        body: The message.
        values: Values that it may hold.

    Raises:
        FormatError: It is not JSON, or nests too deep.
        TooLargeError: It holds too many values.
        RequestError: It names a file.
    """
    check_json(body, "body", values)
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FormatError("is not JSON", field="body") from error
    if isinstance(message, dict):
        _check_names(message)
    level = [message]
    while level:
        level = list(_inner(level))


def _check_names(message: dict[str, object]) -> None:
    """Gradio searches its scripts for a function's name, whatever its length."""
    for field in _NAMES:
        name = message.get(field)
        if name is not None and not (isinstance(name, str) and len(name) <= NAME):
            allowed = f"at most {NAME} characters"
            raise RequestError("is no name", field=field, allowed=allowed)
    if "component_id" in message and type(message["component_id"]) is not int:
        raise RequestError("is no number of a component", field="component_id")


def _inner(level: Iterable[object]) -> Iterable[object]:
    """What the lists and objects among some values hold.

    Raises:
        RequestError: One of them names a file.
    """
    for value in level:
        if isinstance(value, dict):
            _check_file(value)
            yield from (item for item in value.values() if isinstance(item, dict | list))
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, dict | list))


def _check_file(value: dict[str, object]) -> None:
    meta = value.get("meta")
    if "path" in value or (isinstance(meta, dict) and "_type" in meta):
        raise RequestError("names a file of the server", field="path", allowed="files sent inline")


def check_numbers(body: bytes, page: gr.Blocks) -> None:
    """Refuse a message to what the page has not: Gradio answers it as a fault of the server's.

    Args:
        body: A message that `check_message` has passed.
        page: The page.

    Raises:
        RequestError: It names a function or a component that is not there.
    """
    message = json.loads(body)
    if not isinstance(message, dict):
        return
    for field, known in (("fn_index", page.fns), ("component_id", page.blocks)):
        number = message.get(field)
        if number is not None and (type(number) is not int or number not in known):
            raise RequestError("is none of the page's", field=field, allowed="one of its config")


class GradioMessages:
    """Reads what is sent to Gradio before Gradio does, and refuses what it must not act on.

    Args:
        app: The application behind; bodies that reach it are of limited size already.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 400 or 422."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or to_api(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        try:
            await _check(request, body)
            page = getattr(scope["app"].state, "page", None)
            if body and page is not None:
                check_numbers(body, page)
        except SynferError as error:
            await failures.answer(error)(scope, receive, send)
        else:
            await self.app(scope, _replayed(body, receive), send)


async def _check(request: Request, body: bytes) -> None:
    """Check a message, in a thread where that takes long.

    Raises:
        SynferError: As `check_message`.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if body and kind != "application/json":
        raise FormatError("is not JSON", field="Content-Type", allowed="application/json")
    values = CALL_VALUES if request.url.path.endswith(CALLS) else PARTS
    if len(body) > _INLINE:
        await off_loop(check_message, body, values)
    elif body:
        check_message(body, values)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, for whoever reads it next; then whatever else arrives."""
    parts = [body]

    async def again() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        return await receive()

    return again
