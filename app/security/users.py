"""Who asks: credentials checked against a server's users or its token, and sessions of browsers.

Hashes are compared in constant time, an unknown name takes as long as a wrong password, and an
address that was wrong a few times has to wait, longer each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.types import Scope

from synfer_core.accounts import (
    SECRET_MOST,
    TOKEN_USER,
    Stored,
    parse_auth,
    read_token,
    read_users,
)
from synfer_core.errors import AccessError, AttemptsError, SynferError

log = logging.getLogger(__name__)

SESSION_SECONDS = 12 * 3600.0
"""Seconds after which a browser has to sign in again."""

SESSIONS = 1000
"""Browsers that may be signed in at once; the oldest goes first."""

FREE_ATTEMPTS = 5
"""Wrong credentials that one address may send before it has to wait."""

LONGEST_WAIT = 60.0
"""Seconds that it waits at most; the wait doubles with each that is wrong."""

_FORGOTTEN = 900.0
_ADDRESSES = 10_000
_VERIFIED = 1000
_AT_ONCE = 2
_SCOPE_KEY = "synfer.user"


@dataclass(frozen=True)
class Credentials:
    """What a request brings; a token comes without a name."""

    name: str | None
    secret: str


@dataclass(frozen=True)
class Identity:
    """Somebody the server knows.

    Attributes:
        name: The user.
        mark: The secret as it was kept at that time: another password ends what the old one opened.
    """

    name: str
    mark: str


class Accounts(Protocol):
    """Whom a server knows."""

    def verify(self, given: Credentials) -> Identity | None:
        """Who brings these credentials; None where nobody does. May take a quarter of a second."""

    def knows(self, identity: Identity) -> bool:
        """Whether that is still so."""


class TokenAccount:
    """One token for all; whoever brings it is the user `TOKEN_USER`."""

    def __init__(self, path: Path):
        self._digest = hashlib.sha256(read_token(path).encode()).hexdigest()

    def verify(self, given: Credentials) -> Identity | None:
        """Any name will do, for tools that can only send one."""
        digest = hashlib.sha256(given.secret.encode("utf-8", "replace")).hexdigest()
        fits = hmac.compare_digest(digest, self._digest)
        return Identity(TOKEN_USER, digest) if fits else None

    def knows(self, identity: Identity) -> bool:
        """A token lasts as long as the server."""
        return identity.mark == self._digest


class UserFile:
    """The users in a file, which is read again when it changes.

    Raises:
        RequestError: The file cannot be read or is none of users.
    """

    def __init__(self, path: Path):
        self._path = path
        self._users, self._read = read_users(path), _stamp(path)
        self._nobody = Stored.of(secrets.token_urlsafe())

    def verify(self, given: Credentials) -> Identity | None:
        """A name that is not known takes as long as one that is."""
        stored = self._known().get(given.name or "")
        fits = (stored or self._nobody).fits(given.secret)
        return Identity(given.name, str(stored)) if stored and given.name and fits else None

    def knows(self, identity: Identity) -> bool:
        """Whether the user is still there, with the same password."""
        stored = self._known().get(identity.name)
        return stored is not None and str(stored) == identity.mark

    def _known(self) -> dict[str, Stored]:
        stamp = _stamp(self._path)
        if stamp != self._read:
            self._read = stamp
            try:
                self._users = read_users(self._path)
            except SynferError as error:
                log.warning("users stay as they were: %s", error)
        return self._users


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def accounts_of(auth: str) -> Accounts:
    """The accounts that ``users:FILE`` or ``token:FILE`` names.

    Raises:
        RequestError: It is neither, or the file is not of that kind.
    """
    kind, path = parse_auth(auth)
    return TokenAccount(path) if kind == "token" else UserFile(path)


class Attempts:
    """Counts wrong credentials by address, and makes those wait that send many.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def begin(self, address: str) -> None:
        """Count an attempt as wrong until `forgive` says otherwise, so that many at once count.

        Raises:
            AttemptsError: The address has to wait.
        """
        key, now = _network(address), self._clock()
        count, last = self._wrong.pop(key, (0, now))
        wait = last + _wait(count) - now
        if wait > 0:
            self._wrong[key] = count, last
            raise _too_many(wait)
        self._wrong[key] = (1 if now - last > _FORGOTTEN else count + 1), now
        while len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)

    def forgive(self, address: str) -> None:
        """The attempt was right."""
        self._wrong.pop(_network(address), None)


