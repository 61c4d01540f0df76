"""Who judges the labels of a set: FERAnno alone, or all experts together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from synfer_core.data.making import Judge
from synfer_core.data.plan import Plan
from synfer_core.data.spec import Verdicts
from synfer_core.errors import RequestError
from synfer_core.facs import Expression
from synfer_core.report import Result, Verdict
from synfer_core.synthesizer import Synthesizer
from synfer_core.voting import Vote


def judge_of(plan: Plan, synthesizer: Synthesizer) -> Judge | None:
    """Who judges labels as a plan wants it.

    Raises:
        RequestError: They are not here.
    """
    verdicts, annotator = plan.spec.verdicts, synthesizer.annotator
    if verdicts.by == "none" or None in plan.counts:
        return None
    if verdicts.by == "experts":
        if annotator.panel is None:
            raise RequestError(annotator.no_panel, field="verdicts.by", allowed="feranno, none")
        return lambda result: result.verdict
    if annotator.feranno is None:
        raise RequestError("these weights have no FERAnno", field="verdicts.by", allowed="none")
    return FERAnnoJudge.of(verdicts)


@dataclass(frozen=True)
class FERAnnoJudge:
    """FERAnno alone, with thresholds of its own.

    Attributes:
        confirm: A label at least so likely is confirmed.
        relabel: Another label at least so likely replaces one that is not.
    """

    confirm: float
    relabel: float

    @classmethod
    def of(cls, verdicts: Verdicts) -> Self:
        """With a recipe's thresholds."""
        return cls(verdicts.confirm, verdicts.relabel)

    def __call__(self, result: Result) -> Verdict | None:
        if result.label is None or result.recipe.expression is None:
            return None
        return self.verdict(result.label.probabilities, result.recipe.expression)

    def verdict(self, probabilities: tuple[float, ...], label: Expression) -> Verdict:
        """The verdict on a label, from what FERAnno says: eight numbers that sum to 1."""
        alone = {"feranno": 1.0}
        vote = Vote("linear", alone, alone, 1.0, self.confirm, self.relabel, {})
        return vote.verdict({"feranno": np.array([probabilities])}, label)
