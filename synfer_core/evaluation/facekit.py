"""Do outside readers see what exact renders show?

Two readers that took no part in anything made here look at renders of people of the test split: a
network trained on photographs names one of seven expressions, and MediaPipe's blendshapes follow
single units from absent to maximum. Both were looked at while the renderer's action units were
tuned, so neither is a judge of it: docs/facekit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation import agreement
from synfer_core.evaluation.confusion import by_name, confusion
from synfer_core.evaluation.estimates import DRAWS, Estimate, bootstrap, bootstrap_many, share
from synfer_core.evaluation.photo_reader import CLASSES, PhotoReader, crop
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.identity import split_of
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import scene_for
from synfer_core.faces.blendshapes import CANDIDATES, JAW_DROP, JAW_SHAPE, SIDES
from synfer_core.faces.landmarks import Landmarker
from synfer_core.facs import EXPRESSIONS, PROTOTYPES, Expression
from synfer_core.training.attributes import balanced_accuracy

SEVEN: tuple[Expression, ...] = EXPRESSIONS[:7]
"""FER2013's expressions."""

APEX: Mapping[str, float] = MappingProxyType({"D": 4.0, "E": 5.0})
"""Intensity of the strongest unit of a prototype."""

RAMP = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
"""Intensities of a unit alone."""

SILENT = 1e-3
"""A blendshape that never passes this says nothing: MediaPipe's network scores cheekSquint and
noseSneer below 1e-5 on every face, with or without the unit."""

MEDIAN_TARGET, LEAST_TARGET, FOUND_TARGET = 0.95, 0.8, 0.99
_SHEET_ROWS, _SHEET_COLUMNS = 6, 4

