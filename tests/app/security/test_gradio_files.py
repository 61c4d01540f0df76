"""Messages to Gradio that name a file of the server, or that would hold its event loop."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI

from app.security.gradio_calls import NAME
from app.security.gradio_files import check_paths, read_message
from synfer_core.errors import FormatError, RequestError
from synfer_core.text_limits import DEPTH, PARTS
from tests.processes import Running, healthy


def a_file(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


PATHS = [
    a_file("/dev/zero"),
    a_file("/etc/hostname", url="http://127.0.0.1:9/x"),
    a_file("http://127.0.0.1:9/secret"),
    {"value": [{"picture": a_file("/etc/hostname")}]},
    {"path": "/etc/hostname"},
    {"path": 7, "meta": None},
    {"meta": {"_type": "gradio.FileData"}, "url": "http://127.0.0.1:9/"},
]


def refused(client: httpx.Client, path: str, body: Any) -> dict[str, Any]:
    """The error that a message is answered with."""
    answer = client.post(path, json=body)
    assert answer.status_code in (400, 413, 422), (path, answer.status_code, answer.text)
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_no_event_takes_a_path(attacked: Running, client: httpx.Client) -> None:
    events = client.get("/config").json()["dependencies"]
    assert len(events) > 20
    ways = ["run/predict", "run/predict/", "api/predict", "queue/join"] * len(events)
    with healthy(attacked):
        for event, way, file in zip(events, ways, PATHS * len(events), strict=False):
            data = [file] * len(event["inputs"]) or [file]
            body = {"data": data, "fn_index": event["id"], "session_hash": "s"}
            assert refused(client, f"/gradio_api/{way}", body)["field"] == "path"
        body = {"data": [], "fn_index": 0, "session_hash": "s", "event_data": PATHS[0]}
        assert refused(client, "/gradio_api/queue/join", body)["field"] == "path"
    assert attacked.kept_files() == []


def test_no_component_takes_a_path(attacked: Running, client: httpx.Client) -> None:
    components = client.get("/config").json()["components"]
    functions = [(c["id"], name) for c in components for name in c["props"].get("server_fns") or ()]
    assert len(functions) > 15
    with healthy(attacked):
        for (component, name), file in zip(functions, PATHS * len(functions), strict=False):
            body = {"data": file, "fn_name": name, "session_hash": "s", "component_id": component}
            error = refused(client, "/gradio_api/component_server", body)
            assert error["field"] == "path"
    assert attacked.kept_files() == []


@pytest.mark.parametrize("path", ["call/generate", "call/v2/generate", "stream/x", "upload"])
def test_no_other_way_in(client: httpx.Client, path: str) -> None:
    answer = client.post(f"/gradio_api/{path}", json={"data": [PATHS[0]]})
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "MissingError"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": json.loads("[" * DEPTH + "]" * DEPTH)}, "body"),
        ({"data": [0] * PARTS}, "body"),
        ({"data": [], "fn_name": "x" * 1_000_000}, "fn_name"),
        ({"data": [], "session_hash": ["s"]}, "session_hash"),
        ({"data": [], "session_hash": "s" * (NAME + 1)}, "session_hash"),
    ],
)
def test_no_message_holds_the_loop(
    attacked: Running, client: httpx.Client, body: Any, field: str
) -> None:
    with healthy(attacked):
        assert refused(client, "/gradio_api/queue/join", body)["field"] == field


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[" * 40_000),
        ("application/json", b'{"data": [1'),
        ("application/json", b"\xff\xfe\xfd"),
        ("application/json", b"1" * 5000),
        ("text/plain", b'{"data": []}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("", b'{"data": []}'),
    ],
)
def test_what_is_not_json_is_refused(client: httpx.Client, kind: str, body: bytes) -> None:
    headers = {"content-type": kind}
    answer = client.post("/gradio_api/component_server", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "FormatError"


def test_what_the_page_sends_passes() -> None:
    picture = "data:image/png;base64," + "A" * 1_000_000
    forms = {"aus": {f"AU{n}": 0.5 for n in range(60)}, "edit": {"image": picture}, "on": [[1, 2]]}
    read_message(json.dumps({"data": [forms] * 3, "session_hash": "s", "fn_index": 1}).encode())


@pytest.mark.parametrize("spelled", [b'{"p\\u0061th": "/dev/zero"}', b'{"path": 1, "path": ""}'])
def test_a_path_is_found_however_it_is_spelled(spelled: bytes) -> None:
    with pytest.raises(RequestError, match="names a file"):
        read_message(b'{"data": [[' + spelled + b"]]}")
    for broken in (('{"data": ' + spelled.decode() + "}").encode("utf-16"), spelled[:-1]):
        with pytest.raises(FormatError):
            read_message(broken)


def test_gradio_itself_refuses_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever gets past the door: the check that Gradio leaves out of a mounted application."""
    kept = tmp_path / "kept"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(kept))
    secret = tmp_path / "secret.txt"
    secret.write_text("nobody uploaded this")
    answer = asyncio.run(_sent_without_a_door(str(secret)))
    assert answer.status_code == 500
    assert not list(kept.rglob("secret*"))


async def _sent_without_a_door(path: str) -> httpx.Response:
    with gr.Blocks() as page:
        part = gr.HTML()
        gr.on(fn=lambda value: value, inputs=[part], outputs=[part], queue=False)
    check_paths(page)
    app = FastAPI()
    gr.mount_gradio_app(app, page, path="/", run_history=False, mcp_server=False)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        body = {"data": [a_file(path)], "fn_index": 0, "session_hash": "s"}
        return await client.post("/gradio_api/run/predict", json=body)
