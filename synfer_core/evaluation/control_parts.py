"""The four sets of images of `synfer eval control`, each with what was read on it.

Every array has one row an image, in the order of the recipes, so that rows of some people can be
taken out of a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation import agreement as agree
from synfer_core.evaluation.agreement import Agreement
from synfer_core.evaluation.control_plan import (
    ALONE,
    DISFA,
    UNITS,
    asked_classes,
    asked_units,
    neutral_of,
)
from synfer_core.evaluation.estimates import Estimate, bootstrap_many, share
from synfer_core.evaluation.gauges import (
    MEDIAPIPE_UNITS,
    Gauges,
    Images,
    both_sides,
    mediapipe_units,
)
from synfer_core.evaluation.pictures import Make
from synfer_core.facekit.action_units import scored_slots
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, MAX_INTENSITY
from synfer_core.models.attributes import CLASSES, UNKNOWN
from synfer_core.request import Recipe

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Hits = NDArray[np.bool_]

LEAD = 2.0
"""Points by which the side asked for must lead."""

_DISFA = np.array([UNITS.index(key) for key in DISFA])
_MEDIAPIPE = np.array([UNITS.index(key) for key in MEDIAPIPE_UNITS])


def people_of(recipes: Sequence[Recipe]) -> Rows:
    """(N,) identity seeds."""
    return np.array([recipe.identity_seed for recipe in recipes])


def scored_units(recipe: Recipe) -> Floats:
    """The same as FACS would score a face that did it: a dropped jaw also parts the lips (25)."""
    slots = np.array([scored_slots(recipe.action_units)], np.float32)
    return both_sides(slots * MAX_INTENSITY).reshape(-1)


def make_all(make: Make, recipes: Sequence[Recipe]) -> Images:
    """(N, S, S, 3) the images of recipes."""
    return np.stack([make(recipe) for recipe in recipes])


def faces_found(gauges: Gauges, images: Images) -> Hits:
    """(N,) whether MediaPipe finds a face."""
    return np.array([len(gauges.detect(image)) > 0 for image in images])


@dataclass(frozen=True)
class Mixes:
    """Images with AUs drawn independently.

    Attributes:
        recipes: N recipes.
        images: (N, S, S, 3).
        found: (N,) whether MediaPipe finds a face.
        read: (N, 22) intensities that the AU reader measures, `UNITS` order.
        mediapipe: (N, 13) intensities that MediaPipe measures against the person's neutral image,
            `MEDIAPIPE_UNITS` order; NaN where it missed one of the two faces.
    """

    recipes: tuple[Recipe, ...]
    images: Images
    found: Hits
    read: Floats
    mediapipe: Floats

    @classmethod
    def measure(cls, make: Make, gauges: Gauges, recipes: Sequence[Recipe]) -> Self:
        """Make the images, and one neutral image of each person, and read them."""
        images = make_all(make, recipes)
        people = people_of(recipes)
        first = [int(np.flatnonzero(people == person)[0]) for person in np.unique(people)]
        neutrals = {recipes[i].identity_seed: make(neutral_of(recipes[i])) for i in first}
        bases = {person: gauges.detect(image) for person, image in neutrals.items()}
        faces = [gauges.detect(image) for image in images]
        missed = np.full(len(MEDIAPIPE_UNITS), np.nan)
        return cls(
            recipes=tuple(recipes),
            images=images,
            found=np.array([len(face) > 0 for face in faces]),
            read=both_sides(gauges.aus(images)),
            mediapipe=np.array(
                [
                    mediapipe_units(face[0], base[0]) if face and base else missed
                    for face, base in zip(
                        faces, (bases[r.identity_seed] for r in recipes), strict=True
                    )
                ]
            ),
        )

    @property
    def people(self) -> Rows:
        """(N,) who is in each image."""
        return people_of(self.recipes)

    @property
    def asked(self) -> Floats:
        """(N, 22) intensities asked for, `UNITS` order; drawn independently of each other."""
        return np.array([asked_units(recipe) for recipe in self.recipes])

    @property
    def scored(self) -> Floats:
        """(N, 22) the same as FACS scores them: AU25 is at least what the jaw and lips show."""
        return np.array([scored_units(recipe) for recipe in self.recipes])

    def agreement(self, draws: int) -> Agreement:
        """The AU reader's figures of the 22 units; median and least over DISFA's twelve."""
        return agree.agreement(self.people, self.scored, self.read, _DISFA, draws=draws)

    def mediapipe_agreement(self, draws: int) -> Agreement | None:
        """MediaPipe's figures of `MEDIAPIPE_UNITS`; None if it found nobody."""
        seen = np.isfinite(self.mediapipe).all(1)
        if not seen.any():
            return None
        asked, measured = self.scored[seen][:, _MEDIAPIPE], self.mediapipe[seen]
        every = np.arange(len(MEDIAPIPE_UNITS))
        return agree.agreement(self.people[seen], asked, measured, every, draws=draws)

    def median(self, draws: int) -> Estimate:
        """Median over DISFA's twelve of Spearman's correlation."""
        asked, read = self.scored[:, _DISFA], self.read[:, _DISFA]
        return agree.median_spearman(self.people, asked, read, draws=draws)

    def median_of_all(self, draws: int) -> Estimate:
        """Median over all 22 units of Spearman's correlation."""
        return agree.median_spearman(self.people, self.scored, self.read, draws=draws)

    def crosstalk(self) -> Floats:
        """(22, 22) cross-talk; see `agreement.crosstalk`."""
        return agree.crosstalk(self.asked, self.read)

    def mean_crosstalk(self, draws: int) -> Estimate:
        """Its mean over all pairs of different units."""
        return agree.crosstalk_estimate(self.people, self.asked, self.read, draws=draws)

    def take(self, rows: Rows) -> Self:
        """These rows alone."""
        return type(self)(
            _pick(self.recipes, rows),
            self.images[rows],
            self.found[rows],
            self.read[rows],
            self.mediapipe[rows],
        )