Pixels = NDArray[np.uint8]
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What is rendered and read.

    Attributes:
        people: Of the test split, for the expressions.
        ramp_people: The first of them, for the ramps.
        size: Pixels on a side.
    """

    people: int = 40
    ramp_people: int = 12
    size: int = 256

    @property
    def images(self) -> int:
        """How many are rendered."""
        ramps = 1 + len(units()) * (len(RAMP) - 1)
        return self.people * len(SEVEN) * len(APEX) + self.ramp_people * ramps


@dataclass(frozen=True)
class Check:
    """A figure with what it should be.

    Attributes:
        name: What was measured.
        target: What it should be at least; None where there is nothing to hold it against.
        value: What it is, with its interval over people.
        images: Sample size.
    """

    name: str
    target: float | None
    value: Estimate
    images: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        met = None if self.target is None else self.value.value >= self.target
        shown = {"name": self.name, "target": self.target, "met": met, "images": self.images}
        return {**shown, **self.value.to_dict()}

    def __str__(self) -> str:
        wanted = "" if self.target is None else f", wanted {self.target:g}"
        return f"{self.name}: {self.value}{wanted} ({self.images} images)"


@dataclass(frozen=True)
class Named:
    """Expressions as rendered and as the photo-trained reader names them.

    Attributes:
        people: (N,) who is shown.
        asked: (N,) numbers of `SEVEN`.
        read: (N,) the same as read; -1 where no face was found.
    """

    people: NDArray[np.int64]
    asked: NDArray[np.int64]
    read: NDArray[np.int64]

    @property
    def table(self) -> NDArray[np.int64]:
        """(8, 8) counts of the faces that were found: row asked for, column read."""
        found = self.read >= 0
        return confusion(self.asked[found], self.read[found])

    def checks(self, draws: int = DRAWS) -> list[Check]:
        """Balanced accuracy, a face that was not found counting as wrong, and faces found."""

        def balanced(rows: NDArray[np.int64]) -> float:
            return balanced_accuracy(self.read[rows], self.asked[rows])

        value, total = bootstrap(self.people, balanced, draws=draws), len(self.asked)
        return [
            Check("photo-trained reader: balanced accuracy", None, value, total),
            Check("faces found", FOUND_TARGET, share(self.people, self.read >= 0), total),
        ]


@dataclass(frozen=True)
class Ramps:
    """Blendshapes along single units.

    Attributes:
        people: (P,) identity seeds.
        units: FACS numbers of the K columns.
        scores: (P, K, len(RAMP)), sides averaged; not a number where no face was found.
    """

    people: NDArray[np.int64]
    units: tuple[int, ...]
    scores: NDArray[np.float64]

    @property
    def ranks(self) -> NDArray[np.float64]:
        """(P, K) Spearman's correlation of each unit within each person."""
        asked = np.repeat(np.array(RAMP)[:, None], len(self.units), axis=1)
        return np.array([_ranked(asked, person.T) for person in self.scores])

    @property
    def answered(self) -> NDArray[np.bool_]:
        """(K,) units whose blendshape passes `SILENT` on any face: those of 6 and 9 never do."""
        highest = np.nan_to_num(self.scores, nan=0.0).max((0, 2))
        return np.asarray(highest > SILENT, np.bool_)

    def checks(self, draws: int = DRAWS) -> list[Check]:
        """Mean over people for each unit; the median and the least of the units, and the least of
        those that the reader answers to at all."""
        ranks = self.ranks

        answered = self.answered

        def statistics(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            means = ranks[rows].mean(0)
            among = means[answered].min(initial=1.0)
            return np.array([*means, np.median(means), means.min(), among])

        found, images = bootstrap_many(self.people, statistics, draws=draws), ranks[:, 0].size
        images *= len(RAMP)
        single = [
            Check(f"blendshapes: AU{number}", LEAST_TARGET, value, images)
            for number, value in zip(self.units, found, strict=False)
        ]
        total = images * len(self.units)
        return [
            Check("blendshapes: median of the units", MEDIAN_TARGET, found[-3], total),
            Check("blendshapes: least of the units", LEAST_TARGET, found[-2], total),
            Check("blendshapes: least of those that answer", LEAST_TARGET, found[-1], total),
            *single,
        ]


def _ranked(asked: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's correlation of each column over the faces that were found, 0 with none left."""
    ranks = np.zeros(asked.shape[1])
    for column in range(asked.shape[1]):
        seen = np.isfinite(scores[:, column])
        if seen.sum() > 1:
            pair = asked[seen, column : column + 1], scores[seen, column : column + 1]
            ranks[column] = agreement.spearman(*pair)[0]
    return ranks


@dataclass(frozen=True)
class Seen:
    """All that was measured.

    Attributes:
        plan: What was asked for.
        named: Expressions.
        ramps: Units.
        source: Commit, pack and reader, as JSON.
        draws: Bootstrap samples.
    """

    plan: Plan
    named: Named
    ramps: Ramps
    source: Mapping[str, Any]
    draws: int = DRAWS

    @property
    def checks(self) -> list[Check]:
        """Every figure with its target."""
        return [*self.named.checks(self.draws), *self.ramps.checks(self.draws)]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **self.source,
            "plan": {**vars(self.plan), "apex": dict(APEX), "ramp": RAMP, "split": "test"},
            "looked_at_while_tuning": True,
            "checks": [check.to_dict() for check in self.checks],
            "silent_units": [
                number
                for number, heard in zip(self.ramps.units, self.ramps.answered, strict=True)
                if not heard
            ],
            "confusion": by_name(self.named.table),
        }

    def lines(self) -> list[str]:
        """Figures and the confusion table as Markdown."""
        table = self.named.table[: len(SEVEN), : len(SEVEN)]
        rows = [["shown", *SEVEN], ["---"] * (1 + len(SEVEN))]
        rows += [[name, *map(str, row)] for name, row in zip(SEVEN, table, strict=True)]
        return [*map(str, self.checks), "", *[f"| {' | '.join(row)} |" for row in rows]]


def units() -> Mapping[int, str]:
    """FACS numbers of the units that MediaPipe has a blendshape for, and that blendshape."""
    jaw = dict.fromkeys(JAW_DROP, JAW_SHAPE)
    return dict(sorted({**{gauge.number: gauge.shape for gauge in CANDIDATES}, **jaw}.items()))


def people(wanted: int) -> list[int]:
    """The first identity seeds of the test split, which no network here was trained on."""
    return list(islice((seed for seed in count() if split_of(seed) == "test"), wanted))


def apex(expression: Expression, intensity: float) -> dict[str, float]:
    """A prototype scaled so that its strongest unit has an intensity."""
    prototype = PROTOTYPES[expression]
    strongest = max(prototype.values(), default=1.0)
    return {key: value * intensity / strongest for key, value in prototype.items()}


def measure(
    renderer: Renderer, landmarker: Landmarker, reader: PhotoReader, plan: Plan, tell: Tell
) -> tuple[Named, Ramps]:
    """Render and read all; `tell` is called with images done and in all."""
    done = count(1)

    def look() -> None:
        tell(next(done), plan.images)

    named = _name(renderer, landmarker, reader, plan, look)
    return named, _follow(renderer, landmarker, plan, look)


def _name(
    renderer: Renderer,
    landmarker: Landmarker,
    reader: PhotoReader,
    plan: Plan,
    look: Callable[[], None],
) -> Named:
    asked, read, shown = [], [], []
    for person, number, image in expressions(renderer, plan):
        faces = landmarker.detect(image)
        crops = [crop(image, face) for face in faces[:1]]
        asked.append(number)
        shown.append(person)
        read.append(_winner(reader.probabilities(np.stack(crops))) if crops else -1)
        look()
    return Named(np.array(shown), np.array(asked), np.array(read))


def _winner(probabilities: NDArray[np.float32]) -> int:
    """Number in `SEVEN` of what one face (1, 7) was read as."""
    return SEVEN.index(CLASSES[int(probabilities[0].argmax())])


def expressions(renderer: Renderer, plan: Plan) -> Iterator[tuple[int, int, Pixels]]:
    """Person, number in `SEVEN` and render, person by person; each apex in a scene of its own."""
    for person in people(plan.people):
        for level, intensity in enumerate(APEX.values()):
            for number, name in enumerate(SEVEN):
                seed = person * len(APEX) + level
                scene = scene_for(apex(name, intensity), person, seed, expression=name)
                yield person, number, renderer.render(scene, plan.size)


def _follow(
    renderer: Renderer, landmarker: Landmarker, plan: Plan, look: Callable[[], None]
) -> Ramps:
    shapes, shown = units(), people(plan.ramp_people)
    scores = np.full((len(shown), len(shapes), len(RAMP)), np.nan)

    def read(aus: Mapping[str, float], person: int) -> Mapping[str, float]:
        faces = landmarker.detect(renderer.render(scene_for(aus, person, person), plan.size))
        look()
        return faces[0].blendshapes if faces else {}

    for row, person in enumerate(shown):
        neutral = read({}, person)
        for column, (number, shape) in enumerate(shapes.items()):
            scores[row, column, 0] = _score(neutral, shape)
            for step, intensity in enumerate(RAMP[1:], 1):
                found = read({f"AU{number}": intensity}, person)
                scores[row, column, step] = _score(found, shape)
    return Ramps(np.array(shown), tuple(shapes), scores)


def _score(blendshapes: Mapping[str, float], shape: str) -> float:
    """A blendshape's score, sides averaged; not a number without a face."""
    if not blendshapes:
        return float("nan")
    return float(np.mean([blendshapes[shape.replace("*", side)] for side in SIDES.values()]))


def sheet(renderer: Renderer, size: int, tell: Tell) -> bytes:
    """A JPEG of 24 people of the test split, each with one of the expressions at D, in turn."""
    shown = people(_SHEET_ROWS * _SHEET_COLUMNS)
    cells: list[Pixels] = []
    names: list[Expression] = [SEVEN[place % len(SEVEN)] for place in range(len(shown))]
    for person, name in zip(shown, names, strict=True):
        scene = scene_for(apex(name, APEX["D"]), person, person, expression=name)
        cells.append(renderer.render(scene, size))
        tell(len(cells), len(shown))
    return contact_sheet(
        _in_rows(cells),
        row_names=[""] * _SHEET_ROWS,
        column_names=[""] * _SHEET_COLUMNS,
        marks=_in_rows([(True, name) for name in names]),
    )


def _in_rows(cells: Sequence[Any]) -> list[Sequence[Any]]:
    return [cells[i : i + _SHEET_COLUMNS] for i in range(0, len(cells), _SHEET_COLUMNS)]
