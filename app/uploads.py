"""Files that pages send: their bytes, within the server's limit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from synfer_core.errors import RequestError
from synfer_core.facs import EXPRESSIONS, Expression


def uploaded(upload: object, limit_mb: int) -> bytes:
    """The bytes of a file a page sent.

    Raises:
        RequestError: It is too large or did not arrive whole.
    """
    data = upload.get("data") if isinstance(upload, Mapping) else None
    if not isinstance(data, str):
        raise RequestError("no file arrived", field="image")
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
