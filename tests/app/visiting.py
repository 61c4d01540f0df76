"""Pages without a browser: who asks, and what the answers are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr


def visitor(page: str = "p") -> gr.Request:
    """The request of an open page."""
    return gr.Request(session_hash=page)


async def walk(updates: AsyncIterator[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """All that an event yields."""
    return [update async for update in updates]
