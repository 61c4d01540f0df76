"""Does FERAnno with experts read better than any of them alone, and mend wrong labels?

Asked are held-out renders of people whom no expert has seen, and generated images on which both
judges read the same, which is then the truth; in both, some labels are made wrong. Weights and
thresholds are those of ``experts.json``, fitted on other people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from synfer_core.errors import DataError
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap_many
from synfer_core.evaluation.feranno import CORRUPTED, Answers, Faces, Reader, corrupt, in_parts
from synfer_core.evaluation.pictures import result
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, Expression
from synfer_core.panel import Panel
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer
from synfer_core.voting import STATUSES, Asked, Vote

ALL = "experts"
"""Name of the vote of all."""

OURS = "feranno"
FIRST_IDENTITY = 9_400_000_000
"""Identity seeds of the generated people, from here on; no data set has been drawn with these."""

STRENGTHS = (0.5, 0.75, 1.0)
"""How strongly prototypes are asked for: faint faces are where labels go wrong."""

FIGURES = ("accuracy", "found", "flagged_right", "auc", "mended", "relabels_right", "kept_right")
"""What is estimated of each voter, in the order of `Voter.figures`."""


def recipes(people: int) -> list[Recipe]:
    """Eight expressions of each person by preset, at strengths that take turns."""
    return [
        Recipe(
            aus={k: v * STRENGTHS[(person + i) % 3] for k, v in PROTOTYPES[expression].items()},
            expression=expression,
            seed=person,
            identity_seed=FIRST_IDENTITY + person,
        )
        for person in range(people)
        for i, expression in enumerate(EXPRESSIONS)
    ]


@dataclass(frozen=True)
class Voter:
    """What one voter, an expert alone or several together, says of some faces.

    Attributes:
        answers: Its probabilities with the threshold below which it does not confirm.
        vote: How it was weighed.
        given: (N,) labels, some of them wrong.
        draws: Bootstrap samples.
    """

    answers: Answers
    vote: Vote
    given: NDArray[np.int64]
    draws: int = DRAWS

    @property
    def truth(self) -> NDArray[np.int64]:
        """(N,) the true labels."""
        return self.answers.faces.labels

    @cached_property
    def decided(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Verdicts on the given labels, as `Vote.decide` gives them."""
        return self.vote.decide(self.answers.read, self.given)

    def figures(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """`FIGURES` over some rows.

        ``accuracy`` of the likeliest expression; ``found`` and ``flagged_right``, shares of wrong
        and of right labels that are not confirmed; ``auc``, how often a wrong label is less likely
        than a right one; ``mended``, share of wrong labels that are right after the verdict;
        ``relabels_right``, share of replaced labels that are right; ``kept_right``, share of right
        ones among the labels that are confirmed or replaced. Where there is nothing to take a share
        of, it counts as 0, and ``relabels_right`` as 1.
        """
        truth, given = self.truth[rows], self.given[rows]
        status, after = (part[rows] for part in self.decided)
        wrong, right = given != truth, after == truth
        replaced = status == STATUSES.index("relabelled")
        flagged = status != STATUSES.index("confirmed")
        kept = status != STATUSES.index("rejected")
        likely = self.answers.read[rows, given]
        return np.array(
            [
                self.answers.right[rows].mean(),
                _share(flagged, wrong),
                _share(flagged, ~wrong),
                _auc(likely, wrong),
                _share(right & kept, wrong),
                _share(right, replaced, nothing=1.0),
                _share(right, kept),
            ]
        )

    def estimates(self) -> dict[str, Estimate]:
        """`FIGURES` with intervals."""
        return self._estimates(self.figures)

    def behind(self, leader: Voter) -> dict[str, Estimate]:
        """By how much another voter's `FIGURES` are above this one's on the same faces."""
        return self._estimates(lambda rows: leader.figures(rows) - self.figures(rows))

    def _estimates(
        self, figures: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    ) -> dict[str, Estimate]:
        found = bootstrap_many(self.answers.faces.people, figures, draws=self.draws)
        return dict(zip(FIGURES, found, strict=True))

    def verdicts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts of verdicts by true class, on right and on wrong labels."""
        status, _ = self.decided
        wrong = self.given != self.truth
        return {
            name: {
                kind: _counts(status[(self.truth == i) & (wrong == (kind == "wrong"))])
                for kind in ("right", "wrong")
            }
            for i, name in enumerate(EXPRESSIONS)
            if (self.truth == i).any()
        }

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "members": sorted(self.vote.members),
            **{name: e.to_dict() for name, e in self.estimates().items()},
            **self.answers.without_intervals(),
            "confirm": round(self.vote.confirm, 4),
            "relabel": None if self.vote.relabel is None else round(self.vote.relabel, 4),
            "verdicts": self.verdicts(),
        }


def _share(
    hits: NDArray[np.bool_], among: NDArray[np.bool_], *, nothing: float = 0.0
) -> np.float64:
    return hits[among].mean() if among.any() else np.float64(nothing)


def _auc(likely: NDArray[np.floating], wrong: NDArray[np.bool_]) -> float:
    """How often a wrong label is less likely than a right one; ties count half."""
    count, ranks = int(wrong.sum()), rankdata(-likely)
    if count in (0, len(wrong)):
        return 0.0
    above = ranks[wrong].sum() - count * (count + 1) / 2
    return float(above / (count * (len(wrong) - count)))


def _counts(status: NDArray[np.integer]) -> dict[str, int]:
    return {name: int((status == i).sum()) for i, name in enumerate(STATUSES)}


@dataclass(frozen=True)
class Hearing:
    """All voters on the same faces.

    Attributes:
        voters: By name: `ALL`, each expert alone, and all without each.
    """

    voters: Mapping[str, Voter]

    @classmethod
    def of(cls, panel: Panel, faces: Faces, asked: Asked, *, draws: int = DRAWS) -> Hearing:
        """Hear all voters of a panel on faces about which the experts have been asked."""
        given = corrupt(faces.labels)
        return cls(
            {
                _name(vote, panel): Voter(
                    Answers(faces, vote.together(asked).astype(np.float32), vote.confirm),
                    vote,
                    given,
                    draws,
                )
                for vote in panel.ballot.votes
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON; ``lead`` is what all together have beyond each."""
        first = self.voters[ALL]
        told = {name: voter.to_dict() for name, voter in self.voters.items()}
        for name, voter in self.voters.items():
            if name != ALL:
                lead = voter.behind(first)
                told[name]["lead"] = {figure: e.to_dict() for figure, e in lead.items()}
        return {
            "images": len(first.truth),
            "people": len(np.unique(first.answers.faces.people)),
            "voters": told,
        }


def _name(vote: Vote, panel: Panel) -> str:
    seats = frozenset(panel.ballot.seats)
    absent = seats - vote.members
    # Of one expert alone, all and alone are the same.
    if not absent:
        return ALL
    if len(vote.members) == 1:
        return next(iter(vote.members))
    return "without " + ", ".join(sorted(absent))


@dataclass(frozen=True)
class Asking:
    """Verdicts on what recipes asked for, as a user gets them.

    Attributes:
        labels: (N,) what was asked for.
        truth: (N,) what both judges read.
        together: (N, 8) the vote of all.
        vote: How it was weighed.
    """

    labels: NDArray[np.int64]
    truth: NDArray[np.int64]
    together: NDArray[np.floating]
    vote: Vote

    def to_dict(self) -> dict[str, Any]:
        """Counts of verdicts where the image shows what was asked for, and where it does not."""
        status, after = self.vote.decide(self.together, self.labels)
        came = self.labels == self.truth
        replaced = status == STATUSES.index("relabelled")
        return {
            "as_asked": _counts(status[came]),
            "otherwise": _counts(status[~came]),
            "relabels_right": int((after == self.truth)[replaced].sum()),
        }


@dataclass(frozen=True)
class Made:
    """Generated images whose truth is known.

    Attributes:
        made: How many were made.
        faces: Those on which both judges read the same, with that as their label.
        asked: What each expert says of them.
        labels: (N,) what their recipes asked for.
    """

    made: int
    faces: Faces
    asked: Asked
    labels: NDArray[np.int64]


def generate(
    synthesizer: Synthesizer,
    panel: Panel,
    judges: Mapping[str, Reader],
    wanted: list[Recipe],
    *,
    tell: Callable[[int, int], None],
) -> Made:
    """Make images, keep those on which the judges agree, and ask the experts about them.

    Args:
        synthesizer: The generator.
        panel: The experts.
        judges: By name; none of them guides or votes.
        wanted: From `recipes`.
        tell: Called with images done and in all.

    Raises:
        DataError: The judges agree on none.
    """
    images = []
    for recipe in wanted:
        images.append(result(synthesizer, recipe).image)
        tell(len(images), len(wanted))
    seen = np.stack(images)
    read = np.stack([in_parts(judge, seen).argmax(1) for judge in judges.values()])
    rows = np.flatnonzero((read == read[0]).all(0))
    if not len(rows):
        raise DataError("the judges agree on no generated image", field="--identities")
    names: list[Expression] = [r.expression or "neutral" for r in wanted]
    labels = np.array([EXPRESSIONS.index(name) for name in names])
    people = np.array([r.seed for r in wanted])
    faces = Faces(seen[rows], read[0][rows], people[rows])
    return Made(len(wanted), faces, ask(panel, faces), labels[rows])


def ask(panel: Panel, faces: Faces) -> dict[str, NDArray[np.float32]]:
    """What each expert of a panel says of some faces."""
    return {n: in_parts(e.probabilities, faces.images) for n, e in panel.experts.items()}


@dataclass(frozen=True)
class Trial:
    """All that is measured.

    Attributes:
        panel: The experts.
        rendered: The voters on held-out renders.
        made: Generated images, if any were made.
        weights_sha256: The generator's weights.
        draws: Bootstrap samples on generated images.
    """

    panel: Panel
    rendered: Hearing
    made: Made | None
    weights_sha256: str
    draws: int = DRAWS

    @cached_property
    def generated(self) -> Hearing | None:
        """The voters on generated images."""
        if self.made is None:
            return None
        return Hearing.of(self.panel, self.made.faces, self.made.asked, draws=self.draws)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures as JSON."""
        ballot = self.panel.ballot
        vote = ballot.all
        return {
            "weights_sha256": self.weights_sha256,
            "experts": {name: seat.sha256 for name, seat in ballot.seats.items()},
            "weights": {name: round(w, 4) for name, w in vote.weights.items()},
            "pool": vote.pool,
            "validation_loss": {pool: round(v, 4) for pool, v in vote.likelihood.items()},
            "fitted_on": {"images": ballot.images, "people": ballot.people},
            "rules": vars(ballot.rules),
            "corrupted": CORRUPTED,
            "rendered": self.rendered.to_dict(),
            "generated": self._generated(),
        }

    def _generated(self) -> dict[str, Any] | None:
        if self.made is None or self.generated is None:
            return None
        vote = self.panel.ballot.all
        asking = Asking(
            self.made.labels, self.made.faces.labels, vote.together(self.made.asked), vote
        )
        return {"made": self.made.made, **self.generated.to_dict(), "asked": asking.to_dict()}

    def lines(self) -> list[str]:
        """The main figures in words."""
        weights = ", ".join(f"{n} {w}" for n, w in self.figures["weights"].items())
        told = [f"{self.figures['pool']} pool of {weights}"]
        for where in ("rendered", "generated"):
            figures = self.figures[where]
            if figures:
                told.append(f"{where}, {figures['images']} images:")
                told += [_told(name, voter) for name, voter in figures["voters"].items()]
        return told


def _told(name: str, voter: Mapping[str, Any]) -> str:
    values = ", ".join(f"{figure} {voter[figure]['value']:.3f}" for figure in FIGURES)
    lead = voter.get("lead")
    behind = f"; behind by {_span(lead['accuracy'])} in accuracy" if lead else ""
    return f"  {name}: {values}, ece {voter['ece']:.3f}{behind}"


def _span(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
