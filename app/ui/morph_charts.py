"""Two charts of a continuum: how much neighbours differ, and who is shown. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from synfer_core.morphs.making import Morph

_WIDTH, _HEIGHT, _EDGE = 320.0, 96.0, 4.0
_BAR = 0.72
"""Share of a frame's place that its bar takes."""


def charts_html(morph: Morph) -> str:
    """Both charts with what they say in words; that of the person only where it can be told."""
    similar = [f.similarity for f in morph.frames if f.similarity is not None]
    return (
        '<div class="plots">'
        + _jumps_html(morph)
        + (_person_html(morph, similar) if similar else "")
        + "</div>"
    )


def _jumps_html(morph: Morph) -> str:
    """Bars, the largest in another colour, and the mean as a dotted line."""
    even, before = morph.evenness, morph.unspaced
    top = max(even.largest, 1e-6)
    wide = (_WIDTH - 2 * _EDGE) / len(even.differences)
    bars = "".join(
        _bar_html(
            _EDGE + wide * place, wide, value / top, "jump" if place + 1 == even.place else ""
        )
        for place, value in enumerate(even.differences)
    )
    level = _down(even.mean / top)
    words = (
        f"Largest jump <b>{even.largest:.2f}</b>, into frame {even.place}: "
        f"<b>{even.ratio:.2f}</b> times the mean of {even.mean:.2f}."
    )
    if before:
        words += f" At equal moments it would be {before.ratio:.2f} times."
    lines = f'{bars}<path class="mean" d="M0 {level:.1f}H{_WIDTH:g}"/>'
    told = f"Largest jump into frame {even.place}, {even.ratio:.2f} times the mean"
    title = f"Difference to the frame before. {told}", "Difference to the frame before"
    return _figure(*title, f"0 to {top:.2f}", lines, words, (1, len(even.differences)))


def _bar_html(left: float, wide: float, share: float, kind: str) -> str:
    height = (_HEIGHT - 2 * _EDGE) * share
    return (
        f'<rect class="bar {kind}" x="{left + wide * (1 - _BAR) / 2:.1f}" '
        f'y="{_HEIGHT - _EDGE - height:.1f}" width="{wide * _BAR:.1f}" height="{height:.1f}"/>'
    )


def _person_html(morph: Morph, values: Sequence[float]) -> str:
    limit = morph.threshold
    low = min([*values, 1.0 if limit is None else limit])
    bottom = low - 0.15 * max(1 - low, 0.02)
    step = (_WIDTH - 2 * _EDGE) / max(1, len(values) - 1)
    shares = [(value - bottom) / (1 - bottom) for value in values]
    places = [(_EDGE + step * n, _down(share)) for n, share in enumerate(shares)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle class="{"bad" if frame.drifts else ""}" cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>'
        for frame, (x, y) in zip(morph.frames, places, strict=True)
    )
    drawn = f'<polyline points="{line}"/>{dots}'
    words = f"Lowest similarity <b>{min(values):.3f}</b>"
    if limit is None:
        words += "; there is no threshold to flag by."
    else:
        level = _down((limit - bottom) / (1 - bottom))
        drawn = f'<path class="limit" d="M0 {level:.1f}H{_WIDTH:g}"/>{drawn}'
        many = f"{len(morph.flagged)} frames lie" if morph.flagged else "no frame lies"
        words += f"; {many} below the threshold of {limit:.3f} (dashed)."
    title = "Same person as the neutral face"
    told = f"{title}. Lowest similarity {min(values):.3f}"
    return _figure(told, title, f"{bottom:.2f} to 1", drawn, words, (0, len(values) - 1))


def _figure(told: str, title: str, span: str, drawn: str, words: str, ends: tuple[int, int]) -> str:
    return (
        f'<figure class="plot"><figcaption>{title} <span>{span}</span></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{told}">'
        f'<path class="grid" d="M0 {_EDGE:g}H{_WIDTH:g}M0 {_HEIGHT - _EDGE:g}H{_WIDTH:g}"/>'
        f'{drawn}</svg><p class="ends"><span>frame {ends[0]}</span><span>{ends[1]}</span></p>'
        f'<p class="said">{words}</p></figure>'
    )


def _down(share: float) -> float:
    return _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * min(1.0, max(0.0, share))
