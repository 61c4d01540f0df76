"""What pages and clients send: recipes and files, within the server's limits and in memory."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from json import JSONDecodeError

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.off_loop import off_loop
from synfer_core.errors import FormatError, RequestError, TooLargeError
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.request import Recipe

RECIPE_BYTES = 2_900_000
"""Largest recipe; one with a picture to edit and one of a person has at most 2.8 MB and its words.
"""

_BROKEN = (JSONDecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class Upload:
    """An image that a client sent.

    Attributes:
        data: Its bytes, which nobody has looked at yet.
        label: What it is said to show.
    """

    data: bytes
    label: Expression | None


class _InMemory(MultiPartParser):
    """Keeps files in memory, whatever their size: no picture is written to a disk."""

    spool_max_size = 0  # to Python it means: never


async def sent_recipe(request: Request) -> Recipe:
    """The recipe in a request's body.

    Raises:
        FormatError: The body is not JSON, or does not say that it is.
        TooLargeError: It has more than `RECIPE_BYTES`.
        RequestError: It is no recipe; the error names the first field that is wrong.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise FormatError("is not JSON", field="Content-Type", allowed="application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > RECIPE_BYTES:
            allowed = f"at most {RECIPE_BYTES:,} bytes"
            raise TooLargeError("is too large", field="recipe", allowed=allowed)
    return await off_loop(_recipe, bytes(body))


def _recipe(body: bytes) -> Recipe:
    try:
        return Recipe.parse_json(body)
    except RequestError as error:
        if isinstance(error.__cause__, _BROKEN):
            raise FormatError(error.message, field=error.field) from error
        raise


async def sent_image(request: Request, limit: int) -> Upload:
    """The image in a multipart form, with the label that may come along.

    Args:
        request: Its form has a file ``image`` and may have a field ``label``.
        limit: Largest file, in bytes.

    Raises:
        FormatError: The body is no such form.
        TooLargeError: The file is larger than that.
        RequestError: The file is missing, or the label is no expression.
    """
    form = await _form(request)
    try:
        unknown = sorted(set(form) - {"image", "label"})
        if unknown:
            raise RequestError("unknown field", field=unknown[0], allowed="image, label")
        file = form.get("image")
        if not isinstance(file, UploadFile):
            raise RequestError("no file arrived", field="image", allowed="an image file")
        data = await file.read()
    finally:
        await form.close()
    if len(data) > limit:
        raise TooLargeError("is too large", field="image", allowed=f"at most {limit:,} bytes")
    return Upload(data, said_label(form))


async def _form(request: Request) -> FormData:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise FormatError("is no form", field="Content-Type", allowed="multipart/form-data")
    try:
        async with aclosing(request.stream()) as stream:
            return await _InMemory(request.headers, stream, max_files=1, max_fields=4).parse()
    except MultiPartException as error:
        raise FormatError(error.message, field="body") from error


def uploaded(upload: object, limit_mb: int) -> bytes:
    """The bytes of a file a page sent.

    Raises:
        RequestError: It is too large or did not arrive whole.
    """
    data = upload.get("data") if isinstance(upload, Mapping) else None
    if not isinstance(data, str):
        raise RequestError("no file arrived", field="image")
    if len(data) > limit_mb * 1_400_000:
        raise RequestError("is too large", field="image", allowed=f"at most {limit_mb} MB")
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise RequestError("the file did not arrive whole", field="image") from error
    if len(content) > limit_mb * 1_000_000:
        raise RequestError("is too large", field="image", allowed=f"at most {limit_mb} MB")
    return content


def said_label(upload: object) -> Expression | None:
    """The label that comes with a file, if one does.

    Raises:
        RequestError: It is no expression.
    """
    name = upload.get("label") if isinstance(upload, Mapping) else None
    if not name:
        return None
    for expression in EXPRESSIONS:
        if name == expression:
            return expression
    raise RequestError("is no expression", field="label", allowed=", ".join(EXPRESSIONS))
