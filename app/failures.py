"""Errors as HTTP: one JSON form for all of them, and the status that says who is to act."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import compile_path

from app.security.paths import path_of
from synfer_core.errors import (
    AccessError,
    AttemptsError,
    BusyError,
    FaultError,
    FormatError,
    ImageError,
    MissingError,
    QuotaError,
    RequestError,
    StateError,
    SynferError,
    TooLargeError,
)
from synfer_core.wire import Failure, Problem

_STATUS: tuple[tuple[type[SynferError], int], ...] = (
    (FormatError, 400),
    (AccessError, 401),
    (MissingError, 404),
    (StateError, 409),
    (TooLargeError, 413),
    (RequestError, 422),
    (ImageError, 422),
    (QuotaError, 429),
    (AttemptsError, 429),
    (BusyError, 503),
)
"""The first that fits counts; any other error is the server's own."""

_MEANING = {
    400: "The request is malformed, such as broken JSON.",
    401: "The server has users, and the request names none of them.",
    404: "There is nothing of that name, or it has been deleted.",
    405: "The path does not take this method.",
    409: "The job is not in a state that allows this.",
    413: "The body is too large.",
    422: "A value is not allowed; the error names the field and what is.",
    429: "This user or address has as many unfinished jobs as it may.",
    503: "The queue is full; `Retry-After` says when to try again.",
}


def responses(*codes: int) -> dict[int | str, dict[str, object]]:
    """What the OpenAPI description says of these codes, whatever a route's answers else are."""
    sent = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    return {code: {"description": _MEANING[code], "content": sent} for code in codes}


def status_of(error: SynferError) -> int:
    """The HTTP status of an error."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def answer(
    error: SynferError, status: int | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The answer that tells of an error."""
    sent = dict(headers or {})
    if isinstance(error, BusyError):
        sent["Retry-After"] = str(error.retry_after)
    body = Failure(error=Problem.of(error)).model_dump(mode="json")
    return JSONResponse(body, status or status_of(error), headers=sent)


def install(api: FastAPI) -> None:
    """Have every error of an application answered in the one form."""
    api.add_exception_handler(SynferError, _ours)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(ClientDisconnect, _gone)
    api.add_exception_handler(Exception, fault)


async def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SynferError)
    return answer(error)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """What FastAPI itself found wrong in a path, a query or a header."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return answer(RequestError(str(first["msg"]), field=str(first["loc"][-1])))


async def _http(request: Request, error: Exception) -> JSONResponse:
    """Unknown paths and wrong methods."""
    assert isinstance(error, HTTPException)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 404:
        return answer(MissingError("there is no such path", field="path"))
    words = HTTPStatus(error.status_code).phrase.lower()
    allowed = None
    if error.status_code == 405:
        headers["allow"] = allowed = _methods(request)
    ours = FormatError(words, field="method" if allowed else None, allowed=allowed)
    return answer(ours, error.status_code, headers)


def _methods(request: Request) -> str:
    """All methods of a path: each has a route of its own, and the first tells but its own."""
    path = path_of(request.scope)
    found = {
        method
        for route in iter_route_contexts(request.app.routes)
        if route.path and compile_path(route.path)[0].match(path)
        for method in route.methods or ()
    }
    return ", ".join(sorted(found))


async def _gone(_: Request, __: Exception) -> JSONResponse:
    """The client left before its request was whole; nobody reads this."""
    return answer(FormatError("the request broke off"))


async def fault(_: Request, __: Exception) -> JSONResponse:
    """What is answered where nobody foresaw the error; the traceback goes to the server's log."""
    return answer(FaultError("Something went wrong; the server's log has the details."))
