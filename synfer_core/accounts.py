"""Who may use a server: users with hashed passwords in a file, or one token.

A user's line is ``NAME:scrypt:N:r:p:SALT:HASH``, salt and hash in base64 (RFC 7914). A token file
holds the token alone. Neither a password nor a token is ever given on a command line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from synfer_core.errors import RequestError
from synfer_core.files import placed, read_text_bytes

KINDS = ("users", "token")
"""Ways to say who may use a server: ``users:FILE`` or ``token:FILE``."""

PASSWORD_LEAST = 10
"""Characters that a password has at least."""

SECRET_MOST = 256
"""Characters that a password or a token has at most."""

TOKEN_USER = "token"
"""What whoever brings the token is called."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{20,{SECRET_MOST}}}")
_HEADING = "# Users of SynFER Studio; synfer user add NAME --file FILE writes a line."


@dataclass(frozen=True)
class Cost:
    """What one hash takes: scrypt's n, r and p; 128 n r bytes of memory, n r p of time.

    The usual one is the first that OWASP's password storage cheat sheet gives for 16 MiB.
    """

    n: int = 2**14
    r: int = 8
    p: int = 5

    def __post_init__(self) -> None:
        small = 2 <= self.n <= 2**20 and 1 <= self.r <= 32 and 1 <= self.p <= 16
        if not small or self.n & (self.n - 1):
            raise ValueError("scrypt's costs are out of range")

    def hash(self, password: str, salt: bytes) -> bytes:
        """32 bytes."""
        memory = 128 * self.r * (self.n + self.p + 2)
        return hashlib.scrypt(
            password.encode(), salt=salt, n=self.n, r=self.r, p=self.p, dklen=32, maxmem=memory * 2
        )


@dataclass(frozen=True)
class Stored:
    """A password as it is kept."""

    cost: Cost
    salt: bytes
    hashed: bytes

    @classmethod
    def of(cls, password: str, cost: Cost | None = None) -> Stored:
        """A password hashed with a salt of its own."""
        cost, salt = cost or Cost(), secrets.token_bytes(16)
        return cls(cost, salt, cost.hash(password, salt))

    @classmethod
    def parse(cls, text: str) -> Stored:
        """From ``scrypt:N:r:p:SALT:HASH``.

        Raises:
            ValueError: It is no such text.
        """
        kind, n, r, p, salt, hashed = text.split(":")
        if kind != "scrypt":
            raise ValueError("another hash")
        stored = cls(Cost(int(n), int(r), int(p)), _bytes(salt), _bytes(hashed))
        if len(stored.hashed) != 32 or len(stored.salt) < 8:
            raise ValueError("salt or hash is too short")
        return stored

    def __str__(self) -> str:
        cost = self.cost
        return f"scrypt:{cost.n}:{cost.r}:{cost.p}:{_text(self.salt)}:{_text(self.hashed)}"

    def fits(self, password: str) -> bool:
        """Whether it is this password; takes as long either way."""
        return hmac.compare_digest(self.cost.hash(password, self.salt), self.hashed)


def read_users(path: Path) -> dict[str, Stored]:
    """The users in a file, by name.

    Raises:
        RequestError: The file cannot be read, or a line of it is no user's; names the line.
    """
    users: dict[str, Stored] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        where = f"{path.name} line {number}"
        if name in users:
            raise RequestError("names a user twice", field=where)
        try:
            users[check_name(name)] = Stored.parse(rest)
        except ValueError as error:
            raise RequestError(
                "is no user", field=where, allowed="lines that synfer user add writes"
            ) from error
    return users


def put_user(path: Path, name: str, stored: Stored | None) -> None:
    """Write a user's line in place of the one that was there; every other line stays as it is.

    Args:
        path: The file; it is made where there is none, and its owner alone can read it.
        name: Whose line.
        stored: The password as it is kept; None takes the line out.

    Raises:
        RequestError: The file is none of users, or cannot be written.
    """
    lines = _lines(path) if path.exists() else [_HEADING]
    lines = [line for line in lines if line.partition(":")[0] != name]
    if stored is not None:
        lines.append(f"{name}:{stored}")
    write_private(path, "".join(f"{line}\n" for line in lines))


def write_private(path: Path, text: str) -> None:
    """Write a file beside its place, for its owner alone to read, and rename it into place.

    Raises:
        RequestError: It cannot be written.
    """
    with (
        placed(path) as aside,
        open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
    ):
        file.write(text)


def read_token(path: Path) -> str:
    """The token in a file.

    Raises:
        RequestError: The file cannot be read or holds no token.
    """
    token = "\n".join(_lines(path)).strip()
    if not _TOKEN.fullmatch(token):
        allowed = f"one line of 20 to {SECRET_MOST} letters, digits and . _ ~ + / = -"
        raise RequestError("holds no token", field=path.name, allowed=allowed)
    return token


def new_token() -> str:
    """A token of 256 bits."""
    return secrets.token_urlsafe(32)


def check_name(name: str) -> str:
    """A user's name.

    Raises:
        RequestError: It is not allowed.
    """
    if not _NAME.fullmatch(name):
        allowed = "1 to 64 letters (A to Z), digits, and . _ @ -, a letter or digit first"
        raise RequestError("is no user's name", field="NAME", allowed=allowed)
    return name


def check_password(password: str) -> str:
    """A new password.

    Raises:
        RequestError: It is too short or too long.
    """
    if not PASSWORD_LEAST <= len(password) <= SECRET_MOST or not password.isprintable():
        allowed = f"{PASSWORD_LEAST} to {SECRET_MOST} printable characters"
        raise RequestError("is not allowed", field="password", allowed=allowed)
    return password


def parse_auth(text: str) -> tuple[str, Path]:
    """Kind and file of ``users:FILE`` or ``token:FILE``.

    Raises:
        RequestError: It is neither.
    """
    kind, colon, file = text.partition(":")
    if kind not in KINDS or not colon or not file:
        raise RequestError("is not known", field="--auth", allowed="users:FILE or token:FILE")
    return kind, Path(file)


def check_auth(text: str) -> None:
    """Refuse what names no users and no token, before a server is started with it.

    Raises:
        RequestError: It is neither ``users:FILE`` nor ``token:FILE``, or the file is none of these.
    """
    kind, path = parse_auth(text)
    if kind == "token":
        read_token(path)
    elif not read_users(path):
        allowed = "synfer user add NAME --file FILE"
        raise RequestError("has no user", field=str(path), allowed=allowed)


def _lines(path: Path) -> list[str]:
    data = read_text_bytes(path, "--auth")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise RequestError("is no text", field=str(path), allowed="UTF-8") from error
    return [line.strip() for line in text.splitlines()]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
