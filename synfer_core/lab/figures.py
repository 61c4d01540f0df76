"""How well a recogniser did on a test set: accuracies with intervals, confusion matrix, counts."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation.confusion import by_name, confusion, draw_confusion
from synfer_core.evaluation.estimates import Estimate, bootstrap_many
from synfer_core.facs import EXPRESSIONS
from synfer_core.lab.images import Faces
from synfer_core.training.attributes import balanced_accuracy


@dataclass(frozen=True)
class Figures:
    """Answers on a test set.

    Attributes:
        test: The set; all with a label.
        read: (N,) index of the expression that was read.
    """

    test: Faces
    read: NDArray[np.int64]

    @cached_property
    def estimates(self) -> tuple[Estimate, Estimate]:
        """Accuracy and balanced accuracy, with 95 % intervals by bootstrap over people.

        Balanced accuracy is the mean over the expressions that occur of the share read right.
        """

        def statistics(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            read, truth = self.read[rows], self.test.labels[rows]
            return np.array([(read == truth).mean(), balanced_accuracy(read, truth)])

        accuracy, balanced = bootstrap_many(self.test.people, statistics)
        return accuracy, balanced

    @property
    def table(self) -> NDArray[np.int64]:
        """(8, 8) counts: row true, column read."""
        return confusion(self.test.labels, self.read)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        accuracy, balanced = self.estimates
        return {
            "accuracy": accuracy.to_dict(),
            "balanced_accuracy": balanced.to_dict(),
            "chance": round(1 / len(self.test.counts), 4),
            "confusion": by_name(self.table),
            "test": self.test.to_dict(),
        }

    def lines(self) -> list[str]:
        """As text: the figures, then the confusion matrix with class counts."""
        accuracy, balanced = self.estimates
        short = [name[:9] for name in EXPRESSIONS]
        head = f"{'true / read':>12}" + "".join(f"{name:>10}" for name in short) + "     count"
        rows = [
            f"{EXPRESSIONS[i]:>12}" + "".join(f"{n:>10}" for n in row) + f"{row.sum():>10}"
            for i, row in enumerate(self.table)
            if row.sum()
        ]
        summary = f"accuracy {accuracy}\nbalanced accuracy {balanced}"
        return [f"{len(self.test):,} test images of {self.test.name}", summary, head, *rows]

    def picture(self, title: str) -> bytes:
        """The confusion matrix as PNG."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.2, 5), layout="constrained")
        axis = figure.subplots()
        draw_confusion(axis, self.table)
        axis.set(title=f"{title}\naccuracy {self.estimates[0]}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()
