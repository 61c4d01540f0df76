"""Gradio's routes: each has been decided on, and only those that are needed are open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import gradio as gr
import gradio_client
import httpx
import pytest
from fastapi import FastAPI
from gradio.routes import App
from starlette.routing import Mount, WebSocketRoute

from app.security.gradio_routes import CLOSED, OPEN, is_open
from tests.processes import Running


async def mounted() -> App:
    """Gradio's application as the studio mounts it, with all that it can have."""
    app = FastAPI()
    with gr.Blocks() as page:
        gr.HTML()
    gr.mount_gradio_app(app, page, path="/")
    return next(r.app for r in app.routes if isinstance(r, Mount) and isinstance(r.app, App))


def paths_of(routes: Iterable[Any]) -> set[str]:
    """The templates of all paths, those of included routers too."""
    found: set[str] = set()
    for route in routes:
        assert not isinstance(route, WebSocketRoute | Mount), route
        inner = getattr(route, "original_router", None)
        found |= paths_of(inner.routes) if inner else {route.path}
    return found


def test_each_of_gradios_routes_is_decided_on() -> None:
    """One that a later version adds is closed until it stands in one of the two lists."""
    there = {path.rstrip("/") or "/" for path in paths_of(asyncio.run(mounted()).routes)}
    assert there - set(OPEN) - CLOSED == set()
    assert (set(OPEN) | CLOSED) - there == set()
    assert not set(OPEN) & CLOSED


@pytest.mark.parametrize("path", sorted(CLOSED))
def test_closed_paths_are_closed(path: str) -> None:
    filled = path.replace(":path}", "}").format(**dict.fromkeys(_names(path), "1"))
    for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"):
        assert not is_open(method, filled)
        assert not is_open(method, filled + "/")


def _names(path: str) -> list[str]:
    return [part.split("}")[0].split(":")[0] for part in path.split("{")[1:]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/hostname"),
        ("GET", "//gradio_api/file=/etc/hostname"),
        ("GET", "/gradio_api/%66ile=/etc/hostname"),
        ("GET", "/gradio_api/queue/join"),
        ("PUT", "/gradio_api/queue/join"),
        ("OPTIONS", "/gradio_api/queue/join"),
        ("POST", "/config"),
        ("DELETE", "/"),
        ("GET", "/gradio_api/deep_link?session_hash=s"),
        ("GET", "/monitoring"),
        ("POST", "/login"),
        ("GET", "/nothing"),
        ("GET", "/api/v1x"),
        ("GET", "/?page=x"),
        ("GET", "/?deep_link=x"),
        ("GET", "/assets/%00"),
        ("GET", "/assets/" + "a" * 5000),
    ],
)
def test_the_rest_is_answered_as_missing(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "MissingError"


@pytest.mark.parametrize("folder", ["assets", "static"])
def test_folders_of_gradio_hand_out_their_own_files_only(client: httpx.Client, folder: str) -> None:
    up = "..%2f" * 12
    assert client.get(f"/{folder}/{up}etc/hostname").status_code in (403, 404)


def test_gradios_python_client_connects(attacked: Running) -> None:
    """It asks for the settings and the list of calls; the page's events are private."""
    python = gradio_client.Client(attacked.url, verbose=False)
    told = python.view_api(print_info=False, return_format="dict")
    python.close()
    assert told["named_endpoints"] == {}
