"""What a message may call: the page's events and the functions of its parts, as they were built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from synfer_core.errors import RequestError

NAME = 128
"""Characters in what a message calls a session or a function."""

_NAMES = ("session_hash", "fn_name", "event_id")
_EVENTS = ("/gradio_api/run/", "/gradio_api/api/", "/gradio_api/queue/join")
_FUNCTIONS = "/gradio_api/component_server"


@dataclass(frozen=True)
class Calls:
    """What a page can be asked for.

    Attributes:
        events: How many values each event takes, by its number.
        functions: What each part's script may call on the server, by the part's number.
    """

    events: Mapping[int, int]
    functions: Mapping[int, frozenset[str]]

    @classmethod
    def of(cls, page: gr.Blocks) -> Calls:
        """The calls of a page that has been built."""
        functions = {
            number: frozenset(function.__name__ for function in getattr(part, "server_fns", ()))
            for number, part in page.blocks.items()
        }
        events = {number: len(event.inputs) for number, event in page.fns.items()}
        return cls(events, functions)

    def check(self, path: str, message: object) -> None:
        """Refuse a message that calls what is not there; Gradio would take it for a fault.

        Raises:
            RequestError: It does; the error names the field.
        """
        if not isinstance(message, dict):
            raise RequestError("is no object", field="body", allowed="an object")
        _check_names(message)
        if path.startswith(_EVENTS):
            self._check_event(message)
        elif path.startswith(_FUNCTIONS):
            self._check_function(message)

    def _check_event(self, message: Mapping[str, object]) -> None:
        number, data = message.get("fn_index"), message.get("data")
        if not _is_one_of(number, self.events):
            raise RequestError("is no event of the page", field="fn_index")
        wanted = self.events[number]  # type: ignore[index]
        if not isinstance(data, list) or len(data) != wanted:
            raise RequestError("are not what the event takes", field="data", allowed=f"{wanted}")
        if message.get("batched"):
            raise RequestError("is not for clients to say", field="batched", allowed="false")

    def _check_function(self, message: Mapping[str, object]) -> None:
        number, name = message.get("component_id"), message.get("fn_name")
        if not _is_one_of(number, self.functions):
            raise RequestError("is no part of the page", field="component_id")
        if name not in self.functions[number]:  # type: ignore[index]
            raise RequestError("is no function of this part", field="fn_name")
        for field in ("session_hash", "data"):
            if field not in message:
                raise RequestError("is missing", field=field)


def _is_one_of(number: object, known: Mapping[int, object]) -> bool:
    return type(number) is int and number in known


def _check_names(message: Mapping[str, object]) -> None:
    for field in _NAMES:
        name = message.get(field)
        if name is not None and not (isinstance(name, str) and 0 < len(name) <= NAME):
            raise RequestError("is no name", field=field, allowed=f"1 to {NAME} characters")
