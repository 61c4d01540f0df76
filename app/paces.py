"""How long images take on this machine: learned from finished ones, each engine and size by itself.

Nothing is said of an engine before it has made an image, and nothing that one engine took ever
speaks for another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace

from app.compare import Made
from synfer_core.models.backbone import Capabilities, Together
from synfer_core.report import Progress, Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

SIZES = (128, 256, 512, 768, 1024)
"""Pixels on a side that the page offers, where an engine can make them."""

TIMED = (128, 512)
"""Sizes at which an engine is timed before anybody has used it."""

FACE = "face"
"""The kind of work that is one face: what it takes beside making and reading is its file."""

SET = "stimuli"
"""The kind of work that is a stimulus set."""

_STEP, _READ, _NEWEST = "step", "read", 0.3
_WHOLE = "whole "
"""Before the kind of work, names what an image of it takes in all."""
_GROUP = ("12C", "4C", "1C", "9C")
"""Expressions of one person and scene that are timed together, as sets make them."""


@dataclass(frozen=True)
class Pace:
    """What one image takes of one engine at one size.

    Attributes:
        step: Seconds of a denoising step; of the whole picture where there are none.
        read: Seconds of reading it.
        rest: By kind of work, seconds of all else: files, matching, measuring; below 0 where images
            that are made together save more than that.
        stepped: Whether it is made in steps.
        measured: Whether images of this size were timed; else it follows from other sizes.
        whole: By kind of longer work, seconds of an image in all, where it is made in one go: the
            expressions of a set share a person's hair and a scene's light, so that a face that is
            made alone says nothing of them.
        sure: Kinds of `whole` that were timed at this size.
    """

    step: float
    read: float
    rest: Mapping[str, float]
    stepped: bool
    measured: bool
    whole: Mapping[str, float] = field(default_factory=dict)
    sure: tuple[str, ...] = ()

    def seconds(self, steps: int, kind: str = FACE) -> float:
        """Of one image.

        Args:
            steps: Denoising steps; they do not count where it is made in one go.
            kind: Of work, such as ``stimuli``; one that was never timed takes what a face does.
        """
        if kind in self.whole:
            return self.whole[kind]
        rest = self.rest.get(kind, self.rest.get(FACE, 0.0))
        return max(0.0, self.step * (steps if self.stepped else 1) + self.read + rest)


@dataclass
class _Part:
    """Seconds of one part of the work. The first image pays for what is loaded and compiled."""

    value: float
    count: int = 1

    def add(self, seconds: float) -> None:
        """Take over another image's."""
        self.value = seconds if self.count == 1 else self.value + _NEWEST * (seconds - self.value)
        self.count += 1


