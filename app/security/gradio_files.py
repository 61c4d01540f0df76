"""Files of the server that a message to Gradio may name: none.

Gradio copies the file at any ``path`` that comes with ``gradio.FileData``. Its check that this file
was uploaded stands only in applications that it launched itself, not in a mounted one; see
``docs/security.md``. The page sends pictures inline, so no message needs a path.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable

import gradio as gr
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import failures
from app.off_loop import off_loop
from app.security.gradio_calls import Calls
from app.security.paths import path_of, to_api
from synfer_core.errors import FaultError, FormatError, RequestError, SynferError
from synfer_core.text_limits import PARTS, check_json

CALLS = "/component_server"
CALL_VALUES = 200_000
"""Values in what a page's script sends to a function: a table of 200 faces has about 100,000."""

_INLINE = 20_000  # bytes; so few are read in less time than a thread takes to start


def check_paths(page: gr.Blocks) -> None:
    """Have Gradio itself refuse paths that nobody uploaded, as it does where it launches an app.

    Raises:
        FaultError: This version of Gradio has no such check, or it has another name.
    """
    if not hasattr(page, "has_launched"):
        raise FaultError("this version of Gradio has no flag that turns its check of paths on")
    page.has_launched = True


def read_message(body: bytes, values: int = PARTS) -> object:
    """A message, unless it names a file, or would keep Gradio's event loop busy.

    Args:
        body: The message.
        values: Values that it may hold.

    Raises:
        FormatError: It is not JSON in UTF-8, or nests too deep.
        TooLargeError: It holds too many values.
        RequestError: It names a file.
    """
    check_json(body, "body", values)
    try:
        message = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise FormatError("is not JSON", field="body") from error
    level = [message]
    while level:
        level = list(_inner(level))
    return message


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


class GradioMessages:
    """Reads what is sent to Gradio before Gradio does, and refuses what it must not act on.

    Args:
        app: The application behind; bodies that reach it are of limited size already.
        calls: What a message may call.
    """

    def __init__(self, app: ASGIApp, calls: Calls):
        self.app, self.calls = app, calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 400 or 422."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or to_api(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        with contextlib.suppress(ClientDisconnect):  # nobody is left to answer
            body = await request.body()
            try:
                self.calls.check(path_of(scope), await _read(request, body))
            except SynferError as error:
                await failures.answer(error)(scope, receive, send)
            else:
                await self.app(scope, _replayed(body, receive), send)


async def _read(request: Request, body: bytes) -> object:
    """A message, read in a thread where that takes long.

    Raises:
        SynferError: As `read_message`.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise FormatError("is not JSON", field="Content-Type", allowed="application/json")
    values = CALL_VALUES if request.url.path.endswith(CALLS) else PARTS
    if len(body) > _INLINE:
        return await off_loop(read_message, body, values)
    return read_message(body, values)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, for whoever reads it next; then whatever else arrives."""
    parts = [body]

    async def again() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        return await receive()

    return again
