"""Read first: a plan becomes images, one after another; a bad one never ends the run.

make the neutral images and frame everybody by them -> make the rest, measuring the set -> match,
compose and hand out. Images are treated twice, once to measure what the set averages to and once to
write them, so that only one is in memory at a time.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from synfer_core.errors import ModelError, SynferError
from synfer_core.faces.landmarks import Face
from synfer_core.provenance.export import RECIPE_KEY
from synfer_core.provenance.png import to_png
from synfer_core.report import Pixels
from synfer_core.request import Recipe
from synfer_core.stimuli import align, histogram, luminance
from synfer_core.stimuli.align import Places, Points
from synfer_core.stimuli.luminance import Luminance
from synfer_core.stimuli.people import columns_of
from synfer_core.stimuli.plan import NEUTRAL, Plan, Stimulus
from synfer_core.stimuli.spec import Target, Treatment
from synfer_core.stimuli.store import Made, Store
from synfer_core.stimuli.tools import Tools
from synfer_core.stimuli.treat import Applied, Frame, Treated, prepare, treat

T = TypeVar("T")
U = TypeVar("U")
Stage = Literal["making", "spacing", "writing"]
_INSTANT = 0.1
"""Seconds below which an image was not made but kept from an earlier run."""


@dataclass(frozen=True)
class Step:
    """How far a run is.

    Attributes:
        stage: ``making`` or ``writing``; of a morph, ``spacing`` where frames are made anew.
        done, total: Images.
        file: The one that was just made or written.
        image: (S, S, 3) that image; None where it failed.
        seconds_left: Seconds that the rest is likely to take; None before that can be told.
    """

    stage: Stage
    done: int
    total: int
    file: str
    image: Pixels | None
    seconds_left: float | None

    @property
    def left(self) -> str:
        """The time that is left, in words; empty before it can be told."""
        if self.seconds_left is None or self.done == self.total:
            return ""
        if self.seconds_left < 90:
            return f"about {max(1, round(self.seconds_left))} s left"
        return f"about {round(self.seconds_left / 60)} min left"


Watch = Callable[[Step], None]
"""Told after each image; may raise `CancelledError` to end the run."""


@dataclass
class Clock:
    """Counts images and tells how long the rest will take.

    Attributes:
        stage: As in `Step`.
        total: Images in all.
        watch: Told after each.
    """

    stage: Stage
    total: int
    watch: Watch
    done: int = 0
    _spent: list[float] = field(default_factory=list)
    _last: float = field(default_factory=time.monotonic)

    def tick(self, file: str, image: Pixels | None) -> None:
        """One image more."""
        now = time.monotonic()
        self.done, took, self._last = self.done + 1, now - self._last, now
        if took > _INSTANT:
            self._spent.append(took)
        mean = sum(self._spent) / len(self._spent) if self._spent else None
        left = None if mean is None else mean * (self.total - self.done)
        self.watch(Step(self.stage, self.done, self.total, file, image, left))


@dataclass(frozen=True)
class Failure:
    """An image that is not in the set, and why."""

    stimulus: Stimulus
    error: SynferError


@dataclass(frozen=True)
class Goal:
    """What images are matched to; None each where they are not.

    Attributes:
        target: Mean and standard deviation of luminance.
        histogram: Pixels of each grey level.
    """

    target: Target | None = None
    histogram: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Ready:
    """A set that is made and measured; `Making.write` treats and hands out its images.

    Attributes:
        frames: By subject, how the images are framed.
        stimuli: Those that were made.
        goals: By subject, what they are matched to.
        failures: The others.
    """

    frames: Mapping[int, Frame]
    stimuli: tuple[Stimulus, ...]
    goals: Mapping[int, Goal]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Written:
    """An image of the set.

    Attributes:
        stimulus: What was asked.
        made: What was made, and read on it before treatment.
        frame: How the person is framed.
        applied: All that was done to the image.
        treated: What came of it.
        png: The same as a file, which carries the recipe of the face before treatment.
        similarity: To the person's neutral image, before treatment; None without a gauge.
        threshold: Similarity below which an image is flagged; None where there is none.
        model_sha256: Of what made it; empty where that has no hash.
        person: Cells of `demographics.COLUMNS`, as far as they are known.
        read: By reader of `opinions.TITLES`, the expression that it reads.
        readers: By reader, which one it is.
    """

    stimulus: Stimulus
    made: Made
    frame: Frame
    applied: Applied
    treated: Treated
    png: bytes
    similarity: float | None
    threshold: float | None
    model_sha256: str
    person: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)

    @property
    def drifts(self) -> bool | None:
        """Whether it is flagged; None where that cannot be told."""
        if self.similarity is None or self.threshold is None:
            return None
        return self.similarity < self.threshold

    @property
    def enlargement(self) -> float:
        """Pixels on a side of the written image for each that was made, alignment included."""
        return len(self.treated.image) / len(self.made.image) * self.applied.scale

    @property
    def pixels_sha256(self) -> str:
        """SHA-256 of the written image, see `pixels_sha256`."""
        return pixels_sha256(self.treated.image)


@contextmanager
def _named(neutral: Stimulus) -> Iterator[None]:
    """Errors say whose neutral image they are about."""
    try:
        yield
    except SynferError as error:
        who = f"subject {neutral.subject} (identity seed {neutral.recipe.identity_seed})"
        message = f"{who}: {error.message}"
        raise type(error)(message, field=error.field, allowed=error.allowed) from error


def png_of(image: Pixels, greyscale: bool, recipe: Recipe) -> bytes:
    """An image (S, S, 3) as PNG with the recipe of its face, before treatment, in its metadata."""
    return to_png(image[..., 0] if greyscale else image, {RECIPE_KEY: recipe.to_json()})


def pixels_sha256(image: Pixels) -> str:
    """SHA-256 of the red, green and blue bytes of an image (S, S, 3), row by row."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def in_order(
    work: Callable[[T], U], items: Iterable[T], workers: int = 2, ahead: int = 6
) -> Iterator[U]:
    """What work makes of items, in their order, some of it done ahead in threads."""
    with ThreadPoolExecutor(workers, thread_name_prefix="synfer-set") as pool:
        waiting: deque[Future[U]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Items in their order, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


@dataclass(frozen=True)
class Making:
    """Makes the images of a plan.

    Attributes:
        plan: The images.
        tools: What makes and reads them.
        store: Where they lie until the set is whole.
    """

    plan: Plan
    tools: Tools
    store: Store

    @property
    def treatment(self) -> Treatment:
        """What is done to the images."""
        return self.plan.spec.treatment

    @property
    def threshold(self) -> float | None:
        """The drift threshold that holds; None where there is none."""
        given, gauge = self.plan.spec.drift_threshold, self.tools.identity
        return gauge.threshold if given is None and gauge else given

    def prepare(self, watch: Watch) -> Ready:
        """Make every image and measure the set.

        Raises:
            CancelledError: From ``tools.generate`` or `watch`.
            SynferError: A recipe is refused, or a neutral image cannot be made or framed.
            ModelError: Not one other image could be made; the message is that of the first.
        """
        self.tools.check(self.plan.stimuli[0].recipe)
        clock = Clock("making", len(self.plan.stimuli), watch)
        eyes = {s.subject: self._eyes(s, clock) for s in self.plan.neutrals}
        places = self._places(eyes)
        frames = {s.subject: self._framed(s, eyes[s.subject], places) for s in self.plan.neutrals}
        measuring = _Measuring(self.treatment, {s.subject: [] for s in self.plan.neutrals})
        good: list[Stimulus] = []
        failures: list[Failure] = []
        for stimulus, made in self._made():
            if isinstance(made, SynferError):
                failures.append(Failure(stimulus, made))
                clock.tick(stimulus.file, None)
            else:
                good.append(stimulus)
                measuring.add(made.image, stimulus.subject, frames[stimulus.subject].applied)
                if stimulus.expression != NEUTRAL:
                    clock.tick(stimulus.file, made.image)
        if failures and len(good) == len(frames):
            raise ModelError(f"no image could be made; the first: {failures[0].error}")
        return Ready(frames, tuple(good), measuring.goals(), tuple(failures))

    def write(self, ready: Ready) -> Iterator[Written | Failure]:
        """Treat and hand out the images, in order; a failure is one that cannot be matched."""
        neutrals = {s.subject: s for s in self.plan.neutrals}
        opinions = self.tools.opinions
        seen = {n: opinions.face(self._make(s)) for n, s in neutrals.items()}

        def one(stimulus: Stimulus) -> Written | Failure:
            try:
                return self._written(stimulus, neutrals[stimulus.subject], ready, seen)
            except SynferError as error:
                return Failure(stimulus, error)

        return in_order(one, ready.stimuli)

    def _make(self, stimulus: Stimulus) -> Made:
        return self.store.make(stimulus.recipe, self.tools.generate)

    def _made(self) -> Iterator[tuple[Stimulus, Made | SynferError]]:
        """All images in order, as many at once as their backbone makes together."""
        size = self.tools.together(self.plan.stimuli[0].recipe)
        for group in batched(self.plan.stimuli, size):
            missing = [s.recipe for s in group if self.store.get(s.recipe) is None]
            answers = zip(missing, self.tools.several(missing), strict=True) if missing else ()
            failed: dict[str, SynferError] = {}
            for recipe, answer in answers:
                if isinstance(answer, SynferError):
                    failed[recipe.to_json()] = answer
                else:
                    self.store.keep(recipe, Made.of(answer))
            for stimulus in group:
                error = failed.get(stimulus.recipe.to_json())
                yield stimulus, error or self._make(stimulus)

    def _eyes(self, neutral: Stimulus, clock: Clock) -> Points | None:
        """Where a person's eyes lie on the neutral image; None where nothing is aligned."""
        image = self._make(neutral).image
        with _named(neutral):
            eyes = self.tools.eyes and self.tools.eyes(neutral.recipe, image)
        clock.tick(neutral.file, image)
        return eyes

    def _places(self, eyes: Mapping[int, Points | None]) -> Places:
        """Where the eyes of the set are brought, so that every image covers its frame."""
        first = self.plan.neutrals[0]
        scene, size = first.recipe.scene, len(self._make(first).image)
        wanted = align.places(None if scene is None else scene.framing)
        known = [one for one in eyes.values() if one is not None]
        factors = [align.enlargement(one, size, wanted) for one in known]
        # Rounded up to a thousandth, as methods tell it.
        return wanted.enlarged(math.ceil(max(factors, default=1.0) * 1000 - 1e-6) / 1000)

    def _framed(self, neutral: Stimulus, eyes: Points | None, places: Places) -> Frame:
        with _named(neutral):
            return Frame.of(self._make(neutral).image, self.treatment, eyes, places)

    def _written(
        self, stimulus: Stimulus, neutral: Stimulus, ready: Ready, seen: Mapping[int, Face | None]
    ) -> Written:
        made = self._make(stimulus)
        frame = ready.frames[stimulus.subject]
        goal = ready.goals[stimulus.subject]
        wanted = {"target": goal.target, "histogram": goal.histogram}
        applied = frame.applied.model_copy(update=wanted)
        gauge = self.tools.identity
        treated = treat(made.image, applied)
        return Written(
            stimulus=stimulus,
            made=made,
            frame=frame,
            applied=applied,
            treated=treated,
            png=png_of(treated.image, applied.greyscale, made.recipe),
            similarity=gauge.similarity(made.image, self._make(neutral).image) if gauge else None,
            threshold=self.threshold,
            model_sha256=self.tools.model_sha256(made.recipe),
            person=columns_of(made.recipe, self.tools.origin(made.recipe)),
            read=self.tools.opinions.read(made, seen.get(stimulus.subject)),
            readers=self.tools.opinions.versions(made),
        )


@dataclass(frozen=True)
class _Measured:
    """One image: its luminance, and the shares of its grey levels where they are matched."""

    luminance: Luminance
    shares: histogram.Floats | None
    pixels: int


@dataclass(frozen=True)
class _Measuring:
    """What the images of each person measure, as far as matching needs it."""

    treatment: Treatment
    found: Mapping[int, list[_Measured]]

    def add(self, image: Pixels, subject: int, applied: Applied) -> None:
        if self.treatment.match == "none":
            return
        ready = prepare(image, applied)
        whole = self.treatment.match == "histogram"
        shares = histogram.histogram(ready.image, ready.region) if whole else None
        one = _Measured(ready.luminance, shares, int(ready.region.sum()))
        self.found[subject].append(one)

    def goals(self) -> dict[int, Goal]:
        """By subject, what the images are matched to: their own average, or that of all."""
        if self.treatment.match_over == "person":
            return {subject: self._goal(images) for subject, images in self.found.items()}
        shared = self._goal([one for images in self.found.values() for one in images])
        return dict.fromkeys(self.found, shared)

    def _goal(self, images: Sequence[_Measured]) -> Goal:
        if self.treatment.match == "histogram":
            shares = histogram.average([one.shares for one in images if one.shares is not None])
            return Goal(histogram=histogram.counts(shares, images[0].pixels))
        if self.treatment.match == "mean_sd":
            measured = [one.luminance for one in images]
            return Goal(target=self.treatment.target or luminance.average(measured))
        return Goal()
