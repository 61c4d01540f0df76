"""Which names the server answers to, and which web sites' pages may ask it: its own alone.

A page of another site cannot read the answers, but its requests would still do what they ask for;
and by a name of its own that it points at the server (DNS rebinding) it could even read them.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import failures
from synfer_core.errors import FormatError, RequestError

SETTING = "SYNFER_STUDIO_TRUSTED_HOSTS"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_EVERYWHERE = frozenset({"0.0.0.0", "[::]", ""})
_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_ADDRESS = re.compile(r"\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+")
_HOST = re.compile(rf"({_NAME}|\[[0-9a-f:.]+\])(?::(\d{{1,5}}))?")
_ORIGIN = re.compile(r"(https?)://(.+)")
_PATTERN = re.compile(rf"\*|(?:\*\.)?{_NAME}|\[[0-9a-f:.]+\]")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Trusted:
    """Names that a server answers to.

    Attributes:
        names: Host names and addresses in lower case, IPv6 ones in brackets.
        ends: What other names may end in, such as ``.lab.example``; an empty one trusts any name.
        addresses: Whether any address in digits is trusted. No site can make a browser take its
            own page for one of such an address.
    """

    names: frozenset[str] = _LOOPBACK
    ends: tuple[str, ...] = ()
    addresses: bool = False

    def __contains__(self, name: str) -> bool:
        return (
            name in self.names
            or any(name.endswith(end) for end in self.ends)
            or (self.addresses and _ADDRESS.fullmatch(name) is not None)
        )


def trusted_hosts(given: str, served_on: str) -> Trusted:
    """The names that a server answers to.

    They are those of the machine's loopback and of the address that it serves on. Where it serves
    on all addresses, these are the machine's name and any address in digits.

    Args:
        given: More names, separated by commas; ``*.lab.example`` for all below a name, ``*`` for
            any.
        served_on: Name or address that the server listens on.

    Raises:
        RequestError: One of the names given is none.
    """
    words = [word for part in given.split(",") if (word := part.strip().lower())]
    patterns = list(map(_bracketed, words))
    for word, pattern in zip(words, patterns, strict=True):
        if not _PATTERN.fullmatch(pattern):
            allowed = "names and addresses, such as lab.example,*.lab.example"
            raise RequestError(f"{word[:60]!r} is no name", field=SETTING, allowed=allowed)
    host = _bracketed(served_on.lower())
    everywhere = host in _EVERYWHERE
    own = socket.gethostname().lower() if everywhere else host
    return Trusted(
        names=_LOOPBACK | {own, *(p for p in patterns if "*" not in p)},
        ends=tuple(p.removeprefix("*") for p in patterns if "*" in p),
        addresses=everywhere,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Origins:
    """Refuses requests under foreign names and from foreign pages.

    Whoever sends neither ``Origin`` nor ``Sec-Fetch-Site`` is no browser and passes.

    Args:
        app: The application behind.
        trusted: Names that the server answers to.
    """

    def __init__(self, app: ASGIApp, trusted: Trusted):
        self.app, self.trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 400 or 403."""
        if scope["type"] == "websocket":  # the studio has none
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http" and (refusal := self._refusal(scope)):
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        host = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        if not host or host[1] not in self.trusted:
            allowed = f"the server's own names, which {SETTING} adds to"
            return failures.answer(
                FormatError("is no name of this server", field="Host", allowed=allowed)
            )
        own = all(_same(origin, host, scope["scheme"]) for origin in headers.getlist("origin"))
        if own and _fetched_from_here(headers, scope["method"]):
            return None
        return failures.answer(
            RequestError("comes from another web site's page", field="Origin"), 403
        )


def _same(origin: str, host: re.Match[str], scheme: str) -> bool:
    """Whether a page's origin is the server that it asks.

    Behind a proxy that ends TLS the server may see plain HTTP where the page came by HTTPS.
    """
    parts = _ORIGIN.fullmatch(origin.lower())
    page = parts and _HOST.fullmatch(parts[2])
    if not parts or not page or (parts[1], scheme) == ("http", "https"):
        return False
    usual = _PORTS[parts[1]]
    return page[1] == host[1] and int(page[2] or usual) == int(host[2] or usual)


def _fetched_from_here(headers: Headers, method: str) -> bool:
    """What browsers say beside the origin, and for reads and parts of pages too.

    Other sites may link to the studio; that is all.
    """
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    linked = headers.get("sec-fetch-mode") == "navigate"
    return linked and headers.get("sec-fetch-dest") == "document" and method in ("GET", "HEAD")
