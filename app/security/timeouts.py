"""Requests that never become whole: each has its time, and few may be open at once.

As Apache's mod_reqtimeout counts: a head has `HEAD_SECONDS`; a body `BODY_SECONDS`, and a second
more for each `BODY_RATE` bytes that have come. https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app import failures
from synfer_core.errors import FormatError, SynferError

HEAD_SECONDS = 20.0
"""Seconds from the first byte, or from the connection, until a request's head is whole."""

BODY_SECONDS = 20.0
"""Seconds until its body is, if nothing comes."""

BODY_RATE = 500
"""Bytes of a body that earn it another second."""

UNFINISHED = 256
"""Requests that may be on their way at once; the oldest is given up for one more."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that waits for requests, but not for ever."""

    head_seconds, body_seconds = HEAD_SECONDS, BODY_SECONDS
    _unfinished: ClassVar[dict[PatientProtocol, None]] = {}

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._since: float | None = None
        self._body_bytes = 0
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first head its time."""
        super().connection_made(transport)
        self._owed(head=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._paid()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and see what is still owed."""
        self._heard = True
        had_body = self.conn.their_state is h11.SEND_BODY
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY:
            self._body_bytes = self._body_bytes + len(data) if had_body else 0
            self._owed(head=False, anew=not had_body)
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._owed(head=True)
        else:
            self._paid()

    @classmethod
    def give_up_all(cls) -> None:
        """Give up every request that is on its way."""
        for one in list(cls._unfinished):
            one._give_up()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so in the one form of errors."""
        self._end(FormatError(msg.rstrip(".").lower()), 400)

    def _owed(self, *, head: bool, anew: bool = False) -> None:
        """The client owes a part of a request."""
        if self._since is None or anew:
            self._paid()
            self._since, self._body_bytes = self.loop.time(), 0
            self._unfinished[self] = None
            seconds = self.head_seconds if head else self.body_seconds
            self._timer = self.loop.call_later(seconds, self._late)
            if len(self._unfinished) > UNFINISHED:
                next(iter(self._unfinished))._give_up()

    def _paid(self) -> None:
        """It owes nothing now."""
        self._since = None
        self._unfinished.pop(self, None)
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """The time is over, unless a body came that earned more or the server was slow to read."""
        assert self._since is not None
        now = self.loop.time()
        left = self._since + self.body_seconds + self._body_bytes / BODY_RATE - now
        if self.conn.their_state is h11.SEND_BODY:
            left = self.body_seconds if self.flow.read_paused else left
            if left > 0:
                self._timer = self.loop.call_later(left, self._late)
                return
        self._give_up()

    def _give_up(self) -> None:
        self._paid()
        answering = self.cycle is not None and not self.cycle.response_complete
        if not self._heard or (answering and self.cycle.response_started):
            self.transport.close()  # browsers connect before they ask, and expect no answer then
        else:
            self._end(FormatError("the request did not become whole in time"), 408)

    def _end(self, error: SynferError, status: int) -> None:
        """Answer and close."""
        answer = failures.answer(error, status, {"Connection": "close"})
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reason = HTTPStatus(status).phrase.encode()
            head = h11.Response(status_code=status, headers=answer.raw_headers, reason=reason)
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
