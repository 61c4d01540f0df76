"""The page's events and functions as any program can ask for them, without a browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

JOIN, CALL = "/gradio_api/queue/join", "/gradio_api/component_server"


@dataclass(frozen=True)
class Asking:
    """Whoever knows the page's configuration, which is everybody.

    Attributes:
        client: Asks the server.
    """

    client: httpx.Client

    @cached_property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.client.get("/config").json()
        return config

    def part(self, name: str) -> dict[str, Any]:
        """A part of the page by its element's id."""
        parts = self._config["components"]
        found: dict[str, Any] = next(p for p in parts if p["props"].get("elem_id") == name)
        return found

    def form(self, name: str) -> Any:
        """What a part is set to when the page opens."""
        return self.part(name)["props"]["value"]

    def event(self, name: str, event: str) -> int:
        """Gradio's number of a part's event."""
        target = [self.part(name)["id"], event]
        found = (one["id"] for one in self._config["dependencies"] if target in one["targets"])
        return int(next(found))

    def now(self, name: str, event: str, *data: Any, session: str = "s") -> list[Any]:
        """The values of an event that needs no queue."""
        body = {"data": data, "fn_index": self.event(name, event), "session_hash": session}
        answer = self.client.post("/gradio_api/run/predict", json=body)
        values: list[Any] = answer.json()["data"]
        return values

    def send(self, name: str, event: str, *data: Any, session: str = "s") -> httpx.Response:
        """Ask for an event of a part; the answer says that it waits."""
        return self.join(self.message(name, event, *data, session=session))

    def join(self, message: bytes) -> httpx.Response:
        """Send a message to the queue."""
        kind = {"Content-Type": "application/json"}
        return self.client.post(JOIN, content=message, headers=kind)

    def message(self, name: str, event: str, *data: Any, session: str = "s") -> bytes:
        """What `send` sends."""
        body = {"data": data, "fn_index": self.event(name, event), "session_hash": session}
        return json.dumps(body).encode()

    def ended(self, name: str, event: str, *data: Any, session: str = "s") -> list[Any]:
        """The values that an event ends with."""
        sent = self.send(name, event, *data, session=session)
        assert sent.status_code == 200, sent.text
        last: list[Any] = []
        params = {"session_hash": session}
        with self.client.stream("GET", "/gradio_api/queue/data", params=params) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("msg") in ("process_generating", "process_completed"):
                    last = message["output"].get("data") or last
                if message.get("msg") == "process_completed":
                    return last
        raise AssertionError("the stream ended early")

    def call(self, name: str, function: str, data: Any, session: str = "s") -> httpx.Response:
        """Call one of a part's functions."""
        part = self.part(name)["id"]
        body = {"data": data, "fn_name": function, "component_id": part, "session_hash": session}
        return self.client.post(CALL, json=body)
