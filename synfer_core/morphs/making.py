"""Read first: a specification becomes frames, each measured against the neutral face and the one
before it.

make the frames at equal moments -> where asked, shift the moments and make them anew, so that
neighbours differ evenly -> measure. All frames share person, words and seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from synfer_core.errors import CancelledError, SynferError
from synfer_core.morphs.evenness import Evenness, Floats, spread
from synfer_core.morphs.spec import Continuum
from synfer_core.report import Pixels
from synfer_core.stimuli.making import Clock, Stage, Watch
from synfer_core.stimuli.people import columns_of
from synfer_core.stimuli.store import Made, Store
from synfer_core.stimuli.tools import Tools


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        number: From 0.
        moment: Where it lies on the continuum's curves, 0 to 1.
        made: Its picture, its recipe, and what was read on it.
        similarity: Of its person to the neutral face; None without a gauge.
        drifts: Whether that lies below the threshold; None where it cannot be told.
        difference: To the frame before it (`evenness.difference`); None of the first.
    """

    number: int
    moment: float
    made: Made
    similarity: float | None
    drifts: bool | None
    difference: float | None

    @property
    def file(self) -> str:
        """Its file name."""
        return file_name(self.number)


@dataclass(frozen=True)
class Morph:
    """A finished continuum.

    Attributes:
        continuum: What was asked for.
        frames: In their order.
        evenness: How evenly they differ.
        unspaced: The same of the frames at equal moments; None where they were not shifted.
        threshold: Identity similarity below which a frame is flagged; None where there is none.
        note: What a user should know of the identity gauge; empty where all is there.
        person: Cells of `demographics.COLUMNS`, as far as they are known.
    """

    continuum: Continuum
    frames: tuple[Frame, ...]
    evenness: Evenness
    unspaced: Evenness | None
    threshold: float | None
    note: str
    person: Mapping[str, str] = field(default_factory=dict)

    @property
    def flagged(self) -> tuple[int, ...]:
        """Numbers of the frames whose person drifts."""
        return tuple(frame.number for frame in self.frames if frame.drifts)

    @property
    def lowest_similarity(self) -> float | None:
        """Of all frames; None without a gauge."""
        known = [frame.similarity for frame in self.frames if frame.similarity is not None]
        return min(known, default=None)


def file_name(number: int) -> str:
    """The file name of a frame, counted from 0."""
    return f"{number:03d}.png"


@dataclass(frozen=True)
class Making:
    """Makes the frames of a continuum.

    Attributes:
        continuum: What to make.
        tools: What makes and reads the frames.
        store: Where they lie until all are there.
    """

    continuum: Continuum
    tools: Tools
    store: Store

    def make(self, watch: Watch) -> Morph:
        """Make and measure all frames.

        Args:
            watch: Told after each frame; may raise `CancelledError` to end the run.

        Raises:
            CancelledError: From ``tools.generate`` or `watch`.
            SynferError: A frame cannot be made; the message names it.
        """
        self.tools.check(self.continuum.frame(1.0))
        moments = np.linspace(0.0, 1.0, self.continuum.frames)
        frames = self._series(moments, "making", watch)
        first = _evenness(frames)
        if not self.continuum.even:
            return self._measured(moments, frames, first, None)
        moments = spread(moments, first.differences)
        frames = self._series(moments, "spacing", watch)
        return self._measured(moments, frames, _evenness(frames), first)

    def _series(self, moments: Floats, stage: Stage, watch: Watch) -> list[Made]:
        clock = Clock(stage, len(moments), watch)
        frames: list[Made] = []
        for number, moment in enumerate(moments):
            frames.append(self._made(number, float(moment)))
            clock.tick(file_name(number), frames[-1].image)
        return frames

    def _made(self, number: int, moment: float) -> Made:
        try:
            return self.store.make(self.continuum.frame(moment), self.tools.generate)
        except CancelledError:
            raise
        except SynferError as error:
            message = f"frame {number}: {error.message}"
            raise type(error)(message, field=error.field, allowed=error.allowed) from error

    def _measured(
        self, moments: Floats, made: Sequence[Made], evenness: Evenness, unspaced: Evenness | None
    ) -> Morph:
        gauge, given = self.tools.identity, self.continuum.drift_threshold
        threshold = gauge.threshold if given is None and gauge else given
        similarities = self._similarities([one.image for one in made])
        frames = tuple(
            Frame(
                number=number,
                moment=float(moments[number]),
                made=one,
                similarity=similarity,
                drifts=_below(similarity, threshold),
                difference=evenness.differences[number - 1] if number else None,
            )
            for number, (one, similarity) in enumerate(zip(made, similarities, strict=True))
        )
        person = columns_of(made[0].recipe, self.tools.origin(made[0].recipe))
        return Morph(self.continuum, frames, evenness, unspaced, threshold, self.tools.note, person)

    def _similarities(self, images: Sequence[Pixels]) -> list[float | None]:
        gauge = self.tools.identity
        if gauge is None:
            return [None] * len(images)
        neutral = self.store.make(self.continuum.neutral, self.tools.generate).image
        return [gauge.similarity(image, neutral) for image in images]


def _below(similarity: float | None, threshold: float | None) -> bool | None:
    return None if similarity is None or threshold is None else similarity < threshold


def _evenness(frames: Sequence[Made]) -> Evenness:
    return Evenness.of([frame.image for frame in frames], [frame.recipe for frame in frames])
