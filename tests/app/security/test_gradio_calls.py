"""Messages that call what the page does not have: each is refused by name, and none is a fault."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.processes import Running, healthy

RIGHT = {"data": [None, None], "fn_index": 0, "session_hash": "s"}


@pytest.mark.parametrize("way", ["run/predict", "api/predict", "queue/join"])
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"fn_index": -1}, "fn_index"),
        ({"fn_index": 10**30}, "fn_index"),
        ({"fn_index": True}, "fn_index"),
        ({"fn_index": None}, "fn_index"),
        ({"fn_index": [0]}, "fn_index"),
        ({"data": []}, "data"),
        ({"data": {}}, "data"),
        ({"data": [None] * 500}, "data"),
        ({"batched": True}, "batched"),
        ({"session_hash": ""}, "session_hash"),
    ],
)
def test_events_that_are_not_there(
    client: httpx.Client, way: str, wrong: dict[str, Any], field: str
) -> None:
    answer = client.post(f"/gradio_api/{way}", json={**RIGHT, **wrong})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field


def test_functions_that_are_not_there(client: httpx.Client) -> None:
    parts = client.get("/config").json()["components"]
    part = next(part for part in parts if part["props"].get("server_fns"))
    (name, *_), right = part["props"]["server_fns"], {"data": None, "session_hash": "s"}
    for number, called, field in (
        (-1, name, "component_id"),
        (10**30, name, "component_id"),
        (part["id"], "__class__", "fn_name"),
        (part["id"], "((((", "fn_name"),
        (part["id"], None, "fn_name"),
    ):
        body = {**right, "component_id": number, "fn_name": called}
        answer = client.post("/gradio_api/component_server", json=body)
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] == field


@pytest.mark.parametrize("body", [[], 1, None, "x"])
def test_what_is_no_object_is_refused(client: httpx.Client, body: Any) -> None:
    for way in ("run/predict", "queue/join", "component_server", "cancel", "reset"):
        headers = {"content-type": "application/json"}
        sent = client.post(f"/gradio_api/{way}", content=json.dumps(body), headers=headers)
        assert sent.json()["error"]["field"] == "body"


VALUES: list[Any] = [None, True, -1, "x", [], [[]], {}, {"token": 1}, {"data": "x"}, "\0\u202e"]


def status_of(client: httpx.Client, way: str, body: dict[str, Any]) -> int:
    """A fault closes the connection, so none is kept."""
    answer = client.post(f"/gradio_api/{way}", json=body, headers={"connection": "close"})
    return answer.status_code


def test_no_function_takes_strange_values_for_a_fault(
    attacked: Running, client: httpx.Client
) -> None:
    parts = client.get("/config").json()["components"]
    calls = [(part["id"], name) for part in parts for name in part["props"].get("server_fns") or ()]
    faults = []
    with healthy(attacked):
        for number, name in calls:
            for value in VALUES:
                body = {"data": value, "fn_name": name, "component_id": number, "session_hash": "s"}
                if (status := status_of(client, "component_server", body)) != 200:
                    faults.append((name, value, status))
    assert faults == []


def test_no_event_takes_strange_values_for_a_fault(client: httpx.Client) -> None:
    """Those that Gradio runs at once; what the queue runs is told to the page that asked."""
    events = client.get("/config").json()["dependencies"]
    faults = []
    for event in (event for event in events if not event["queue"]):
        for value in VALUES:
            data = [value] * len(event["inputs"])
            body = {"data": data, "fn_index": event["id"], "session_hash": "s"}
            if (status := status_of(client, "run/predict", body)) != 200:
                faults.append((event["api_name"], value, status))
    assert faults == []
