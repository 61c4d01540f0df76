"""Do FERAnno's verdicts mend a set whose labels are partly wrong?

Taken are the images of a finished set of exact renders that nobody judged, whose true label is the
prototype that was rendered, and what FERAnno said of each, from the set's manifest. Some labels are
made wrong; each image is kept, relabelled or left out as a build would do it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.data import manifest
from synfer_core.data.manifest import MANIFEST, Record
from synfer_core.data.spec import Verdicts
from synfer_core.errors import DataError
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap_many
from synfer_core.evaluation.feranno import CORRUPTED, corrupt
from synfer_core.facs import EXPRESSIONS
from synfer_core.voting import STATUSES, Vote

FIGURES = ("right_before", "right_after", "right_kept", "wrong_mended", "wrong_kept")
TARGET = 0.97
"""Share of right labels afterwards that thresholds are tuned for."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Set:
    """Images with a known label, and what FERAnno says of them.

    Attributes:
        truth: (N,) what was rendered.
        said: (N, 8) FERAnno's probabilities.
        people: (N,) who is shown.
        given: (N,) labels, some of them wrong.
    """

    truth: Labels
    said: NDArray[np.float64]
    people: Labels
    given: Labels

    @classmethod
    def read(cls, folder: Path, *, seed: int = 0) -> Set:
        """A finished set with `CORRUPTED` of its labels made wrong.

        Raises:
            DataError: It was judged already, has no labels, or nobody read them.
        """
        records = [record for record in manifest.read(folder / MANIFEST) if record.kept]
        _check(records, folder)
        truth = np.array([EXPRESSIONS.index(r.asked) for r in records if r.asked])
        said = np.array([[r.probabilities[name] for name in EXPRESSIONS] for r in records])
        people = np.array([record.person for record in records])
        return cls(truth, said, people, corrupt(truth, seed=seed))

    def figures(self, confirm: float, relabel: float, rows: Labels) -> NDArray[np.float64]:
        """`FIGURES` over some rows.

        ``right_before``, share of right labels; ``right_after``, share of right ones among the
        labels that are kept or replaced; ``right_kept``, share of the right ones that are still in
        the set with that label; ``wrong_mended`` and ``wrong_kept``, shares of the wrong ones that
        are in the set with the right label and with a wrong one.
        """
        alone = {"feranno": 1.0}
        vote = Vote("linear", alone, alone, 1.0, confirm, relabel, {})
        truth, given = self.truth[rows], self.given[rows]
        status, after = vote.decide(vote.together({"feranno": self.said[rows]}), given)
        kept, right = status != STATUSES.index("rejected"), after == truth
        was = given == truth
        return np.array(
            [
                was.mean(),
                right[kept].mean() if kept.any() else 0.0,
                (kept & right)[was].mean(),
                (kept & right)[~was].mean(),
                (kept & ~right)[~was].mean(),
            ]
        )

    def tune(self) -> tuple[float, float]:
        """Thresholds that keep most right labels, of those under which `TARGET` is reached.

        Raises:
            DataError: It is reached under none.
        """
        rows = np.arange(len(self.truth))
        best: tuple[float, float, float] | None = None
        for confirm in np.round(np.arange(0.02, 0.96, 0.02), 2):
            for relabel in np.round(np.arange(0.5, 1.0, 0.05), 2):
                _, after, kept, mended, _ = self.figures(float(confirm), float(relabel), rows)
                found = (float(kept + 0.3 * mended), float(confirm), float(relabel))
                if after >= TARGET and (best is None or found > best):
                    best = found
        if best is None:
            raise DataError(f"no thresholds reach {TARGET}", field="--tune")
        return best[1:]


def _check(records: Iterable[Record], folder: Path) -> None:
    for record in records:
        if record.asked is None or not record.probabilities:
            raise DataError("has an image that FERAnno has not read", field=str(folder))
        if record.attempts[-1].verdict != "unjudged" or record.recipe["backbone"] != "facekit":
            allowed = "a set of backbone facekit with verdicts: {by: none}"
            raise DataError("its labels are not those rendered", field=str(folder), allowed=allowed)


@dataclass(frozen=True)
class LabelTrial:
    """Verdicts on one set.

    Attributes:
        images: The set.
        thresholds: Of `Verdicts`.
    """

    images: Set
    thresholds: Verdicts

    def estimates(self) -> dict[str, Estimate]:
        """`FIGURES` with intervals over people."""
        confirm, relabel = self.thresholds.confirm, self.thresholds.relabel
        found = bootstrap_many(
            self.images.people,
            lambda rows: self.images.figures(confirm, relabel, rows),
            draws=DRAWS,
        )
        return dict(zip(FIGURES, found, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "images": len(self.images.truth),
            "corrupted": CORRUPTED,
            "confirm": self.thresholds.confirm,
            "relabel": self.thresholds.relabel,
            **{name: estimate.to_dict() for name, estimate in self.estimates().items()},
        }

    def lines(self) -> list[str]:
        """The figures in words."""
        head = (
            f"{len(self.images.truth)} images, {CORRUPTED:.0%} of the labels made wrong, "
            f"confirm {self.thresholds.confirm:g}, relabel {self.thresholds.relabel:g}"
        )
        return [head, *(f"  {name}: {value}" for name, value in self.estimates().items())]
