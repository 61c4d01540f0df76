"""What is believed of a request that came through a proxy, and which path it means."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from app.security.proxies import Forwarded, UnderPrefix, networks_of
from app.settings import Settings
from synfer_core.errors import RequestError

PROXY, STRANGER = "10.1.2.3", "192.0.2.9"
SAID = {
    "X-Forwarded-For": "203.0.113.5",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "lab.example.org",
}


def seen(
    path: str = "/api/where",
    *,
    headers: dict[str, str] | None = None,
    peer: str = PROXY,
    proxies: str = "10.0.0.0/8,127.0.0.1",
    root: str = "",
) -> dict[str, Any]:
    """What the application behind sees of a request."""

    async def tell(request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "url": str(request.url),
                "client": request.client.host if request.client else None,
                "root": request.scope["root_path"],
                "left": [name for name in request.headers if "forward" in name or "gradio" in name],
            }
        )

    inner = Starlette(routes=[Mount("/api", routes=[Route("/where", tell)]), Route("/", tell)])
    app = Forwarded(UnderPrefix(inner, root), networks_of(proxies), root)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside:7860") as client:
            return await client.get(path, headers=headers)

    answer = asyncio.run(ask())
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_proxy_that_is_named_is_believed() -> None:
    told = seen(headers=SAID)
    assert told["url"] == "https://lab.example.org/api/where"
    assert told["client"] == "203.0.113.5"
    assert told["left"] == []


@pytest.mark.parametrize(
    ("peer", "proxies"), [(STRANGER, "10.0.0.0/8"), (PROXY, ""), ("127.0.0.1", "")]
)
def test_nobody_else_is_and_libraries_never_see_what_they_say(peer: str, proxies: str) -> None:
    told = seen(headers={**SAID, "Forwarded": "for=x", "X-Gradio-Server": "http://evil"},
                peer=peer, proxies=proxies)  # fmt: skip
    assert told == {
        "url": "http://inside:7860/api/where",
        "client": peer,
        "root": "/api",
        "left": [],
    }


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5", "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5, 10.9.9.9", "203.0.113.5"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.9.9.9", "10.9.9.9"),
        ("203.0.113.5, nonsense", PROXY),
        ("", PROXY),
    ],
)
def test_who_a_request_is_from(hops: str, client: str) -> None:
    assert seen(headers={"X-Forwarded-For": hops})["client"] == client


def test_a_scheme_that_is_none_does_not_count() -> None:
    told = seen(headers={"X-Forwarded-Proto": "javascript"})
    assert told["url"].startswith("http://inside:7860/")


@pytest.mark.parametrize("path", ["/api/where", "/synfer/api/where"])
def test_a_prefix_may_be_left_on_or_taken_off(path: str) -> None:
    told = seen(path, root="/synfer")
    assert told["url"] == "http://inside:7860/synfer/api/where"
    assert told["root"] == "/synfer/api"


@pytest.mark.parametrize("path", ["/", "/synfer", "/synfer/"])
def test_the_top_with_a_prefix(path: str) -> None:
    assert seen(path, root="/synfer")["root"] == "/synfer"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(RequestError, match=r"'lab\.example\.org' does not appear to be"):
        Settings.from_env({"SYNFER_STUDIO_PROXIES": "127.0.0.1, lab.example.org"})
