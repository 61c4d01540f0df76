"""The label read off a face, and whether the one it was meant to have holds. Pure functions."""

from __future__ import annotations

from html import escape

from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.report import Evidence, Label, Verdict


def label_html(label: Label | None, target: str | None) -> str:
    """What the calibrator reads, in words and as bars."""
    if label is None:
        return (
            '<section><h2>Expression read off the image</h2><p class="hint">This model has '
            "no reader of expressions.</p></section>"
        )
    return (
        "<section><h2>Expression read off the image</h2>"
        f"{_verdict_html(label, target)}{bars_html(label, target)}"
        f'<p class="source">Calibrated, by {escape(label.reader)}</p></section>'
    )


def _verdict_html(label: Label, target: str | None) -> str:
    said = f"<strong>{label.expression.capitalize()}</strong> {percent(label.confidence)}"
    if target is None or target == label.expression:
        agrees = '<span class="tag agree">as meant</span>' if target else ""
        return f'<p class="verdict">{said} {agrees}</p>'
    return (
        f'<p class="verdict differs">{said} <span class="tag differ">meant as {target}</span></p>'
    )


def bars_html(label: Label, target: str | None) -> str:
    """Probability bars over the eight expressions; what is meant and what is read stand out."""
    rows = []
    differs = target is not None and target != label.expression
    for name, p in zip(EXPRESSIONS, label.probabilities, strict=True):
        marks = [
            m for m, on in (("read", name == label.expression), ("meant", name == target)) if on
        ]
        tags = "".join(f'<span class="tag {m}">{m}</span>' for m in marks if differs)
        rows.append(
            f'<div class="bar-row {" ".join(marks)}"><span class="bar-name">{name.capitalize()}'
            f'{tags}</span><span class="bar-track" role="img" aria-label="{percent(p)}">'
            f'<i style="width:{100 * p:.1f}%"></i></span>'
            f'<span class="bar-value">{percent(p)}</span></div>'
        )
    return f'<div class="bars{" differs" if differs else ""}">{"".join(rows)}</div>'


def percent(p: float) -> str:
    """A probability in whole percent, without claiming 0 or 100."""
    if 0 < p < 0.005:
        return "&lt;1 %"
    if 0.995 <= p < 1:
        return "&gt;99 %"
    return f"{100 * p:.0f} %"


STATUS = {
    "confirmed": ("agree", "confirmed"),
    "relabelled": ("differ", "relabelled"),
    "rejected": ("differ", "rejected as uncertain"),
}


def vote_html(verdict: Verdict | None) -> str:
    """Whether the label holds, with what each expert says; empty where there was no vote."""
    if verdict is None:
        return ""
    rows = _votes_html(verdict, verdict.label, "read", "For")
    if verdict.was:
        rows += _votes_html(verdict, verdict.was, "meant", "For the label it had,")
    return (
        f'<section class="vote"><h2>Does the label hold?</h2>{_decision_html(verdict)}'
        f'<div class="bars">{rows}</div><p class="source">{_WHY[verdict.status]} The bars are what '
        "each expert gives the label; it counts by the weight beside its name, which was fitted "
        "on validation images.</p></section>"
    )


_WHY = {
    "confirmed": "The experts' vote does not speak against the label.",
    "relabelled": "The vote speaks against the label and is sure enough of another.",
    "rejected": "The vote speaks against the label and is sure of no other: leave this face out.",
}


def _decision_html(verdict: Verdict) -> str:
    kind, word = STATUS[verdict.status]
    was = f"{verdict.was.capitalize()} &rarr; " if verdict.was else ""
    return (
        f'<p class="verdict">{was}<strong>{verdict.label.capitalize()}</strong> '
        f'{percent(verdict.confidence)} <span class="tag {kind}">{word}</span></p>'
    )


def _votes_html(verdict: Verdict, name: Expression, mark: str, words: str) -> str:
    """What each expert gives one label."""
    rows = "".join(_vote_html(evidence, name, mark) for evidence in verdict.evidence)
    return f'<p class="votes-for">{words} {name}</p>{rows}'


def _vote_html(evidence: Evidence, name: Expression, mark: str) -> str:
    chances = dict(zip(EXPRESSIONS, evidence.probabilities, strict=True))
    own = max(chances, key=lambda other: chances[other])
    says = "" if own == name or mark == "meant" else f"<br>itself {own}, {percent(chances[own])}"
    expert = escape(_EXPERTS.get(evidence.expert, evidence.expert))
    p = chances[name]
    return (
        f'<div class="bar-row {mark}"><span class="bar-name">{expert} '
        f"<small>&times;&nbsp;{evidence.weight:.2f}{says}</small></span>"
        f'<span class="bar-track" role="img" aria-label="{percent(p)}">'
        f'<i style="width:{100 * p:.1f}%"></i></span><span class="bar-value">{percent(p)}</span>'
        "</div>"
    )


_EXPERTS = {"feranno": "FERAnno", "au-rules": "AU rules"}
