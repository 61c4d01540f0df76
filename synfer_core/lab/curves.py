"""Outcomes of a scaling run as a table, as shares of one another, and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from synfer_core.evaluation.estimates import Estimate
from synfer_core.lab.runs import METHODS
from synfer_core.lab.scaling import Cell, Outcome, Plan
from synfer_core.tables import Writer

Row = dict[str, Any]

_COLOURS = ("#0b6e99", "#c2571a", "#5b8c2a", "#7a4fa3", "#a23b5a", "#6b6b6b")
_LINES = {
    "supervised": ("-", "o"),
    "aligned": ((0, (5, 1)), "v"),
    "simclr": ("--", "s"),
    "byol": ("-.", "^"),
    "moco": (":", "D"),
}


@dataclass(frozen=True)
class Curves:
    """All outcomes there are.

    Attributes:
        plan: What was compared.
        outcomes: By cell, at least one.
        chance: Accuracy by chance.
        real: Name of the source of the reference line; None for none.
    """

    plan: Plan
    outcomes: Mapping[Cell, Outcome]
    chance: float
    real: str | None = None

    def rows(self) -> list[Row]:
        """One for each source, method and size: means over the seeds and 95 % intervals."""
        groups: dict[tuple[str, str, int], list[Outcome]] = {}
        for cell, outcome in sorted(self.outcomes.items()):
            groups.setdefault((cell.source, cell.method, cell.size), []).append(outcome)
        return [
            {
                **dict(zip(("source", "method", "size"), key, strict=True)),
                "real": key[0] == self.real,
                "seeds": len(found),
                **_named("accuracy", [outcome.accuracy for outcome in found]),
                **_named("balanced_accuracy", [outcome.balanced for outcome in found]),
            }
            for key, found in groups.items()
        ]

    def relative(self) -> list[Row]:
        """What each curve reaches of the others' accuracy at its size, and of the real line's."""
        rows = self.rows()
        pairs = (
            (one, other)
            for one in rows
            for other in rows
            if one["source"] != other["source"] and one["method"] == other["method"]
            if not one["real"] and (other["real"] or one["size"] == other["size"])
        )
        return [
            {
                **{name: one[name] for name in ("source", "method", "size")},
                "of": other["source"],
                "share": round(one["accuracy"] / other["accuracy"], 4),
            }
            for one, other in pairs
            if other["accuracy"] > 0
        ]

    def closed(self) -> list[Row]:
        """What share of a curve's gap to the others, and to the real line, alignment closes."""
        means = {(r["source"], r["method"], r["size"]): r["accuracy"] for r in self.rows()}
        return [
            {
                "source": source,
                "size": size,
                "of": other,
                "gap": round(gap, 4),
                "closed": round((aligned - means[source, "supervised", size]) / gap, 4),
            }
            for (source, method, size), aligned in means.items()
            if method == "aligned"
            for (other, learned, many), reached in means.items()
            if learned == "supervised" and other != source
            if many == size or other == self.real
            if (gap := reached - means.get((source, "supervised", size), reached)) > 0
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "plan": asdict(self.plan),
            "chance": round(self.chance, 4),
            "curves": self.rows(),
            "relative": self.relative(),
            "closed": self.closed(),
            "cells": [{**asdict(cell), **asdict(made)} for cell, made in self.outcomes.items()],
        }

    def to_csv(self) -> bytes:
        """The rows as a table."""
        rows, table = self.rows(), io.StringIO()
        writer = Writer(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return table.getvalue().encode()

    def lines(self) -> list[str]:
        """The rows in words."""
        return [
            f"{row['source']}, {METHODS[row['method']]}, {row['size']:,} images: accuracy "
            f"{Estimate(row['accuracy'], row['accuracy_low'], row['accuracy_high'])}"
            for row in self.rows()
        ] + [
            f"{row['source']}, {row['size']:,} images: alignment closes {row['closed']:.2f} of the "
            f"{row['gap']:.3f} to {row['of']}"
            for row in self.closed()
        ]

    def picture(self, title: str) -> bytes:
        """Accuracy against size as PNG: a colour for each source, a line style for each method."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.6, 5.2), layout="constrained", facecolor="white")
        axis = figure.subplots()
        rows = self.rows()
        names = [name for name in dict.fromkeys(row["source"] for row in rows) if name != self.real]
        for (source, method), part in _grouped(rows).items():
            if source == self.real:
                _draw_line(axis, source, method, part[0])
            else:
                _draw_curve(axis, source, method, part, _COLOURS[names.index(source) % 6])
        axis.axhline(self.chance, color="0.7", linewidth=1, linestyle=(0, (1, 3)), label="chance")
        _label(axis, [row["size"] for row in rows if not row["real"]], self.plan.reference)
        axis.set_title(title, loc="left")
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean over a few seeds and its 95 % interval by Student's t; of one seed, none."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean, mean, mean)
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach)


def _named(name: str, values: Sequence[float]) -> dict[str, float]:
    value, low, high = over_seeds(values).to_dict().values()
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["source"], row["method"]), []).append(row)
    return groups


def _draw_curve(axis: Any, source: str, method: str, rows: Sequence[Row], colour: str) -> None:
    style, marker = _LINES[method]
    sizes = [row["size"] for row in rows]
    low, high = ([row[f"accuracy_{end}"] for row in rows] for end in ("low", "high"))
    means = [row["accuracy"] for row in rows]
    axis.fill_between(sizes, low, high, color=colour, alpha=0.13, linewidth=0)
    label = f"{source}, {METHODS[method]}"
    axis.plot(sizes, means, linestyle=style, marker=marker, color=colour, label=label)


def _draw_line(axis: Any, source: str, method: str, row: Row) -> None:
    label = f"{source}, {row['size']:,} real images, {METHODS[method]}"
    style = _LINES[method][0]
    axis.axhline(row["accuracy"], color="0.25", linewidth=1.3, linestyle=style, label=label)


def _label(axis: Any, sizes: Sequence[int], one: int) -> None:
    ticks = sorted(set(sizes))
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{size:,}\n{size / one:g}x" for size in ticks])
    axis.minorticks_off()
    axis.set(xlabel="images learned from", ylabel="accuracy on the test images")
    axis.grid(axis="y", color="0.9")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
