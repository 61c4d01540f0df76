"""Where a server listens: taken before anything is loaded or told, and open to whom."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Sequence

from synfer_core.errors import RequestError

_BACKLOG = 2048
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_SAID = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this user may not; ports below 1024 are for root",
}


def addresses_of(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses that a host's name means here.

    Raises:
        RequestError: It means none, or the port is none.
    """
    if not 0 < port < 65536:
        raise RequestError("is not a port", field="--port", allowed="1 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        message = "is no address of this machine"
        raise RequestError(message, field="--host", allowed="such as 127.0.0.1") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def local_alone(addresses: Sequence[tuple[socket.AddressFamily, str]]) -> bool:
    """Whether nobody but this machine reaches these addresses."""
    return all(ipaddress.ip_address(a.partition("%")[0]).is_loopback for _, a in addresses)


def listen(addresses: Sequence[tuple[socket.AddressFamily, str]], port: int) -> list[socket.socket]:
    """Sockets that listen; whoever connects early waits.

    Raises:
        RequestError: The port is taken, or this user may not have it.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in addresses:
        try:
            sockets.append(socket.create_server((address, port), family=family, backlog=_BACKLOG))
        except OSError as error:
            if error.errno not in _ABSENT:  # a name may mean addresses that a machine lacks
                _close(sockets)
                raise _refused(address, port, error) from error
            absent = error
    if not sockets and absent is not None:
        raise _refused(addresses[0][1], port, absent) from absent
    return sockets


def _refused(address: str, port: int, error: OSError) -> RequestError:
    known = error.errno in _SAID
    why = _SAID[error.errno or 0] if known else (error.strerror or str(error)).lower()
    allowed = "an address of this machine" if error.errno in _ABSENT else "a free port"
    field = "--host" if error.errno in _ABSENT else "--port"
    return RequestError(
        f"cannot listen on {address} port {port}: {why}", field=field, allowed=allowed
    )


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()


def url_of(host: str, port: int, root_path: str = "") -> str:
    """The address to open."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{root_path}/"
