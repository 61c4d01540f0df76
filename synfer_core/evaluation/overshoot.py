"""Over-optimisation: where guidance pleases its own classifier and nobody else.

Accuracy by the guiding classifier rises with the strength of guidance; accuracy by judges that took
no part rises, peaks and falls (Goodhart's law; Gao et al. 2023, https://arxiv.org/abs/2210.10760,
measure the same of language models). The strength to take is where the judges peak.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Self

import numpy as np

from synfer_core.evaluation.semantic import Compared, Semantic

_MEAN = "mean"


@dataclass(frozen=True)
class Curve:
    """Accuracy at rising strength of one kind of guidance.

    Attributes:
        setting: All but the strength.
        strengths: Rising, from 0, which is no guidance.
        guide: Accuracy by the guiding classifier, at each.
        judges: By judge, and for their ``mean``: accuracy at each.
    """

    setting: str
    strengths: tuple[float, ...]
    guide: tuple[float, ...]
    judges: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, arms: Sequence[Compared]) -> Self:
        """From arms of one setting, by rising strength."""
        first = arms[0]
        hits = [made.hits(first.targets) for made in (first.plain, *(a.guided for a in arms))]
        shares = np.array([[*h.mean(0), h.mean()] for h in hits]).T
        return cls(
            setting=first.arm.setting,
            strengths=(0.0, *(a.arm.strength for a in arms)),
            guide=(first.by_guide()[0], *(a.by_guide()[1] for a in arms)),
            judges={
                name: tuple(map(float, row))
                for name, row in zip((*first.judges, _MEAN), shares, strict=True)
            },
        )

    @property
    def peak(self) -> float:
        """The strength at which the judges' mean is highest; of equal ones the lowest."""
        return self.strengths[int(np.argmax(self.judges[_MEAN]))]

    @property
    def too_far(self) -> tuple[float, ...]:
        """Strengths above the peak at which the classifier is no less pleased and the judges are.

        A single image may make the difference; the arms have intervals.
        """
        best = self.strengths.index(self.peak)
        return tuple(
            strength
            for i, strength in enumerate(self.strengths)
            if i > best
            and self.guide[i] >= self.guide[best]
            and self.judges[_MEAN][i] < self.judges[_MEAN][best]
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "setting": self.setting,
            "strengths": list(self.strengths),
            "guide": [round(value, 4) for value in self.guide],
            "judges": {name: [round(v, 4) for v in row] for name, row in self.judges.items()},
            "peak": self.peak,
            "too_far": list(self.too_far),
        }

    def __str__(self) -> str:
        far = ", ".join(f"{s:g}" for s in self.too_far)
        return f"{self.setting}: the judges peak at {self.peak:g}" + (
            f"; too far at {far}" if far else ""
        )


def curves(seen: Semantic) -> list[Curve]:
    """One curve for each setting of guidance that was measured."""
    arms = sorted(seen.arms, key=lambda a: (a.arm.setting, a.arm.strength))
    return [Curve.of(list(same)) for _, same in groupby(arms, key=lambda a: a.arm.setting)]


def picture(found: Sequence[Curve]) -> bytes:
    """A panel for each curve as PNG: guiding classifier dashed, judges thin, their mean thick."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(found), 4), layout="constrained")
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    for axis, curve in zip(axes, found, strict=True):
        _draw(axis, curve)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _draw(axis: Any, curve: Curve) -> None:
    places = range(len(curve.strengths))
    axis.plot(places, curve.guide, "--", color="0.4", label="its own classifier")
    for name, row in curve.judges.items():
        mean = name == _MEAN
        axis.plot(places, row, "o-", markersize=4, linewidth=2.5 if mean else 1, label=name)
    axis.axvline(curve.strengths.index(curve.peak), color="0.8", zorder=0)
    axis.set_xticks(places, [f"{strength:g}" for strength in curve.strengths])
    axis.set(title=curve.setting, xlabel="strength", ylabel="read as asked", ylim=(0, 1.02))
    axis.legend(loc="lower right", fontsize=8)
