"""Where a request comes from and which path it means, behind a proxy or without one.

What a proxy says of a request (``X-Forwarded-For``, ``-Proto``, ``-Host``) counts from the proxies
that a setting names and is taken out of every other request, for libraries read these headers too.
"""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = b"x-forwarded-"
_OTHERS = (b"forwarded", b"x-gradio-server", b"x-real-ip")
_SCHEMES = ("http", "https")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pair = tuple[bytes, bytes]


def networks_of(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas.

    Raises:
        ValueError: One of them is neither.
    """
    words = filter(None, (part.strip() for part in text.split(",")))
    return tuple(ipaddress.ip_network(word, strict=False) for word in words)


class Forwarded:
    """Takes over what trusted proxies say, strips it from all else, and takes off the prefix.

    The application behind, and whatever stands between, see paths without the prefix, scheme, host
    and client as the browser has them, and none of the headers. It stands before all others.

    Args:
        app: The application behind.
        proxies: Who is believed.
        root_path: Prefix that a proxy may leave on; empty for none.
    """

    def __init__(self, app: ASGIApp, proxies: tuple[Network, ...], root_path: str):
        self.app, self.proxies, self.root = app, proxies, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            scope = self._seen(scope)
        await self.app(scope, receive, send)

    def _seen(self, scope: Scope) -> Scope:
        headers: list[Pair] = list(scope["headers"])
        kept = [pair for pair in headers if not _forwards(pair[0])]
        seen = {**scope, "headers": kept, **_without(self.root, scope)}
        if scope.get("client") and self._believed(scope["client"][0]):
            self._take_over(seen, headers)
        return seen

    def _take_over(self, seen: Scope, headers: list[Pair]) -> None:
        if address := self._address(_values(headers, b"x-forwarded-for")):
            seen["client"] = (address, 0)
        scheme = _values(headers, b"x-forwarded-proto")
        if scheme and scheme[-1] in _SCHEMES:
            seen["scheme"] = scheme[-1]
        if host := _values(headers, b"x-forwarded-host"):
            others = [pair for pair in seen["headers"] if pair[0] != b"host"]
            seen["headers"] = [(b"host", host[-1].encode("latin-1")), *others]

    def _address(self, hops: list[str]) -> str | None:
        """The last hop that is none of the proxies: what stands before it anybody may have sent."""
        for hop in reversed(hops):
            address = _bare(hop)
            if address is None:
                return None
            if not self._believed(address):
                return address
        return _bare(hops[0]) if hops else None

    def _believed(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.proxies)


class UnderPrefix:
    """Puts the prefix back on, as ASGI has it, for the application that makes addresses from it.

    Args:
        app: The application.
        root_path: The prefix; empty for none.
    """

    def __init__(self, app: ASGIApp, root_path: str):
        self.app, self.root = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if self.root and scope["type"] == "http":
            raw = scope.get("raw_path") or scope["path"].encode()
            scope = {
                **scope,
                "root_path": self.root,
                "path": self.root + scope["path"],
                "raw_path": self.root.encode() + raw,
            }
        await self.app(scope, receive, send)


def _without(root: str, scope: Scope) -> dict[str, object]:
    """Path and raw path without the prefix, for a proxy may take it off or leave it on."""
    path, raw = scope["path"], scope.get("raw_path") or scope["path"].encode()
    if not root or not (path == root or path.startswith(f"{root}/")):
        return {}
    stripped = raw.removeprefix(root.encode()) if raw.startswith(root.encode()) else raw
    return {"path": path.removeprefix(root) or "/", "raw_path": stripped or b"/"}


def _forwards(name: bytes) -> bool:
    return name.startswith(_PREFIX) or name in _OTHERS


def _values(headers: list[Pair], name: bytes) -> list[str]:
    joined = b",".join(value for key, value in headers if key == name)
    return [part.strip() for part in joined.decode("latin-1").split(",") if part.strip()]


def _bare(hop: str) -> str | None:
    """An address without brackets and port; None where it is none."""
    text = hop.partition("]")[0].lstrip("[") if hop.startswith("[") else hop
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
