"""Which of Gradio's routes are open: those that the page and ``gradio_client`` need, no others."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app import failures
from app.security.paths import path_of, to_api
from synfer_core.errors import MissingError
from synfer_core.wire import PREFIX

_READ = frozenset({"GET", "HEAD"})  # Gradio itself takes HEAD for the page alone
_SEND = frozenset({"POST"})

OPEN: Mapping[str, frozenset[str]] = {
    "/": _READ,
    "/assets/{path:path}": _READ,
    "/static/{path:path}": _READ,
    "/theme.css": _READ,
    "/favicon.ico": _READ,
    "/manifest.json": _READ,
    "/robots.txt": _READ,
    "/config": _READ,
    "/gradio_api/info": _READ,
    "/gradio_api/startup-events": _READ,
    "/gradio_api/heartbeat/{session_hash}": _READ,
    "/gradio_api/queue/data": _READ,
    "/gradio_api/queue/join": _SEND,
    "/gradio_api/run/{api_name}": _SEND,
    "/gradio_api/api/{api_name}": _SEND,
    "/gradio_api/component_server": _SEND,
    "/gradio_api/cancel": _SEND,
    "/gradio_api/reset": _SEND,
}
"""Gradio's own templates of paths, each with the methods that it is open to."""

CLOSED = frozenset(
    {
        # Files: pictures travel inline, so that the page has none.
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/file={path_or_url:path}",
        "/gradio_api/file/{path:path}",
        "/gradio_api/proxy={url_path:path}",
        "/gradio_api/stream/{event_id}",
        "/gradio_api/stream/{event_id}/close",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
        "/gradio_api/process_recording",
        "/gradio_api/deep_link",
        "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
        "/svelte/{path:path}",
        "/pwa_icon",
        "/pwa_icon/{size}",
        # Gradio's own users, of which there are none.
        "/login",
        "/logout",
        "/gradio_api/user",
        "/gradio_api/login_check",
        "/gradio_api/token",
        # Another way in for what the page asks by the queue.
        "/gradio_api/call/{api_name}",
        "/gradio_api/call/{api_name}/{event_id}",
        "/gradio_api/call/v2/{api_name}",
        "/gradio_api/call/v2/{api_name}/{event_id}",
        "/gradio_api/openapi.json",
        "/openapi.json",
        # Gradio's tools for those who write an app.
        "/gradio_api/app_id",
        "/gradio_api/dev/reload",
        "/gradio_api/queue/status",
        "/gradio_api/runs",
        "/gradio_api/run-history/connect",
        "/gradio_api/run-history/buckets",
        "/gradio_api/run-history/records",
        "/gradio_api/run-history/records/{endpoint}/{record_id}/assets/{asset_id}",
        "/gradio_api/theme.css",
        "/gradio_api/vibe-edit",
        "/gradio_api/undo-vibe-edit",
        "/gradio_api/vibe-code",
        "/gradio_api/vibe-starter-queries",
        "/monitoring",
        "/monitoring/summary",
        "/monitoring/{key}",
    }
)
"""Gradio's other paths; a test fails on one of a later version that is in neither list."""


PATH = 200
"""Characters in a path of the page; a file of a longer name is none."""


def is_open(method: str, path: str) -> bool:
    """Whether a path of the page takes a method."""
    if len(path) > PATH or not path.isprintable():
        return False
    return any(method in methods and regex.match(path) for regex, methods in _MATCHERS)


def _names_a_page(scope: Scope) -> bool:
    """Whether a request asks for one of several pages by a query; the studio has one page."""
    given = parse_qs(scope["query_string"].decode("latin-1"))
    return path_of(scope) == "/" and ("page" in given or "deep_link" in given)


def _is_known(scope: Scope) -> bool:
    path = path_of(scope)
    # A mount takes no path that stops before its slash or has a line break: Gradio would.
    if to_api(scope) and path != PREFIX and "\n" not in path:
        return True
    return is_open(scope["method"], path) and not _names_a_page(scope)


# The slash at the end is the one that Gradio, too, takes or leaves.
_MATCHERS = tuple(
    (compile_path(path)[0], methods)
    for given, methods in OPEN.items()
    for path in ((given,) if given.endswith(("/", ":path}")) else (given, given + "/"))
)


class GradioRoutes:
    """Answers 404 for whatever is neither the API's nor open.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http" or _is_known(scope):
            await self.app(scope, receive, send)
        else:
            error = MissingError("there is no such path", field="path")
            await failures.answer(error)(scope, receive, send)
