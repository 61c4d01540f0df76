"""Which expression is taken for which: the confusion matrix, as numbers and as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facs import EXPRESSIONS

Counts = NDArray[np.int64]


def confusion(targets: NDArray[np.int64], read: NDArray[np.int64]) -> Counts:
    """(8, 8) counts: row asked for, column read."""
    table = np.zeros((len(EXPRESSIONS), len(EXPRESSIONS)), np.int64)
    np.add.at(table, (targets, read), 1)
    return table


def by_name(table: Counts) -> dict[str, dict[str, int]]:
    """Counts (8, 8) as JSON: of each expression that occurs, how often it was read as each."""
    return {
        EXPRESSIONS[true]: dict(zip(EXPRESSIONS, map(int, table[true]), strict=True))
        for true in np.flatnonzero(table.sum(1))
    }


def draw_confusion(axis: Any, table: Counts) -> None:
    """Draw counts (8, 8) on an axis of Matplotlib, shaded by their share of the row."""
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(EXPRESSIONS))
    axis.set_xticks(ticks, EXPRESSIONS, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(ticks, EXPRESSIONS, fontsize=8)
    for row, column in np.argwhere(table > 0):
        shade = "white" if shares[row, column] > 0.6 else "black"
        axis.text(column, row, table[row, column], ha="center", va="center", color=shade, size=8)
    axis.set(title="counts", xlabel="read", ylabel="true")
