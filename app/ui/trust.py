"""How far to trust a face: what was measured on the model, for the units in use and the label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from app.figures import ControlFigures, Estimate, Figures, LabelFigures, UnitFigures
from synfer_core.facs import ACTION_UNITS

GOOD, FAIR = 0.75, 0.4
"""Control at these rank correlations and above is called good and fair, below poor.

They are what is asked of the smallest model: a median of 0.75, and no unit under 0.4.
"""

_NO_FIGURES = "These weights have not been measured, so there are no figures to go by."
_EXACT = (
    "The exact renderer made this face: its action units are what was asked for. What the readers "
    "make of it can still be wrong."
)


def word_of(spearman: float) -> str:
    """The word for a rank correlation."""
    return "good" if spearman >= GOOD else "fair" if spearman >= FAIR else "poor"


def trust_html(figures: Figures, weights_sha256: str | None, asked: Mapping[str, float]) -> str:
    """The panel.

    Args:
        figures: All there are.
        weights_sha256: The weights that made the face; None for the exact renderer.
        asked: AU key to intensity, as the recipe has them.
    """
    if weights_sha256 is None:
        return _panel(f'<p class="hint">{_EXACT}</p>')
    ours = figures.of(weights_sha256)
    if not (ours.control or ours.feranno):
        return _panel(f'<p class="hint">{_NO_FIGURES}</p>')
    return _panel(_label_html(ours.feranno) + _control_html(ours.control, asked))


def _panel(content: str) -> str:
    return f'<section class="trust"><h2>How far to trust this</h2>{content}</section>'


def _label_html(part: LabelFigures | None) -> str:
    if part is None:
        return '<p class="said">The label has not been measured on these weights.</p>'
    return (
        f'<p class="said"><b>Label</b>: right on {_percent(part.accuracy)} of test renders of '
        "people FERAnno never saw; its confidence is off by "
        f"{100 * part.ece.value:.1f} points on average (calibration error).</p>"
    )


def _percent(figure: Estimate) -> str:
    between = figure.interval
    span = f" (95 %: {100 * between[0]:.0f} to {100 * between[1]:.0f})" if between else ""
    return f"{100 * figure.value:.0f} %{span}"


def _control_html(part: ControlFigures | None, asked: Mapping[str, float]) -> str:
    if part is None or part.aus is None:
        return '<p class="said">Control has not been measured on these weights.</p>'
    numbers = _numbers(key for key, value in asked.items() if value > 0)
    rows = "".join(_row(number, part.aus.get(f"AU{number}")) for number in numbers)
    if not rows:
        return '<p class="hint">No unit is in play.</p>'
    return (
        '<table class="readback figures"><thead><tr><th>Unit</th><th>Control</th><th>Reader r</th>'
        f'</tr></thead><tbody>{rows}</tbody></table><p class="source">Control: rank correlation '
        f"(Spearman) of asked with read on {part.images:,} faces of new people, units mixed; good "
        f"from {GOOD:.2f}, fair from {FAIR:.2f}. Reader r: how well the AU reader itself agrees "
        "with the truth on exact renders.</p>"
    )


def _numbers(keys: Iterable[str]) -> list[int]:
    """FACS numbers, each once; figures are for both sides together."""
    return list(dict.fromkeys(int(key.lstrip("AULR")) for key in keys))


def _row(number: int, unit: UnitFigures | None) -> str:
    name = f"<b>{number}</b> {escape(ACTION_UNITS[number].name)}"
    if unit is None:
        cells = '<td class="none" title="not measured">&ndash;</td>' * 2
    else:
        cells = _control_cell(unit.spearman) + _reader_cell(unit.reader_r)
    return f"<tr><th scope='row'>{name}</th>{cells}</tr>"


def _control_cell(spearman: Estimate) -> str:
    word, width = word_of(spearman.value), 100 * min(1.0, max(0.0, spearman.value))
    between = spearman.interval
    span = f' title="95 %: {between[0]:.2f} to {between[1]:.2f}"' if between else ""
    return (
        f'<td{span}><span class="meter {word}"><i style="width:{width:.0f}%"></i></span>'
        f'{spearman.value:.2f} <span class="tag {word}">{word}</span></td>'
    )


def _reader_cell(r: float | None) -> str:
    return '<td class="none">&ndash;</td>' if r is None else f"<td>{r:.2f}</td>"