@dataclass(frozen=True)
class Sided:
    """Images with one side of one unit.

    Attributes:
        recipes: N recipes, one AU key each.
        found: (N,) whether MediaPipe finds a face.
        leads: (N,) points by which the side asked for leads the other.
    """

    recipes: tuple[Recipe, ...]
    found: Hits
    leads: Floats

    @classmethod
    def measure(cls, make: Make, gauges: Gauges, recipes: Sequence[Recipe]) -> Self:
        """Make the images and read both sides of the unit asked for."""
        images = make_all(make, recipes)
        read = gauges.aus(images).astype(np.float64)
        keys = [next(iter(recipe.action_units)) for recipe in recipes]
        leads = [
            row[_slot(key)] - row[_slot(_other(key))] for row, key in zip(read, keys, strict=True)
        ]
        return cls(tuple(recipes), faces_found(gauges, images), np.array(leads))

    @property
    def people(self) -> Rows:
        """(N,) who is in each image."""
        return people_of(self.recipes)

    @property
    def hits(self) -> Hits:
        """(N,) whether the side asked for leads by `LEAD` points."""
        return self.leads >= LEAD

    def share(self) -> Estimate:
        """Share of the images in which it does."""
        return share(self.people, self.hits)

    def to_dict(self) -> dict[str, Any]:
        """Share, and for each unit and side the mean lead."""
        keys = np.array([next(iter(recipe.action_units)) for recipe in self.recipes])
        leads = {str(key): round(float(self.leads[keys == key].mean()), 3) for key in keys}
        return {**self.share().to_dict(), "asked": ALONE, "lead": LEAD, "mean_leads": leads}

    def take(self, rows: Rows) -> Self:
        """These rows alone."""
        return type(self)(_pick(self.recipes, rows), self.found[rows], self.leads[rows])


def _slot(key: str) -> int:
    return AU_SLOTS.index(key)


def _other(key: str) -> str:
    return key.replace("AUL", "AUr").replace("AUR", "AUL").replace("AUr", "AUR")


