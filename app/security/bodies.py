"""Bodies of requests: their size, counted as they arrive."""

from __future__ import annotations

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import failures
from synfer_core.errors import TooLargeError


class BodyOverError(Exception):
    """A request's body is larger than the server takes."""


class Body:
    """A request's body, counted as it arrives, because it may come without its length.

    Attributes:
        over: Whether it has turned out too large. The application behind may take the error for
            its own and answer; that answer does not count.
    """

    def __init__(self, receive: Receive, limit: int):
        self._receive, self._left = receive, limit
        self.over = False

    async def __call__(self) -> Message:
        """The next part.

        Raises:
            BodyOverError: It is too large.
        """
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            raise BodyOverError
        return message


class BodyLimit:
    """Refuses bodies that are too large.

    Args:
        app: The application behind.
        limit: Largest body, in bytes.
    """

    def __init__(self, app: ASGIApp, limit: int):
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 413."""
        if scope["type"] == "http":
            await self._limited(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limit:
            await self._refuse(scope, receive, send)
            return
        body = Body(receive, self.limit)

        async def send_unless_over(message: Message) -> None:
            if not body.over:
                await send(message)

        with contextlib.suppress(BodyOverError):
            await self.app(scope, body, send_unless_over)
        if body.over:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = f"at most {self.limit:,} bytes"
        error = TooLargeError("is too large", field="body", allowed=allowed)
        await failures.answer(error)(scope, receive, send)
