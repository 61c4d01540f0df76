"""One sample: made, read, judged, and where it is rejected made again in other noise.

What comes of it is a function of the plan, the sample's number and the model alone. A fault that
nobody foresaw, such as a driver's, is met by making the same attempt again, never the next one, so
that a run with faults gives the same images as one without.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from synfer_core.data import duplicates, shards
from synfer_core.data.manifest import Attempt, Record, Status
from synfer_core.data.plan import Plan, Row
from synfer_core.errors import CancelledError, FaultError, RequestError, SynferError
from synfer_core.facekit.demographics import apparent
from synfer_core.faces.align import READ_SIZE
from synfer_core.facs import Expression
from synfer_core.models.backbone import sized
from synfer_core.provenance.export import pixels_sha256
from synfer_core.provenance.marking import Marking
from synfer_core.report import Result, Verdict
from synfer_core.request import Recipe

if TYPE_CHECKING:
    from synfer_core.stimuli.tools import Tools

log = logging.getLogger(__name__)

FAULTS = 3
"""How often the same attempt is made before an unforeseen fault is listed."""

Judge = Callable[[Result], Verdict | None]
"""The verdict on the label that a result's recipe names."""


@dataclass(frozen=True)
class Sample:
    """What came of one sample.

    Attributes:
        record: What is known of it.
        png: Its image as it is written; None where it is not in the set.
    """

    record: Record
    png: bytes | None = None


@dataclass(frozen=True)
class Maker:
    """Makes samples of one plan.

    Attributes:
        plan: What is asked for.
        tools: What makes and reads images.
        judge: What is said of labels; None asks nobody.
    """

    plan: Plan
    tools: Tools
    judge: Judge | None

    def make(self, index: int) -> Sample:
        """Make one sample; whatever goes wrong is in its record.

        Raises:
            CancelledError: From the generator; ends the run.
        """
        row = self.plan.row(index)
        attempts: list[Attempt] = []
        error: SynferError | None = None
        result: Result | None = None
        for number in range(self.plan.spec.verdicts.attempts):
            try:
                result = self._generate(row, number)
            except CancelledError:
                raise
            except SynferError as problem:
                error = problem
                attempts.append(Attempt(verdict="error", error=str(problem)))
                if isinstance(problem, FaultError | RequestError):
                    break  # other noise would not help
                continue
            error = None
            verdict = self.judge(result) if self.judge and row.label else None
            attempts.append(_attempt(result, verdict))
            if self._passes(verdict):
                label = verdict.label if verdict else row.label
                return self._made(row, result, label, tuple(attempts))
        return Sample(self._left_out(row, result, tuple(attempts), error))

    def recipe(self, row: Row, attempt: int = 0) -> Recipe:
        """What the plan asks for, at the size that readers take where the plan names none.

        Raises:
            RequestError: The words are too long together.
        """
        recipe = self.plan.recipe(row, attempt)
        return sized(recipe, self.tools.origin(recipe), READ_SIZE)

    def _generate(self, row: Row, attempt: int) -> Result:
        """One image; the same again where a fault was not foreseen.

        Raises:
            SynferError: From the generator; `FaultError` for what nobody foresaw.
        """
        for left in reversed(range(FAULTS)):
            try:
                return self.tools.generate(self.recipe(row, attempt))
            except SynferError:
                raise
            except Exception as error:  # one sample must not end a run of a million
                log.exception("sample %d, attempt %d", row.index, attempt)
                if not left:
                    what = f"{type(error).__name__}: {error}"
                    raise FaultError(what, field=f"sample {row.index}") from error
        raise AssertionError

    def _passes(self, verdict: Verdict | None) -> bool:
        if verdict is None or verdict.status == "confirmed":
            return True
        return verdict.status == "relabelled" and self.plan.spec.verdicts.relabelled == "keep"

    def _made(
        self, row: Row, result: Result, label: Expression | None, attempts: tuple[Attempt, ...]
    ) -> Sample:
        export = result.export(Marking(watermark=self.plan.spec.watermark))
        png = export.to_png()
        label_read = result.label
        readings = result.readings[0] if result.readings else None
        record = self._record(row, result.recipe, "made", attempts).model_copy(
            update={
                "label": label,
                "file": shards.file_of(row.index // self.plan.spec.shard, row.index),
                "sha256": hashlib.sha256(png).hexdigest(),
                "pixels_sha256": pixels_sha256(export.pixels),
                "hash": duplicates.perceptual_hash(export.pixels),
                "size": len(export.pixels),
                "aus": {k: round(v, 3) for k, v in readings.aus.items()} if readings else {},
                "au_reader": readings.reader if readings else "",
                "probabilities": label_read.to_dict()["probabilities"] if label_read else {},
                "label_reader": label_read.reader if label_read else "",
            }
        )
        return Sample(record, png)

    def _left_out(
        self,
        row: Row,
        result: Result | None,
        attempts: tuple[Attempt, ...],
        error: SynferError | None,
    ) -> Record:
        status: Status = "rejected" if error is None else "failed"
        known = {
            "error": error.to_dict() if error else None,
            "fault": isinstance(error, FaultError),
        }
        recipe = result.recipe if result else None
        return self._record(row, recipe, status, attempts).model_copy(update=known)

    def _record(
        self, row: Row, recipe: Recipe | None, status: Status, attempts: tuple[Attempt, ...]
    ) -> Record:
        exact = self.plan.spec.backbone == "facekit"
        return Record(
            index=row.index,
            status=status,
            asked=row.label,
            person=row.person,
            cell=row.named,
            apparent=apparent(row.person, recipe.words, exact=exact) if recipe else {},
            recipe=json.loads(recipe.to_json()) if recipe else {},
            model_sha256=self.tools.model_sha256(recipe) if recipe else "",
            attempts=attempts,
        )


def _attempt(result: Result, verdict: Verdict | None) -> Attempt:
    read = result.label
    return Attempt(
        verdict=verdict.status if verdict else "unjudged",
        read=read.expression if read else None,
        confidence=round(read.confidence, 4) if read else None,
    )


class Workshop(Protocol):
    """Opens a maker in whatever process it is to work in; travels there by pickle."""

    def open(self) -> Maker:
        """The maker; loads what it needs."""
