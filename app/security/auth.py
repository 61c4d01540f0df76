"""The door: who is not signed in gets the login page or an error, and health alone is open."""

from __future__ import annotations

import base64
import binascii
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import failures
from app.security.login import login_html, refresh_html
from app.security.users import SESSION_SECONDS, Credentials, Gate, Identity, sign
from synfer_core.errors import AccessError, AttemptsError, FormatError, SynferError, TooLargeError
from synfer_core.wire import PREFIX

HEALTH = f"{PREFIX}/health"
LOGIN, LOGOUT = "/login", "/logout"
FORM_BYTES = 4096
"""Largest form that signs in."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="SynFER Studio"', "Cache-Control": "no-store"}
_PRIVATE = {"Cache-Control": "no-store"}


class Auth:
    """Lets those in who are known.

    Paths are those of the application, without the prefix of a proxy.

    Args:
        app: The application behind.
        gate: Tells who asks.
        root_path: Prefix under which a proxy serves the application, such as ``/synfer``.
        named: Whether one signs in by name, or with a token alone.
    """

    def __init__(self, app: ASGIApp, gate: Gate, root_path: str, *, named: bool):
        self.app, self.gate, self.root, self.named = app, gate, root_path, named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self.app(scope, receive, send)
            return
        answer = await self._answer(Request(scope, receive))
        await (answer or self.app)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """What the door itself answers; None lets the request through."""
        path, method = request.scope["path"].rstrip("/"), request.method
        if path == LOGIN and method == "POST":
            return await self._sign_in(request)
        if path == LOGIN and method in ("GET", "HEAD"):
            return self._form("", 200)
        try:
            identity = await self._who(request)
        except SynferError as error:
            return self._refused(request, error)
        if path == LOGOUT:
            return self._sign_out(request)
        sign(request.scope, identity)
        return None

    async def _who(self, request: Request) -> Identity:
        """Raises:
        AccessError: Nobody that the server knows.
        AttemptsError: The address has to wait.
        """
        if given := _credentials(request.headers):
            return await self.gate.identify(given, _address(request))
        if identity := self.gate.resume(_cookie(request)):
            return identity
        raise AccessError("sign in first", field="Authorization", allowed="Bearer or Basic")

    async def _sign_in(self, request: Request) -> Response:
        try:
            given = await _sent_form(request)
            if not self.named:
                given = Credentials(None, given.secret)
            identity = await self.gate.identify(given, _address(request))
        except SynferError as error:
            return self._not_signed_in(request, error)
        answer: Response = JSONResponse({"success": True}, headers=_PRIVATE)
        if _wants_page(request):
            answer = RedirectResponse(f"{self.root}/", 303, headers=_PRIVATE)
        self._set_cookie(request, answer, self.gate.open(identity), int(SESSION_SECONDS))
        return answer

    def _not_signed_in(self, request: Request, error: SynferError) -> Response:
        if not _wants_page(request):
            return _failure(error)
        words = error.message
        if isinstance(error, AccessError):
            words = "Name or password is wrong." if self.named else "The token is wrong."
        return self._form(words, failures.status_of(error), error)

    def _sign_out(self, request: Request) -> Response:
        if request.method != "POST":
            error = FormatError("the path takes POST alone", field="method", allowed="POST")
            return failures.answer(error, 405, {"Allow": "POST"})
        self.gate.close(_cookie(request))
        answer = RedirectResponse(f"{self.root}{LOGIN}", 303, headers=_PRIVATE)
        self._set_cookie(request, answer, "", 0)
        return answer

    def _refused(self, request: Request, error: SynferError) -> Response:
        if not _wants_page(request) or request.method != "GET":
            return _failure(error)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # A link on another site brings no cookie; asked for again from here, it does.
            return HTMLResponse(refresh_html(), 401, headers=_CHALLENGE)
        return self._form("", failures.status_of(error), error)

    def _form(self, words: str, status: int, error: SynferError | None = None) -> Response:
        headers = dict(_CHALLENGE if status == 401 else _PRIVATE)
        if isinstance(error, AttemptsError):
            headers["Retry-After"] = str(error.retry_after)
        page = login_html(f"{self.root}{LOGIN}", words, named=self.named)
        return HTMLResponse(page, status, headers=headers)

    def _set_cookie(self, request: Request, answer: Response, secret: str, seconds: int) -> None:
        answer.set_cookie(
            _cookie_name(request),
            secret,
            max_age=seconds,
            path=f"{self.root}/",
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )


def _failure(error: SynferError) -> Response:
    return failures.answer(error, headers=_CHALLENGE if isinstance(error, AccessError) else None)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _cookie_name(request: Request) -> str:
    """Cookies are not told apart by port, and a machine may run several studios."""
    server = request.scope.get("server") or ("", 0)
    return f"synfer_session_{server[1] or 0}"


def _cookie(request: Request) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    morsel = jar.get(_cookie_name(request))
    return morsel.value if morsel else ""


def _credentials(headers: Headers) -> Credentials | None:
    """What ``Authorization`` brings; None where there is none of a scheme that is taken."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credentials(None, value.strip())
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return Credentials(None, "")
        return Credentials(name, secret)
    return None


async def _sent_form(request: Request) -> Credentials:
    """Raises:
    FormatError: The body is no such form.
    TooLargeError: It is larger than `FORM_BYTES`.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    wanted = "application/x-www-form-urlencoded"
    if kind != wanted:
        raise FormatError("is no form", field="Content-Type", allowed=wanted)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise TooLargeError("is too large", field="body", allowed=f"at most {FORM_BYTES} bytes")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise FormatError("is no form", field="body") from error
    return Credentials(fields.get("username", [""])[0], fields.get("password", [""])[0])
