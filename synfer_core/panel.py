"""The panel: who votes on labels, how each is weighed, and the file that says so.

``experts.json`` lies beside the weights. It carries each expert's hash: an expert that has changed
since it was weighed is refused, never weighed as before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import ConfigDict, TypeAdapter

from synfer_core.errors import RequestError, StaleError, WeightsError
from synfer_core.facs import Expression
from synfer_core.files import read_record, write_record
from synfer_core.models import experts
from synfer_core.models.experts import Expert, Images, Kind
from synfer_core.report import Verdict
from synfer_core.voting import RULES, Asked, Floats, Labels, Rules, Vote, fit, groups

FILE = "experts.json"
"""In a folder of weights: who votes, and how."""

_REFIT = "the experts of the fit; `synfer experts fit` weighs those that are here"


@dataclass(frozen=True)
class Seat:
    """One expert as the file knows it.

    Attributes:
        kind: What it is.
        sha256: Its hash when it was weighed.
        source: Of an expert from elsewhere: folder (below the weights', where it lies there) or id.
        labels: The meaning of its classes, where it was given.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Kind
    sha256: str
    source: str | None = None
    labels: Mapping[str, Expression | None] | None = None


@dataclass(frozen=True)
class Ballot:
    """What ``experts.json`` holds.

    Attributes:
        seats: The experts by name.
        votes: One for all of them, for each alone, and for all but each: whoever guided an image
            has no vote on it.
        images, people: How many validation images and people the votes were fitted on.
        rules: How thresholds were chosen.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    seats: Mapping[str, Seat]
    votes: tuple[Vote, ...]
    images: int
    people: int
    rules: Rules = RULES
    version: Literal[1] = 1

    def vote(self, members: Collection[str]) -> Vote:
        """The vote of just these experts.

        Raises:
            RequestError: None was fitted for them.
        """
        wanted = frozenset(members)
        for vote in self.votes:
            if vote.members == wanted:
                return vote
        raise RequestError(
            f"no vote was fitted for {', '.join(sorted(wanted)) or 'nobody'}",
            field=FILE,
            allowed="all, each alone, or all but one",
        )

    @property
    def all(self) -> Vote:
        """The vote of all experts."""
        return self.vote(self.seats)

    @classmethod
    def fit(
        cls,
        seats: Mapping[str, Seat],
        asked: Asked,
        labels: Labels,
        people: Labels,
        rules: Rules = RULES,
    ) -> Self:
        """Fit every vote on validation images; see `fit`."""
        votes = tuple(
            fit({n: asked[n] for n in members}, labels, people, rules)
            for members in groups(tuple(asked))
        )
        return cls(seats, votes, len(labels), len(np.unique(people)), rules)

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            RequestError: It cannot be written.
        """
        write_record(path, _BALLOT, self)

    @classmethod
    def load(cls, path: Path) -> Ballot:
        """Read the file.

        Raises:
            WeightsError: It is not in the expected form.
            RequestError: It cannot be read.
        """
        ballot = read_record(path, _BALLOT)
        if any(not vote.members <= set(ballot.seats) for vote in ballot.votes):
            raise WeightsError("a vote names an expert without a seat", field=path.name)
        return ballot


_BALLOT = TypeAdapter(Ballot)


@dataclass(frozen=True)
class Panel:
    """Experts and how they are weighed.

    Attributes:
        experts: By name; those of the ballot and no other.
        ballot: Weights and thresholds.
    """

    experts: Mapping[str, Expert]
    ballot: Ballot

    @classmethod
    def load(cls, folder: Path, shipped: Mapping[str, Expert]) -> Self:
        """The panel of a folder of weights.

        Args:
            folder: Has ``experts.json``.
            shipped: From `experts.shipped`, for this folder.

        Raises:
            WeightsError: The file is not in the expected form, or an expert's is damaged.
            StaleError: An expert is gone, or has changed since it was weighed.
            DependencyError: An expert needs a library that is not here.
            RequestError: The classes of an expert from elsewhere have no meaning.
        """
        ballot = Ballot.load(folder / FILE)
        found = {n: _summon(n, seat, folder, shipped) for n, seat in ballot.seats.items()}
        return cls(found, ballot)

    def free(self, guided_by: str | None) -> tuple[str, ...]:
        """The experts that did not guide an image: all but the one with this hash."""
        return tuple(name for name, e in self.experts.items() if e.sha256 != guided_by)

    def ask(self, images: Images, known: Asked, members: Collection[str]) -> dict[str, Floats]:
        """What some experts say of images (N, S, S, 3); those in `known` are not asked again.

        Raises:
            ModelError: An expert answers with what is no distribution.
        """
        return {
            name: known[name] if name in known else self.experts[name].probabilities(images)
            for name in members
        }

    def verdict(
        self, images: Images, label: Expression, known: Asked, guided_by: str | None = None
    ) -> Verdict | None:
        """The verdict on one image's label; None where the only expert guided the image.

        Args:
            images: (1, S, S, 3).
            label: The label in question.
            known: What some experts have said of it already, (1, 8) each.
            guided_by: Hash of the classifier that guided the image: it has no vote.

        Raises:
            ModelError: An expert answers with what is no distribution.
        """
        members = self.free(guided_by)
        if not members:
            return None
        asked = self.ask(images, known, members)
        return self.ballot.vote(members).verdict(asked, label)


def _summon(name: str, seat: Seat, folder: Path, shipped: Mapping[str, Expert]) -> Expert:
    """The expert of a seat, if it is still the one that was weighed."""
    expert = shipped.get(name) if seat.source is None else None
    if seat.kind == "mediapipe-rules":
        expert = experts.mediapipe_rules()
    if seat.source is not None:
        expert = experts.other(name, place(seat.source, folder), seat.labels)
    if expert is None:
        raise StaleError(f"the expert {name} is not here", field=FILE, allowed=_REFIT)
    if expert.sha256 != seat.sha256:
        raise StaleError(
            f"the expert {name} has changed since it was weighed", field=FILE, allowed=_REFIT
        )
    return expert


def place(source: str, folder: Path) -> str:
    """Where an expert from elsewhere is: below the weights' folder, or as it stands."""
    below = folder / source
    return str(below) if below.is_dir() else source
