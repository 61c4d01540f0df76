"""What the page shows of a finished lab run: its curve as a picture and a table. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log

from app.ui.lab_runs import Curve, Point, Run

WIDTH, HEIGHT = 640.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 28.0, 12.0, 34.0
_COLOURS = 6
"""Colours of curves in the style sheet; the seventh has the first one's, and is dashed."""


def run_html(run: Run, curves: Sequence[Curve], figures: Sequence[tuple[str, str]]) -> str:
    """A run's title, its curve with a table, and its figures."""
    parts = [f"<h3>{escape(run.about.title)}</h3>"]
    parts.append(f'<p class="source">{escape(run.about.kind)}, ended {escape(run.date)} UTC</p>')
    if curves:
        parts += [_chart_html(run.about.title, curves), _table_html(curves)]
    if figures:
        folded = "" if curves else " open"
        parts.append(
            f'<details class="fine"{folded}><summary>Figures</summary>{_figures_html(figures)}'
            "</details>"
        )
    if not curves and not figures:
        parts.append('<p class="hint">This run left no figures.</p>')
    return "".join(parts)


def _chart_html(title: str, curves: Sequence[Curve]) -> str:
    sizes = sorted({p.size for one in curves if not one.real for p in one.points})
    low, high = _span(curves)
    scale = _Scale(sizes or [1.0], low, high)
    drawn = "".join(_curve_html(place, curve, scale) for place, curve in enumerate(curves))
    told = escape(f"{title}: accuracy by images learned from. {_told(curves)}", quote=True)
    return (
        f'<figure class="scaling"><figcaption>{_key_html(curves)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{told}">'
        f"{scale.axes_html()}{drawn}</svg></figure>"
    )


def _told(curves: Sequence[Curve]) -> str:
    """Every curve's two ends in words."""
    parts = []
    for curve in curves:
        first, last = curve.points[0], curve.points[-1]
        reached = f"{last.mean:.1%} at {_size(last.size)}"
        begun = f"from {first.mean:.1%} at {_size(first.size)} to " if last != first else ""
        parts.append(f"{curve.name} {begun}{reached}")
    return "; ".join(parts)


class _Scale:
    """Where sizes and accuracies lie in the picture; sizes at equal distances where they double."""

    def __init__(self, sizes: Sequence[float], low: float, high: float):
        self.sizes, self.low, self.high = sizes, low, high

    def across(self, size: float) -> float:
        """Of a number of images, on a scale of logarithms."""
        first, last = self.sizes[0], self.sizes[-1]
        share = 0.5 if last == first else log(size / first) / log(last / first)
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * share

    def down(self, value: float) -> float:
        """Of an accuracy."""
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share

    def axes_html(self) -> str:
        """Lines with their accuracy at the left, sizes below."""
        steps = [self.low + (self.high - self.low) * n / 4 for n in range(5)]
        lines = "".join(
            f'<path class="grid" d="M{_LEFT:g} {self.down(y):.1f}H{WIDTH - _RIGHT:g}"/>'
            f'<text x="{_LEFT - 8:g}" y="{self.down(y) + 4:.1f}" text-anchor="end">{y:.0%}</text>'
            for y in steps
        )
        names = "".join(
            f'<text x="{self.across(size):.1f}" y="{HEIGHT - 14:g}" text-anchor="middle">'
            f"{_size(size)}</text>"
            for size in self.sizes
        )
        return lines + names


def _span(curves: Sequence[Curve]) -> tuple[float, float]:
    """From and to which accuracy, in tenths."""
    points = [point for curve in curves for point in curve.points]
    low = floor(min(point.low for point in points) * 10) / 10
    high = ceil(max(point.high for point in points) * 10) / 10
    return low, max(high, low + 0.1)


def _curve_html(place: int, curve: Curve, scale: _Scale) -> str:
    """A line with its interval; of the reference a level across the picture."""
    kind = _kind(place)
    if curve.real:
        down = scale.down(curve.points[-1].mean)
        return f'<path class="level {kind}" d="M{_LEFT:g} {down:.1f}H{WIDTH - _RIGHT:g}"/>'
    upper = [(scale.across(p.size), scale.down(p.high)) for p in curve.points]
    lower = [(scale.across(p.size), scale.down(p.low)) for p in curve.points]
    middle = [(scale.across(p.size), scale.down(p.mean)) for p in curve.points]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in middle)
    return (
        f'<g class="method {kind}"><polygon points="{_line([*upper, *reversed(lower)])}"/>'
        f'<polyline points="{_line(middle)}"/>{dots}</g>'
    )


def _kind(place: int) -> str:
    """Classes of a curve by its place in the list."""
    return f"m{place % _COLOURS}{' again' if place >= _COLOURS else ''}"


def _line(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _key_html(curves: Sequence[Curve]) -> str:
    return "".join(
        f'<span class="key {"level " if curve.real else ""}{_kind(place)}"><i></i>'
        f"{escape(curve.name)}{' (real)' if curve.real else ''}</span>"
        for place, curve in enumerate(curves)
    )


def _table_html(curves: Sequence[Curve]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(curve.name)}</th><td>{_size(p.size)}</td>'
        f"<td>{p.mean:.1%}</td><td>{_interval(p)}</td></tr>"
        for curve in curves
        for p in curve.points
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="Table of the curve"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


_HEADS = ("source and method", "images", "accuracy", "95 % interval")


def _interval(point: Point) -> str:
    if point.low == point.high:
        return ""
    return f"{point.low:.1%} to {point.high:.1%}"


def _size(size: float) -> str:
    return f"{size:,.0f}"


def _figures_html(figures: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{value}</td></tr>' for name, value in figures
    )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="Figures"><table><tbody>'
        f"{rows}</tbody></table></div>"
    )
