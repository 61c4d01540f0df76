"""What browsers are told with every answer: who may frame, read and load what."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_CONTENT = {
    "default-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "frame-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_POLICY = "Content-Security-Policy"


def policy(scripts: Sequence[str] = ()) -> str:
    """From where a page may take what it loads.

    Args:
        scripts: Those that stand in Gradio's page itself, which alone may also make functions from
            text: Gradio does so with the scripts of the page's parts. No other inline script runs,
            nor one in an attribute.
    """
    hashes = [f"'sha256-{_digest(script)}'" for script in scripts]
    allowed = ["'self'", *(["'unsafe-eval'", *hashes] if scripts else [])]
    content = {**_CONTENT, "script-src": " ".join(allowed)}
    return "; ".join(f"{kind} {where}" for kind, where in content.items())


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


SENT = {
    _POLICY: policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""The headers of every answer; Gradio's page has a policy of its own."""


class AnswerHeaders:
    """Adds these headers to every answer, and takes out those that open it to other sites.

    Args:
        app: The application behind. Gradio's lets every site read where the host is not local.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [key for key in headers if key.startswith("access-control-")]:
                    del headers[name]
                for name, value in SENT.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class PagePolicy:
    """Gives Gradio's page a policy that lets its own inline scripts run.

    It stands inside of Gradio's application, where answers are not compressed yet.

    Args:
        app: The application behind.
        head: What the page itself puts into its head, as markup, when it has been loaded.
    """

    def __init__(self, app: ASGIApp, head: str):
        self.app, self.head = app, _INLINE.findall(head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back; a page goes when it is whole."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def send_whole(message: Message) -> None:
            if held or _begins_page(message):
                held.append(message)
                if message.get("more_body") or len(held) == 1:
                    return
                self._allow(held)
                for part in held:
                    await send(part)
                held.clear()
            else:
                await send(message)

        await self.app(scope, receive, send_whole)

    def _allow(self, answer: Sequence[Message]) -> None:
        body = b"".join(part.get("body", b"") for part in answer)
        scripts = [*_INLINE.findall(body.decode("utf-8", errors="replace")), *self.head]
        MutableHeaders(scope=answer[0])[_POLICY] = policy(scripts)


def _begins_page(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    return MutableHeaders(scope=message).get("content-type", "").startswith("text/html")
