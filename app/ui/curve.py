"""What semantic guidance read at each of its steps, as two small plots. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from app.ui.label import percent
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.report import GuidancePoint, Label

_WIDTH, _HEIGHT, _EDGE = 160.0, 64.0, 4.0


def guidance_html(
    points: Sequence[GuidancePoint], target: Expression, before: Label | None, after: Label | None
) -> str:
    """The section of the report; empty where nothing was guided.

    Args:
        points: The curve, in the order of the steps.
        target: The expression that was aimed at.
        before: What is read off the face made without guidance, where there is one.
        after: What is read off the finished face.
    """
    if not points:
        return ""
    top = max(1e-6, *(point.loss for point in points))
    chance = [(point.step, point.probability) for point in points]
    loss = [(point.step, point.loss / top) for point in points]
    return (
        f'<section class="guided"><h2>On the way to {target}</h2>'
        f'<p class="said">{_told(points, target)}{_compared(before, after, target)}</p>'
        '<div class="plots">'
        + _plot_html("Probability", chance, "100 %", "chance")
        + _plot_html("Loss", loss, f"{top:.1f}", "loss")
        + '</div><p class="source">What the guiding classifier read in the face foreseen at each '
        "of its steps, before the move. It guides, so it does not judge: the label above "
        "is read by others.</p></section>"
    )


def _told(points: Sequence[GuidancePoint], target: Expression) -> str:
    first, last = points[0].probability, points[-1].probability
    return (
        f"The guide read {target} with {_held(first)} at step {points[0].step} and with "
        f"{_held(last)} at step {points[-1].step}."
    )


def _compared(before: Label | None, after: Label | None, target: Expression) -> str:
    if before is None or after is None:
        return ""
    values = [_held(label.probabilities[EXPRESSIONS.index(target)]) for label in (before, after)]
    return f" Read off the pictures: <b>{values[0]}</b> without guidance, <b>{values[1]}</b> with."


def _held(p: float) -> str:
    """Number and percent sign on one line."""
    return percent(p).replace(" ", "&nbsp;")


def _plot_html(title: str, values: Sequence[tuple[int, float]], top: str, kind: str) -> str:
    """One line over the steps; values in 0-1, `top` written at 1."""
    first, last = values[0][0], values[-1][0]
    places = [(_across(step, first, last), _down(value)) for step, value in values]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>' for x, y in places)
    return (
        f'<figure class="plot {kind}"><figcaption>{title} <span>0 to {top}</span></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{title} by step">'
        f'<path class="grid" d="M0 {_EDGE:g}H{_WIDTH:g}M0 {_HEIGHT - _EDGE:g}H{_WIDTH:g}"/>'
        f'<polyline points="{line}"/>{dots}</svg>'
        f'<p class="ends"><span>step {first}</span><span>{last}</span></p>'
        "</figure>"
    )


def _across(step: int, first: int, last: int) -> float:
    return _EDGE + (_WIDTH - 2 * _EDGE) * (step - first) / max(1, last - first)


def _down(value: float) -> float:
    return _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * min(1.0, max(0.0, value))
