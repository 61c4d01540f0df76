"""The environment's proxies, for the one place where they count: connections to other machines.

Libraries read ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` by themselves, some as soon as they
are imported, and fail at values that others take.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_NAMES = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "ftp_proxy",
    "ws_proxy",
    "wss_proxy",
    "no_proxy",
)


@contextlib.contextmanager
def without_proxies() -> Iterator[None]:
    """No proxy in the environment; afterwards it is as it was. Not for threads."""
    hidden = {name: value for name, value in os.environ.items() if name.lower() in _NAMES}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def is_local(host: str) -> bool:
    """Whether a host's name means this machine, without asking anybody."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_of(url: str) -> str | None:
    """The proxy that the environment has for an address; None for none, and for this machine.

    Variables mean what they do to Python's own `urllib`: ``NO_PROXY`` takes names with or without
    a leading dot and ``*``, and passes over what it cannot read.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies()
    if is_local(host) or proxy_bypass(host):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")