@dataclass(frozen=True)
class Presets:
    """Images of expressions by preset, several of each person.

    Attributes:
        recipes: N recipes.
        found: (N,) whether MediaPipe finds a face.
        read: (N, judges, 8) probabilities.
        judges: Names of the judges.
        codes: (N, code) identity codes of length 1; None without an identity reader.
    """

    recipes: tuple[Recipe, ...]
    found: Hits
    read: Floats
    judges: tuple[str, ...]
    codes: Floats | None

    @classmethod
    def measure(cls, make: Make, gauges: Gauges, recipes: Sequence[Recipe]) -> Self:
        """Make the images and let judges and identity reader see them."""
        images = make_all(make, recipes)
        read = np.stack([judge(images) for judge in gauges.judges.values()], axis=1)
        codes = None if gauges.identity is None else unit(gauges.identity(images))
        found = faces_found(gauges, images)
        return cls(tuple(recipes), found, read.astype(np.float64), tuple(gauges.judges), codes)

    @property
    def people(self) -> Rows:
        """(N,) who is in each image."""
        return people_of(self.recipes)

    @property
    def targets(self) -> Rows:
        """(N,) the expression asked for, as an index."""
        return np.array([EXPRESSIONS.index(r.expression or "neutral") for r in self.recipes])

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(N, judges) whether a judge reads the expression asked for."""
        right: Hits = self.read.argmax(2) == self.targets[:, None]
        return right

    def accuracy(self) -> Estimate:
        """Share read as asked, the mean over the judges."""
        hits = self.hits.mean(1)
        return bootstrap_many(self.people, lambda rows: np.array([hits[rows].mean()]))[0]

    def to_dict(self) -> dict[str, Any]:
        """Accuracy on average, by judge and by expression."""
        hits = self.hits
        each = {EXPRESSIONS[t]: round(float(hits[self.targets == t].mean()), 4)
                for t in np.unique(self.targets)}  # fmt: skip
        return {
            **self.accuracy().to_dict(),
            "judges": {
                name: share(self.people, hits[:, i]).to_dict() for i, name in enumerate(self.judges)
            },
            "expressions": each,
        }

    def take(self, rows: Rows) -> Self:
        """These rows alone."""
        codes = None if self.codes is None else self.codes[rows]
        recipes = _pick(self.recipes, rows)
        return type(self)(recipes, self.found[rows], self.read[rows], self.judges, codes)


def unit(codes: NDArray[np.float32]) -> Floats:
    """Codes (N, code) brought to length 1."""
    values = codes.astype(np.float64)
    lengths: Floats = np.linalg.norm(values, axis=1, keepdims=True)
    result: Floats = values / np.maximum(lengths, 1e-9)
    return result


def same_person(codes: Floats, people: Rows) -> Floats:
    """(P,) by person, the mean cosine of two of their images; `codes` (N, code) of length 1."""
    return np.array([_mean_pair(codes[people == person]) for person in np.unique(people)])


def other_people(codes: Floats, people: Rows) -> float:
    """Mean cosine of two images of different people."""
    cosines, apart = codes @ codes.T, people[:, None] != people
    return float(cosines[apart].mean()) if apart.any() else 0.0


def _mean_pair(codes: Floats) -> float:
    """Mean cosine over the pairs of at least two images."""
    count = len(codes)
    return float(((codes @ codes.T).sum() - count) / (count * (count - 1)))


def similarity_ratio(model: Floats, exact: Floats) -> Estimate | None:
    """Mean `same_person` of the model by that of exact renders; None where renders say nothing."""
    if exact.mean() <= 0:
        return None

    def ratio(rows: Rows) -> Floats:
        return np.array([model[rows].mean() / exact[rows].mean()])

    return bootstrap_many(np.arange(len(model)), ratio)[0]


@dataclass(frozen=True)
class Worded:
    """Images that follow words.

    Attributes:
        recipes: N recipes.
        found: (N,) whether MediaPipe finds a face.
        asked: (N, attributes) classes asked for, `UNKNOWN` where the words are silent.
        read: (N, attributes) classes that the attribute judge reads.
    """

    recipes: tuple[Recipe, ...]
    found: Hits
    asked: Rows
    read: Rows | None

    @classmethod
    def measure(cls, make: Make, gauges: Gauges, recipes: Sequence[Recipe]) -> Self:
        """Make the images and let the attribute judge see them."""
        images = make_all(make, recipes)
        asked = np.array([list(asked_classes(recipe).values()) for recipe in recipes])
        read = None
        if gauges.attributes is not None:
            shares = gauges.attributes(images)
            read = np.stack([shares[name].argmax(1) for name in CLASSES], axis=1)
        return cls(tuple(recipes), faces_found(gauges, images), asked, read)

    @property
    def people(self) -> Rows:
        """(N,) who is in each image."""
        return people_of(self.recipes)

    def share(self, attribute: str | None = None) -> Estimate | None:
        """Share of what was asked that is read, of one attribute or of all; None if unread."""
        if self.read is None:
            return None
        columns = [i for i, name in enumerate(CLASSES) if attribute in (None, name)]
        known = self.asked[:, columns] != UNKNOWN
        right = (self.asked == self.read)[:, columns] & known
        rows = known.any(1)
        known, right = known[rows], right[rows]

        def ratio(drawn: Rows) -> Floats:
            return np.array([right[drawn].sum() / known[drawn].sum()])

        return bootstrap_many(self.people[rows], ratio)[0]

    def to_dict(self) -> dict[str, Any] | None:
        """Shares, of all that was asked and by attribute; None without an attribute judge."""
        every = self.share()
        if every is None:
            return None
        each = {name: self.share(name) for name in CLASSES}
        return {**every.to_dict(), **{n: e.to_dict() if e else None for n, e in each.items()}}

    def take(self, rows: Rows) -> Self:
        """These rows alone."""
        read = None if self.read is None else self.read[rows]
        return type(self)(_pick(self.recipes, rows), self.found[rows], self.asked[rows], read)


def _pick(recipes: tuple[Recipe, ...], rows: Rows) -> tuple[Recipe, ...]:
    return tuple(recipes[i] for i in rows)
