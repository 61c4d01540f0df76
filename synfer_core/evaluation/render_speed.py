"""Render speed: what one core draws, by processor time, which other load changes little.

Three kinds of work, each with the figure it is to reach: single pictures as for a data set (eight
of a person, each in a scene of its own), groups of expressions of one person in one scene, and a
hand that drags a slider, where one picture is answered at a time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from types import MappingProxyType
from typing import Any, Literal

import cv2
import numpy as np

from synfer_core.drafts import draft_of
from synfer_core.evaluation.live import Plan
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, sample_scene, scene_for
from synfer_core.models.exact import ExactBackbone

PER_IDENTITY = 8
"""Images of one person in a row, as `synfer facekit render` draws them: hair is made once."""
GROUP = 4
"""Expressions of one person in one scene that are drawn in a row."""

Work = Literal["single", "group", "drag"]
TARGETS = MappingProxyType(
    {
        ("single", 128): 25.0,
        ("single", 256): 10.0,
        ("single", 512): 3.0,
        ("group", 128): 30.0,
        ("drag", 512): 0.25,
    }
)
"""Pictures a second and core; for drags, seconds to a picture."""

_EXPRESSIONS: tuple[dict[str, float], ...] = (
    {},
    {"AU6": 3.0, "AU12": 4.0},
    {"AU4": 4.0, "AU15": 3.0},
    {"AU5": 4.0, "AU26": 4.0},
)


@dataclass(frozen=True)
class RenderSpeed:
    """Time taken for each picture of one kind of work at one size.

    Attributes:
        work: ``single``, ``group`` or ``drag``.
        size: Pixels on a side.
        processor, wall: Seconds of each picture, by this process's processor time and by the clock.
    """

    work: Work
    size: int
    processor: tuple[float, ...]
    wall: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Images a second and core."""
        return len(self.processor) / sum(self.processor)

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `target` is None at a size that has none."""
        target = TARGETS.get((self.work, self.size))
        if self.work == "drag":
            value, unit = statistics.median(self.processor), "seconds of processor time"
            met = None if target is None else value <= target
        else:
            value, unit = self.rate, "images a second and core"
            met = None if target is None else value >= target
        return {
            "work": self.work,
            "size": self.size,
            "unit": unit,
            "target": target,
            "value": round(value, 4),
            "met": met,
            "n": len(self.processor),
            "processor_seconds": _spread(self.processor),
            "wall_seconds": _spread(self.wall),
        }

    def line(self) -> str:
        """In words, on one line."""
        row = self.to_dict()
        aim = "" if row["target"] is None else f" (target {row['target']:g})"
        wall = row["wall_seconds"]
        return (
            f"{self.work:6} {self.size:4} px: {row['value']:.3g} {row['unit']}{aim}; by the clock "
            f"{wall['median']:.3f} s median, {wall['p95']:.3f} s p95; n = {row['n']}"
        )


def _spread(seconds: tuple[float, ...]) -> dict[str, float]:
    p95 = float(np.percentile(seconds, 95))
    return {"median": round(statistics.median(seconds), 4), "p95": round(p95, 4)}


def hold_to_one_core() -> None:
    """Keep libraries from spreading over cores, whose processor time would all be counted."""
    cv2.setNumThreads(1)


def scenes(seed: int) -> Iterator[Scene]:
    """Random scenes without end, eight to a person."""
    rng = np.random.default_rng(seed)
    while True:
        identity = int(rng.integers(2**31))
        for _ in range(PER_IDENTITY):
            yield sample_scene(rng, identity=identity)


def groups(seed: int) -> Iterator[Scene]:
    """Scenes without end: four expressions of a person in one scene, two such groups a person."""
    rng = np.random.default_rng(seed)
    while True:
        identity = int(rng.integers(2**31))
        for place in rng.integers(2**31, size=PER_IDENTITY // GROUP):
            for aus in _EXPRESSIONS:
                yield scene_for(aus, identity, int(place))


def measure(renderer: Renderer, size: int, *, seconds: float, seed: int = 0) -> RenderSpeed:
    """Single pictures for some time, after one that does not count.

    Args:
        renderer: FaceKit with its pack; one thread.
        size: Pixels on a side.
        seconds: Processor time to spend, at least one image.
        seed: Seed of the scenes.
    """
    source = scenes(seed)
    renderer.render(next(source), size)
    steps = (lambda: renderer.render(next(source), size) for _ in count())
    return _timed("single", size, steps, seconds)


def measure_groups(renderer: Renderer, size: int, *, seconds: float, seed: int = 0) -> RenderSpeed:
    """Groups of expressions for some time, whole groups alone counted; see `measure`."""
    source = groups(seed)
    for scene in islice(source, GROUP):
        renderer.render(scene, size)
    steps = (lambda: renderer.render(next(source), size) for _ in count())
    return _timed("group", size, steps, seconds, whole=GROUP)


def measure_drags(backbone: ExactBackbone, size: int, *, moves: int) -> RenderSpeed:
    """Drafts of one person in one scene as a slider moves, from recipe to pixels.

    Args:
        backbone: The exact renderer as the studio drives it.
        size: Pixels on a side.
        moves: How many; the picture before the first does not count.
    """
    recipes = [
        recipe.model_copy(update={"backbone": "facekit", "size": size})
        for recipe in islice(Plan(people=1).recipes(), moves + 1)
    ]

    def draw(place: int) -> None:
        for _ in backbone.draft(backbone.check(draft_of(recipes[place]))):
            pass

    draw(0)
    steps = (partial(draw, place) for place in range(1, len(recipes)))
    return _timed("drag", size, steps, float("inf"))


def _timed(
    work: Work, size: int, steps: Iterable[Callable[[], object]], seconds: float, whole: int = 1
) -> RenderSpeed:
    """Time steps until their processor seconds are spent, and then to the end of a whole group."""
    processor: list[float] = []
    wall: list[float] = []
    for step in steps:
        start, clock = time.process_time(), time.perf_counter()
        step()
        processor.append(time.process_time() - start)
        wall.append(time.perf_counter() - clock)
        if sum(processor) >= seconds and len(processor) % whole == 0:
            break
    return RenderSpeed(work, size, tuple(processor), tuple(wall))