@dataclass
class Paces:
    """The paces of all engines; safe to use from several threads.

    Attributes:
        engines: What each can do, by its name in recipes.
    """

    engines: Mapping[str, Capabilities] = field(default_factory=dict)
    _parts: dict[tuple[str, int], dict[str, _Part]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, outcome: object) -> None:
        """Take over what a finished job took, where it made a plain image.

        Guidance and edits lengthen the way, so that such images say nothing of others.
        """
        result = outcome.result if isinstance(outcome, Made) else outcome
        if not isinstance(result, Result):
            return
        recipe = result.recipe
        plain = not recipe.guidance.semantic and recipe.reference is None
        if recipe.backbone not in self.engines or not plain:
            return
        steps = recipe.steps if self.engines[recipe.backbone].steps else 1
        place = (recipe.backbone, len(result.image))
        self._add(place, _STEP, result.seconds.get("generation", 0.0) / steps)
        self._add(place, _READ, result.seconds.get("annotation", 0.0))

    def learn_rest(self, recipe: Recipe, kind: str, seconds: float) -> None:
        """Take over what an image took beside making and reading it.

        Args:
            recipe: Of the image.
            kind: Of work, such as ``stimuli``.
            seconds: Of one image.
        """
        if engine := self.engines.get(recipe.backbone):
            self._add((engine.name, recipe.size or engine.image_size), kind, seconds)

    def learn_whole(self, recipe: Recipe, kind: str, seconds: float) -> None:
        """Take over what an image of longer work took in all; images that are made together save.

        Args:
            recipe: Of the image.
            kind: Of work, such as ``stimuli``.
            seconds: Of one image, from the work's start to its end.
        """
        engine = self.engines.get(recipe.backbone)
        if engine and not engine.steps:
            return self.learn_rest(recipe, _WHOLE + kind, seconds)
        pace = engine and self.of(engine.name, recipe.size or engine.image_size)
        if pace:
            alone = replace(pace, rest={}).seconds(recipe.steps)
            self.learn_rest(recipe, kind, seconds - alone)

    def of(self, name: str, size: int) -> Pace | None:
        """An engine's pace at a size; None while it has made no image, or cannot make that."""
        engine = self.engines.get(name)
        if engine is None or not engine.makes(size):
            return None
        with self._lock:
            known = {
                side: {part: timed.value for part, timed in parts.items()}
                for (other, side), parts in self._parts.items()
                if other == name
            }
        if not any(_STEP in parts for parts in known.values()):
            return None
        kinds = sorted({part for parts in known.values() for part in parts})
        parts = {part: _at(size, part, known) for part in kinds}
        step, read, here = parts.pop(_STEP), parts.pop(_READ), known.get(size, {})
        rest = {kind: value for kind, value in parts.items() if not kind.startswith(_WHOLE)}
        whole = {k.removeprefix(_WHOLE): v for k, v in parts.items() if k not in rest}
        sure = tuple(kind for kind in whole if _WHOLE + kind in here)
        return Pace(step, read, rest, engine.steps, _STEP in here, whole, sure)

    def told(self) -> dict[str, dict[str, dict[str, object]]]:
        """All that is known, by engine and size, as a page takes it."""
        found = {
            name: {str(size): self.of(name, size) for size in {*SIZES, engine.image_size}}
            for name, engine in self.engines.items()
        }
        return {
            name: {size: vars(pace) for size, pace in paces.items() if pace}
            for name, paces in found.items()
        }

    def _add(self, place: tuple[str, int], part: str, seconds: float) -> None:
        with self._lock:
            parts = self._parts.setdefault(place, {})
            if part in parts:
                parts[part].add(seconds)
            else:
                parts[part] = _Part(seconds)


def _at(size: int, part: str, known: Mapping[int, Mapping[str, float]]) -> float:
    """Seconds of a part of the work at a size.

    Where that was not timed it follows from other sizes: seconds grow about linearly with the
    number of pixels, on the line through the two sizes nearest to it.
    """
    timed = {side: parts[part] for side, parts in known.items() if part in parts}
    if size in timed:
        return timed[size]
    near = sorted(timed, key=lambda side: abs(side**2 - size**2))[:2]
    base = near[0]
    if len(near) == 1:
        return timed[base] * size**2 / base**2
    slope = (timed[near[1]] - timed[base]) / (near[1] ** 2 - base**2)
    return max(timed[base] + max(slope, 0.0) * (size**2 - base**2), 0.0)


def timing(synthesizer: Synthesizer, paces: Paces) -> Generator[Progress, None, None]:
    """Work that times the quick engines, at `TIMED` where they can make that.

    A first image of each, which pays for what is loaded and compiled, is made where there is none.
    """
    for name, engine in synthesizer.capabilities.items():
        sizes = [size for size in TIMED if engine.sizes and engine.makes(size)]
        sizes = sizes or [engine.image_size]
        begun = paces.of(name, sizes[0]) is not None
        wanted = sizes if begun else [sizes[0], *sizes]
        for place, size in enumerate(wanted if engine.drafts else []):
            yield Progress(place, len(wanted), "timing")
            recipe = Recipe(backbone=name, size=size, identity_seed=place, facs="12C")
            _time(synthesizer, paces, recipe)
        if engine.drafts and isinstance(synthesizer.backbones[name], Together):
            for place, size in enumerate(sizes):
                yield Progress(place, len(sizes), "timing")
                _time_group(synthesizer, paces, Recipe(backbone=name, size=size, identity_seed=1))


def _time(synthesizer: Synthesizer, paces: Paces, recipe: Recipe) -> None:
    result = synthesizer.generate(recipe)
    paces.learn(result)
    started = time.perf_counter()
    result.to_png()
    paces.learn_rest(recipe, FACE, time.perf_counter() - started)


def _time_group(synthesizer: Synthesizer, paces: Paces, recipe: Recipe) -> None:
    """What an image of a set takes, as long as no set was made; sets also match and measure."""
    started = time.perf_counter()
    recipes = [recipe.model_copy(update={"facs": facs}) for facs in _GROUP]
    for result in synthesizer.generate_several(recipes):
        if isinstance(result, Result):
            result.to_png()
    seconds = time.perf_counter() - started
    paces.learn_whole(recipe, SET, seconds / len(_GROUP))
