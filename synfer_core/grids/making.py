"""Making a grid's faces one after another; one that cannot be made is left blank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from synfer_core.errors import CancelledError, RequestError, SynferError
from synfer_core.grids.spec import Cell, Grid
from synfer_core.report import Result
from synfer_core.request import Recipe


@dataclass(frozen=True)
class Made:
    """A cell that was tried.

    Attributes:
        cell: Which one.
        result: What was made; None where that failed.
        error: Why it failed.
    """

    cell: Cell
    result: Result | None
    error: SynferError | None = None


def check(grid: Grid, complete: Callable[[Recipe], Recipe]) -> None:
    """Refuse a grid before any of its faces is made.

    Args:
        grid: The grid.
        complete: Such as ``Synthesizer.check``.

    Raises:
        RequestError: The backbone refuses a cell; names the cell and the field.
    """
    for cell in grid.cells:
        try:
            complete(cell.recipe)
        except RequestError as error:
            message = f"the face at {grid.name(cell)} cannot be made: {error.message}"
            field = f"base.{error.field}"
            raise type(error)(message, field=field, allowed=error.allowed) from error


def make(grid: Grid, generate: Callable[[Recipe], Result]) -> Iterator[Made]:
    """Every cell in reading order.

    Args:
        grid: The grid, checked.
        generate: Makes one result, such as ``Synthesizer.generate``.

    Raises:
        CancelledError: From `generate`; ends the run.
    """
    for cell in grid.cells:
        try:
            yield Made(cell, generate(cell.recipe))
        except CancelledError:
            raise
        except SynferError as error:
            yield Made(cell, None, error)
