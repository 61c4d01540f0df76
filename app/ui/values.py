"""Values of the page's parts."""

from __future__ import annotations

import itertools
from typing import Any

from synfer_core.errors import CancelledError, SynferError

_serial = itertools.count()


def stamped(value: dict[str, Any]) -> dict[str, Any]:
    """The value made unlike the last one, for a page does not notice an equal one."""
    return {**value, "serial": next(_serial)}


def told(error: SynferError) -> dict[str, Any]:
    """An error for the notice."""
    return stamped(error.to_dict())


def stopped(status: str) -> dict[str, Any]:
    """A stage on which nothing runs and nothing came out."""
    return stamped({"phase": "stopped", "status": status})


def ended_badly(outcome: object, what: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Stage and notice where longer work brought nothing.

    Args:
        outcome: The error that ended it; None where nobody foresaw it.
        what: What was to be made, such as ``set``.
    """
    if isinstance(outcome, SynferError) and not isinstance(outcome, CancelledError):
        return stopped(f"No {what} was made; the reason is given on the page."), told(outcome)
    if outcome is None:
        error = SynferError("Something went wrong; the server's log has the details.")
        return stopped(f"No {what} was made; the reason is given on the page."), told(error)
    return stopped("Cancelled; nothing was kept."), None
