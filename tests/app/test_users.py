"""Who asks: accounts, sessions, and what it takes to try many passwords."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from app.security import users
from app.security.auth import Auth
from app.security.users import (
    FREE_ATTEMPTS,
    SESSION_SECONDS,
    SESSIONS,
    Attempts,
    Credentials,
    Gate,
    Identity,
    UserFile,
    accounts_of,
    client_of,
    user_of,
)
from synfer_core.accounts import Stored, put_user
from synfer_core.errors import AccessError, AttemptsError
from tests.test_accounts import QUICK

ADA, BOB = Credentials("ada", "ada's password"), Credentials("bob", "bob's password")
PAGE = {"Accept": "text/html,*/*"}


class Clock:
    """Seconds that a test lets pass."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """A small application behind a door, and its users."""

    app: ASGIApp
    gate: Gate
    clock: Clock
    file: Path

    def ask(self, method: str, path: str, base: str = "http://studio", **options: Any) -> Any:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=("192.0.2.1", 1))
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(users.Stored, "of", lambda word, cost=QUICK: _stored(word))
    file = tmp_path / "users.txt"
    for one in (ADA, BOB):
        put_user(file, one.name or "", _stored(one.secret))

    async def tell(request: Request) -> JSONResponse:
        return JSONResponse([user_of(request.scope), client_of(request.scope)])

    clock = Clock()
    gate = Gate(accounts_of(f"users:{file}"), clock)
    inner = Starlette(routes=[Route("/{path:path}", tell, methods=["GET", "POST", "DELETE"])])
    return House(Auth(inner, gate, "/synfer", named=True), gate, clock, file)


_of = Stored.of


def _stored(word: str) -> Stored:
    return _of(word, QUICK)


def basic(one: Credentials) -> dict[str, str]:
    word = base64.b64encode(f"{one.name}:{one.secret}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT"])
@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/assets/index.js", "/api/v1/jobs", "/api/v1/health/", "/api/v1/healthy",
     "/gradio_api/queue/join", "/theme.css", "/logout", "/%2e%2e/api/v1/health"],
)  # fmt: skip
def test_nothing_is_told_to_strangers(house: House, method: str, path: str) -> None:
    answer = house.ask(method, path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if method != "HEAD":
        assert answer.json()["error"]["type"] == "AccessError"


def test_health_is_open(house: House) -> None:
    assert house.ask("GET", "/api/v1/health").json() == [None, "192.0.2.1"]


def test_a_name_and_a_password_open(house: House) -> None:
    assert house.ask("GET", "/x", headers=basic(ADA)).json() == ["ada", "ada"]
    assert house.ask("GET", "/x", headers=basic(BOB)).json() == ["bob", "bob"]


@pytest.mark.parametrize(
    "value",
    ["Basic", "Basic !", "Basic YWRh", "Basic /w==", "Bearer", "Bearer ada", "Digest x", "\xff",
     "Basic " + base64.b64encode(b"ada:bob's password").decode(),
     "Basic " + base64.b64encode(b"eve:ada's password").decode(),
     "Basic " + base64.b64encode(b"ada:" + b"x" * 5000).decode()],
)  # fmt: skip
def test_other_credentials_do_not(house: House, value: str) -> None:
    answer = house.ask("GET", "/x", headers={"Authorization": value.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["error"]["field"] == "Authorization"


def sign_in(house: House, base: str = "http://studio", **fields: str) -> httpx.Response:
    form = {"username": "ada", "password": "ada's password"} | fields
    answer: httpx.Response = house.ask("POST", "/login", base, data=form, headers=PAGE)
    return answer


def test_a_browser_gets_a_cookie_that_scripts_and_other_sites_never_see(house: House) -> None:
    answer = sign_in(house)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/synfer/")
    said = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/synfer/"} <= set(said.split("; "))
    assert "Secure" not in said
    assert "Secure" in sign_in(house, "https://studio").headers["Set-Cookie"]
    cookie = {"Cookie": said.split(";")[0]}
    assert house.ask("GET", "/", headers=cookie).json() == ["ada", "ada"]


def test_signing_out_ends_the_session_on_the_server(house: House) -> None:
    cookie = {"Cookie": sign_in(house).headers["Set-Cookie"].split(";")[0]}
    assert house.ask("GET", "/logout", headers=cookie).status_code == 405
    answer = house.ask("POST", "/logout", headers=cookie)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/synfer/login")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert house.ask("GET", "/", headers=cookie).status_code == 401


def test_sessions_end(house: House) -> None:
    cookie = {"Cookie": sign_in(house).headers["Set-Cookie"].split(";")[0]}
    house.clock.now += SESSION_SECONDS - 1
    assert house.ask("GET", "/", headers=cookie).status_code == 200
    house.clock.now += 2
    assert house.ask("GET", "/", headers=cookie).status_code == 401


def test_so_many_sessions_and_no_more(house: House) -> None:
    first = house.gate.open(Identity("ada", _line(house, "ada")))
    last = [house.gate.open(Identity("ada", _line(house, "ada"))) for _ in range(SESSIONS)][-1]
    assert house.gate.resume(first) is None
    assert house.gate.resume(last)


def _line(house: House, name: str) -> str:
    lines = house.file.read_text().splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


@pytest.mark.parametrize("stored", [None, _stored("another password")])
def test_who_is_removed_or_has_another_password_is_out(house: House, stored: Stored | None) -> None:
    cookie = {"Cookie": sign_in(house).headers["Set-Cookie"].split(";")[0]}
    assert house.ask("GET", "/", headers=basic(ADA)).status_code == 200
    put_user(house.file, "ada", stored)
    assert house.ask("GET", "/", headers=cookie).status_code == 401
    assert house.ask("GET", "/", headers=basic(ADA)).status_code == 401
    assert house.ask("GET", "/", headers=basic(BOB)).status_code == 200


def test_a_damaged_user_file_leaves_the_users_as_they_were(house: House) -> None:
    house.file.write_text("nonsense\n")
    assert house.ask("GET", "/", headers=basic(ADA)).status_code == 200
    house.file.unlink()
    assert house.ask("GET", "/", headers=basic(BOB)).status_code == 200


def test_the_page_asks_who_one_is(house: House) -> None:
    answer = house.ask("GET", "/", headers=PAGE)
    assert answer.status_code == 401
    for part in ('action="/synfer/login"', 'name="username"', 'for="password"', "<title>"):
        assert part in answer.text
    again = sign_in(house, password="<b>wrong</b>")
    assert again.status_code == 401
    assert 'role="alert"' in again.text
    assert "<b>wrong" not in again.text
    assert house.ask("GET", "/login", headers=PAGE).status_code == 200


def test_a_link_on_another_site_is_asked_for_again_with_its_cookie(house: House) -> None:
    headers = {**PAGE, "Sec-Fetch-Site": "cross-site"}
    assert 'http-equiv="refresh"' in house.ask("GET", "/", headers=headers).text


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 5000, "application/x-www-form-urlencoded", 413),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(50)), "application/x-www-form-urlencoded", 400),
        (b"username=%ff&password=%ff", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 401),
        (b"{}", "application/json", 400),
    ],
)
def test_other_forms_are_refused(house: House, body: bytes, kind: str, status: int) -> None:
    answer = house.ask("POST", "/login", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_many_wrong_passwords_have_to_wait_and_right_ones_that_are_known_do_not(
    house: House,
) -> None:
    assert house.ask("GET", "/", headers=basic(BOB)).status_code == 200
    wrong = basic(Credentials("ada", "no"))
    codes = [house.ask("GET", "/", headers=wrong).status_code for _ in range(FREE_ATTEMPTS + 3)]
    assert codes == [401] * FREE_ATTEMPTS + [429] * 3
    late = house.ask("GET", "/", headers=basic(ADA))
    assert late.status_code == 429, "or a guess that is right would be told from one that is not"
    assert int(late.headers["Retry-After"]) >= 1
    assert house.ask("GET", "/", headers=basic(BOB)).status_code == 200
    house.clock.now += 3
    assert house.ask("GET", "/", headers=basic(ADA)).status_code == 200
    assert house.ask("GET", "/", headers=wrong).status_code == 401


def test_the_wait_doubles_up_to_a_minute_and_is_forgotten() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(20):
        while True:
            try:
                attempts.begin("192.0.2.1")
                break
            except AttemptsError as error:
                waits.append(error.retry_after)
                clock.now += error.retry_after
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert max(waits) == 60
    attempts.begin("192.0.2.2")
    clock.now += 1000
    attempts.begin("192.0.2.1")
    attempts.begin("192.0.2.1")


def test_a_provider_s_network_of_ipv6_counts_as_one() -> None:
    attempts = Attempts(Clock())
    for host in range(FREE_ATTEMPTS):
        attempts.begin(f"2001:db8::{host}")
    with pytest.raises(AttemptsError):
        attempts.begin("2001:db8::ffff")
    attempts.begin("2001:db8:0:1::1")


def test_many_addresses_do_not_fill_the_memory() -> None:
    attempts = Attempts(Clock())
    for number in range(users._ADDRESSES + 50):
        attempts.begin(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(attempts._wrong) == users._ADDRESSES


def test_a_stranger_s_name_takes_as_long_as_a_user_s(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []
    plain: Callable[[Any, str, bytes], bytes] = users.Stored.fits.__globals__["Cost"].hash

    def counted(cost: Any, password: str, salt: bytes) -> bytes:
        hashed.append(salt)
        return plain(cost, password, salt)

    accounts = UserFile(house.file)
    monkeypatch.setattr("synfer_core.accounts.Cost.hash", counted)
    assert accounts.verify(Credentials("eve", "x")) is None
    assert accounts.verify(Credentials("ada", "x")) is None
    assert accounts.verify(Credentials(None, "x")) is None
    assert len(hashed) == 3


def test_what_was_right_once_is_not_hashed_again(house: House) -> None:
    async def twice() -> tuple[Identity, Identity]:
        first = await house.gate.identify(ADA, "192.0.2.1")
        house.gate._verify = None  # type: ignore[assignment, method-assign]
        return first, await house.gate.identify(ADA, "192.0.2.1")

    first, second = asyncio.run(twice())
    assert first == second


def test_a_token_opens_by_itself_and_as_a_password(tmp_path: Path) -> None:
    token = "a-token-of-thirty-two-characters"
    file = tmp_path / "token.txt"
    file.write_text(token)
    gate = Gate(accounts_of(f"token:{file}"), Clock())

    async def who(*given: Credentials) -> list[str]:
        return [(await gate.identify(one, "192.0.2.1")).name for one in given]

    right = (Credentials(None, token), Credentials("", token), Credentials("any", token))
    assert asyncio.run(who(*right)) == ["token"] * 3
    for wrong in ("", token[:-1], token + "x", "ü", os.urandom(8).hex()):
        with pytest.raises(AccessError):
            asyncio.run(who(Credentials(None, wrong)))
