"""A row of `synfer eval ablation`: what some people show, what readers say, and how far off it is.

Every array has the people first and their eight expressions second, so that people can be drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation import features
from synfer_core.evaluation.album import Shot
from synfer_core.evaluation.control_parts import unit
from synfer_core.evaluation.estimates import Estimate, bootstrap_many, jackknife
from synfer_core.evaluation.features import Space
from synfer_core.evaluation.gauges import Gauges, Images
from synfer_core.facekit.action_units import scored_slots
from synfer_core.facs import EXPRESSIONS, MAX_INTENSITY, PROTOTYPES

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SHOWN = len(EXPRESSIONS)
_NEUTRAL = EXPRESSIONS.index("neutral")
_MOVED = [i for i in range(SHOWN) if i != _NEUTRAL]
_ASKED = np.array([scored_slots(PROTOTYPES[name]) for name in EXPRESSIONS]) * MAX_INTENSITY


@dataclass(frozen=True)
class Spaces:
    """Where distances are measured: between people, and between sets of images."""

    diversity: Space
    frechet: Space

    @classmethod
    def load(cls, folder: Path, judges: Path | None = None) -> Self:
        """The attribute judge's space between people, where there is one, else the judge's.

        Raises:
            WeightsError: There is no judge, or a file is damaged.
        """
        path, judged = folder / "attributes.safetensors", features.judged(judges or folder)
        return cls(features.looks(path) if path.exists() else judged, judged)


@dataclass(frozen=True)
class Row:
    """What P people show in a row's images, eight expressions each, and what was read on them.

    Attributes:
        name: From `PARTS`, or `EXACT`.
        judges: Names of the judges.
        images: (P, 8, S, S, 3).
        seconds: (P, 8) from recipe to image.
        read: (P, 8, judges, 8) probabilities.
        aus: (P, 8, 36) intensities that the AU reader measures.
        codes: (P, 8, code) identity codes of length 1; None without an identity reader.
        looks: (P, 8, F) features in the space of `Spaces.diversity`.
        seen: (P, 8, F) features in the space of `Spaces.frechet`.
    """

    name: str
    judges: tuple[str, ...]
    images: Images
    seconds: Floats
    read: Floats
    aus: Floats
    codes: Floats | None
    looks: Floats
    seen: Floats

    @classmethod
    def of(cls, name: str, shots: Sequence[Shot], gauges: Gauges, spaces: Spaces) -> Self:
        """Read images in the order of `ablation_plan.recipes`."""
        images = np.stack([shot.image for shot in shots])
        read = np.stack([judge(images) for judge in gauges.judges.values()], axis=1)
        return cls(
            name=name,
            judges=tuple(gauges.judges),
            images=_by_person(images),
            seconds=_by_person(np.array([shot.seconds for shot in shots])),
            read=_by_person(read.astype(np.float64)),
            aus=_by_person(gauges.aus(images).astype(np.float64)),
            codes=_by_person(unit(gauges.identity(images))) if gauges.identity else None,
            looks=_by_person(spaces.diversity.read(images)),
            seen=_by_person(spaces.frechet.read(images)),
        )

    @cached_property
    def hits(self) -> Floats:
        """(P, 8, judges) 1 where a judge reads the expression."""
        return np.asarray(self.read.argmax(3) == np.arange(SHOWN)[:, None], np.float64)

    @cached_property
    def errors(self) -> Floats:
        """(P, 8, 36) how far the AUs read are from the prototype's, in points."""
        return np.asarray(np.abs(self.aus - _ASKED), np.float64)

    @cached_property
    def active_errors(self) -> Floats:
        """(P, 7) the mean over the units that are in the prototype; neutral has none."""
        shown = [self.errors[:, i, _ASKED[i] > 0].mean(1) for i in _MOVED]
        return np.stack(shown, axis=1)

    @cached_property
    def drift(self) -> Floats | None:
        """(P,) 1 less the mean cosine of the codes of an expression and of the same neutral."""
        if self.codes is None:
            return None
        cosines = np.einsum("pec,pc->pe", self.codes[:, _MOVED], self.codes[:, _NEUTRAL])
        return np.asarray(1 - cosines.mean(1), np.float64)

    @cached_property
    def apart(self) -> Floats:
        """(P, P) distance between people who show the same."""
        return features.apart(self.looks)

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what `values` gives."""
        accuracy = tuple(f"accuracy.{name}" for name in (*self.judges, "mean"))
        drift = () if self.drift is None else ("drift",)
        return (*accuracy, "au_error.active", "au_error.all", *drift, "diversity", "seconds")

    @cached_property
    def _means(self) -> Floats:
        """(P, k) by person, those `figures` that are means."""
        accuracy = self.hits.mean(1)
        drift = [] if self.drift is None else [self.drift]
        errors = [self.active_errors.mean(1), self.errors.mean((1, 2))]
        return np.stack([*accuracy.T, accuracy.mean(1), *errors, *drift], axis=1)

    def values(self, people: Rows) -> Floats:
        """The `figures` over some people, repeats included."""
        apart = features.mean_apart(self.apart, people)
        return np.array([*self._means[people].mean(0), apart, np.median(self.seconds[people])])

    def estimates(self, draws: int) -> dict[str, Estimate]:
        """The `figures` with intervals."""
        return self._estimated(self.values, draws)

    def beyond(self, other: Row, draws: int) -> dict[str, Estimate]:
        """By how much this row's `figures` are above another's, paired by person."""
        return self._estimated(lambda people: self.values(people) - other.values(people), draws)

    def _estimated(self, values: Callable[[Rows], Floats], draws: int) -> dict[str, Estimate]:
        found = bootstrap_many(np.arange(len(self.images)), values, draws=draws)
        return dict(zip(self.figures, found, strict=True))

    def by_expression(self) -> dict[str, float]:
        """The judges' mean accuracy on each expression."""
        shares = self.hits.mean((0, 2))
        return {name: round(float(shares[i]), 4) for i, name in enumerate(EXPRESSIONS)}


def _by_person(values: NDArray[Any]) -> Any:
    """(P * 8, ...) as (P, 8, ...)."""
    return values.reshape(-1, SHOWN, *values.shape[1:])


@dataclass(frozen=True)
class Distance:
    """Fréchet distance of one set of images to another.

    Attributes:
        value: The distance.
        left_out: (P,) the same with each person left out of both.
    """

    value: float
    left_out: Floats

    @classmethod
    def between(cls, first: Floats, second: Floats) -> Self:
        """Of features (P, 8, F) to as many others."""
        whole = features.frechet(features.flat(first), features.flat(second))
        return cls(whole, features.left_out(first, second))

    def estimate(self) -> Estimate:
        """With its interval."""
        return jackknife(self.value, self.left_out)

    def beyond(self, other: Distance) -> Estimate:
        """By how much it is above another to the same set, paired by person."""
        return jackknife(self.value - other.value, self.left_out - other.left_out)
