"""What tabs of longer work share: how it is started, shown, stopped, and its files kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Protocol, TypeGuard

import gradio as gr

from app.bounded_store import Bounds
from app.errands import E, Errands
from app.off_loop import off_loop
from app.pages import Pages
from app.shelf import USUAL, Files, Shelf
from app.ui.values import Value, ended_badly, page_name
from synfer_core.errors import SynferError

Ended = tuple[Value, Value | None]
"""Values for a tab's stage and for the notice."""


class WithFiles(Protocol):
    """What comes of such work."""

    @property
    def files(self) -> Files:
        """Open files by their names, for the page to fetch."""


class LongerWork(Generic[E]):
    """The events of a tab whose work is an errand with files at its end.

    Args:
        most: How many pages may have one at once.
        what: What is made, such as ``set``.
        many: Several of them.
        bounds: Of the finished files.
        pages: Which are open.
    """

    def __init__(
        self,
        most: int,
        what: str,
        many: str,
        bounds: Bounds = USUAL,
        pages: Pages | None = None,
    ):
        pages = pages or Pages()
        self.errands: Errands[E] = Errands(most, many)
        self.shelf = Shelf(bounds, pages)
        self.what = what
        self._asked: dict[str, object] = {}
        pages.on_leave(self.forget)

    async def show(
        self,
        page: str,
        start: Callable[[], Callable[[], E]],
        progress: Callable[[E], Value],
        done: Callable[[str, Any], Value],
    ) -> AsyncIterator[tuple[Any, Any]]:
        """Do a page's work; yields values for the tab's stage and for the notice.

        Args:
            page: Whose it is.
            start: Reads what is asked for, in a thread, and answers what begins it, from `errands`.
            progress: What the stage shows of one that goes on.
            done: What it shows of what came of one, under the word that opens its files.
        """
        turn = self._asked[page] = object()
        try:
            begin = await off_loop(start)
            if self._asked.get(page) is not turn:
                return  # the page has asked for something newer, or has left
            errand = begin()
        except SynferError as error:
            yield self.badly(None, error)
            return
        finally:
            if self._asked.get(page) is turn:
                del self._asked[page]
        yield await off_loop(progress, errand), None
        try:
            async for _ in errand.follow():
                yield await off_loop(progress, errand), gr.skip()
            yield await off_loop(self._ended, page, errand, done)
        finally:
            mine = self.errands.runs(page, errand)
            self.errands.end(page, errand)
            outcome = errand.outcome
            if mine:
                self.ended(page, errand)
            if _good(outcome):
                self.shelf.close_unkept(page, outcome.files)

    def ended(self, page: str, errand: E) -> None:
        """A page's work came to its end, whatever came of it, and the page wants no other yet."""

    def badly(self, errand: E | None, outcome: object) -> Ended:
        """What is shown where nothing came of it.

        Args:
            errand: The work; None where it was not begun.
            outcome: The error that ended it; None where nobody foresaw it.
        """
        return ended_badly(outcome, self.what)

    def cancel(self, request: gr.Request) -> None:
        """Stop what this page has under way."""
        self.errands.cancel(page_name(request))

    def leave(self, request: gr.Request) -> None:
        """The page was closed: stop its work and drop its files."""
        self.forget(page_name(request))

    def forget(self, page: str) -> None:
        """Stop a page's work and drop its files."""
        self._asked.pop(page, None)
        self.errands.cancel(page)
        self.shelf.drop(page)

    def _ended(self, page: str, errand: E, done: Callable[[str, Any], Value]) -> Ended:
        outcome = errand.outcome
        if _good(outcome) and self.errands.runs(page, errand):
            return done(self.shelf.put(page, outcome.files), outcome), None
        return self.badly(errand, outcome)


def _good(outcome: object) -> TypeGuard[WithFiles]:
    return outcome is not None and not isinstance(outcome, SynferError)