def _wait(wrong: int) -> float:
    """Seconds from the last of so many to the next that is looked at."""
    over = wrong - FREE_ATTEMPTS
    return 0.0 if over < 0 else min(LONGEST_WAIT, 2.0 ** min(over, 10))


def _too_many(wait: float) -> AttemptsError:
    after = max(1, math.ceil(wait))
    message = f"too many wrong attempts from this address; try again in {after} s"
    return AttemptsError(message, field="Authorization", retry_after=after)


def _network(address: str) -> str:
    """An address as it is counted: of IPv6 the half that a provider gives to one customer."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


@dataclass(frozen=True)
class _Session:
    identity: Identity
    ends: float


class Gate:
    """Tells who asks.

    Args:
        accounts: Whom the server knows.
        clock: Seconds that only grow.
    """

    def __init__(self, accounts: Accounts, clock: Callable[[], float] = time.monotonic):
        self._accounts, self._clock = accounts, clock
        self._attempts = Attempts(clock)
        self._key = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._hashing = asyncio.Semaphore(_AT_ONCE)

    async def identify(self, given: Credentials, address: str) -> Identity:
        """Who brings these credentials. What was right once is known again without a hash.

        Raises:
            AccessError: Nobody does.
            AttemptsError: The address was wrong too often; the credentials were not looked at.
        """
        key = self._digest(f"{given.name}\0{given.secret}")
        known = self._verified.get(key)
        if known and self._accounts.knows(known):
            return known
        self._attempts.begin(address)
        identity = await self._verify(given)
        if identity is None:
            log.warning("wrong credentials from %s", address)
            raise AccessError("the name, password or token is not known", field="Authorization")
        self._attempts.forgive(address)
        _put(self._verified, key, identity, _VERIFIED)
        return identity

    def open(self, identity: Identity) -> str:
        """A session's secret, for the browser's cookie; the server keeps its hash alone."""
        secret = secrets.token_urlsafe(32)
        ends = self._clock() + SESSION_SECONDS
        _put(self._sessions, self._digest(secret), _Session(identity, ends), SESSIONS)
        return secret

    def resume(self, secret: str) -> Identity | None:
        """Whose session it is; None once it has ended."""
        key = self._digest(secret)
        session = self._sessions.get(key)
        if session is None:
            return None
        if session.ends < self._clock() or not self._accounts.knows(session.identity):
            del self._sessions[key]
            return None
        return session.identity

    def close(self, secret: str) -> None:
        """End a session."""
        self._sessions.pop(self._digest(secret), None)

    async def _verify(self, given: Credentials) -> Identity | None:
        if len(given.secret) > SECRET_MOST:
            return None
        async with self._hashing:
            return await asyncio.to_thread(self._accounts.verify, given)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")


def _put(kept: OrderedDict[bytes, Any], key: bytes, value: object, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


def sign(scope: Scope, identity: Identity) -> None:
    """Note whose a request is, for `user_of`."""
    scope[_SCOPE_KEY] = identity.name


def user_of(scope: Scope) -> str | None:
    """Whose a request is; None where the server has no users."""
    user: str | None = scope.get(_SCOPE_KEY)
    return user


def client_of(scope: Scope) -> str:
    """Who a request counts for: its user where the server has users, else its address.

    It has no spaces.
    """
    address = scope.get("client")
    return user_of(scope) or (str(address[0]).replace(" ", "") if address else "") or "unknown"
