"""The API described: bodies that are read by hand, and a page of it that needs no other host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse

from app.failures import responses
from synfer_core.facs import EXPRESSIONS
from synfer_core.request import Recipe
from synfer_core.wire import FINAL, Event, Failure

_SCHEMA = "#/components/schemas/{model}"
_EXAMPLE = {"facs": "6C+12D+25B", "expression": "happiness", "identity_seed": 7, "steps": 20}

RECIPE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": _SCHEMA.format(model="Recipe")},
                "example": _EXAMPLE,
            }
        },
    }
}
"""A recipe as a body: it is read by hand, for JSON with a key that comes twice is refused."""

IMAGE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "additionalProperties": False,
                    "properties": {
                        "image": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "PNG, JPEG, WebP, BMP, TIFF or AVIF, by its content.",
                        },
                        "label": {
                            "type": "string",
                            "enum": list(EXPRESSIONS),
                            "description": "What it is said to show, to be voted on.",
                        },
                    },
                }
            }
        },
    }
}
"""An image as a form: it is read by hand, so that no file of it is written."""

EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One event for each change; comments in between keep the connection open.",
        "content": {
            "text/event-stream": {
                "itemSchema": {
                    "type": "object",
                    "required": ["data", "event", "id"],
                    "properties": {
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": {"$ref": _SCHEMA.format(model="Event")},
                        },
                        "event": {"type": "string", "enum": ["queued", "running", *sorted(FINAL)]},
                        "id": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""A job's events as they are sent."""

CREATED: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "The job's path."}}}
}


def describe(api: FastAPI, *, users: bool) -> None:
    """Add what FastAPI cannot see to the OpenAPI description.

    Args:
        api: Described with a recipe's fields and their ranges.
        users: Whether the server has users: then every path but ``/health`` asks who one is.
    """
    plain = api.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (Recipe, Event, Failure):
            about = model.model_json_schema(ref_template=_SCHEMA)
            schemas |= {**about.pop("$defs", {}), model.__name__: about}
        for content in _contents(document):
            if "itemSchema" in content:
                content.pop("schema", None)  # FastAPI takes a stream for one text
        if users:
            _describe_users(document)
        return document

    api.openapi = openapi  # type: ignore[method-assign]


def _describe_users(document: dict[str, Any]) -> None:
    schemes = {name: {"type": "http", "scheme": name} for name in ("bearer", "basic")}
    document["components"]["securitySchemes"] = schemes
    asked = {str(code): about for code, about in responses(401, 429).items()}
    for path, methods in document["paths"].items():
        for about in methods.values():
            if path != "/health":
                about["security"] = [{name: []} for name in schemes]
                about["responses"] = {**asked, **about["responses"]}


def _contents(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What each kind of answer holds."""
    for methods in document["paths"].values():
        for about in methods.values():
            for answer in about["responses"].values():
                yield from answer.get("content", {}).values()


def page(api: FastAPI) -> Callable[[Request], Awaitable[HTMLResponse]]:
    """The description as a plain page."""

    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(_html(api.openapi(), request.scope["root_path"]))

    return docs


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color-scheme:light dark}code{font-size:.95em}h2{margin:2rem 0 .3rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%}td{padding:.15rem .8rem .15rem 0;vertical-align:top}
td:first-child{white-space:nowrap;width:6rem}"""


def _html(document: dict[str, Any], root: str) -> str:
    routes = "".join(
        _route(method, root + path, about)
        for path, methods in document["paths"].items()
        for method, about in methods.items()
    )
    fields = _table(document["components"]["schemas"]["Recipe"]["properties"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>SynFER Studio: HTTP API</title>'
        f"<style>{_STYLE}</style></head><body><h1>SynFER Studio: HTTP API</h1>"
        f'<p>The same for programs: <a href="{escape(root)}/openapi.json">openapi.json</a>.</p>'
        f"{routes}<h2>Fields of a recipe</h2>{fields}</body></html>"
    )


def _route(method: str, path: str, about: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(code)}</td><td>{escape(answer.get('description', ''))}</td></tr>"
        for code, answer in about["responses"].items()
    )
    text = escape(about.get("description", ""))
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{text}</p><table>{rows}</table>"
    )


_RANGES = ("type", "enum", "minimum", "exclusiveMinimum", "maximum", "maxLength", "pattern")


def _table(properties: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_range(about))}</td></tr>"
        for name, about in properties.items()
    )
    return f"<table>{rows}</table>"


def _range(about: dict[str, Any]) -> str:
    """Type, limits and default in one line."""
    first = about.get("anyOf", [about])[0]
    parts = [f"{key} {first[key]}" for key in _RANGES if key in first]
    if "default" in about:
        parts.append(f"default {about['default']}")
    return "; ".join(parts)
