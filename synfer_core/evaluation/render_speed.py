"""Render speed: images a second that one core draws, as for a data set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.scene import Scene, sample_scene

PER_IDENTITY = 8
"""Images of one person in a row, as `synfer facekit render` draws them: hair is made once."""


@dataclass(frozen=True)
class RenderSpeed:
    """Speed at one size.

    Attributes:
        size: Pixels on a side.
        images: Images drawn.
        seconds: Processor seconds of this process, scenes and rendering.
    """

    size: int
    images: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images a second and core."""
        return self.images / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "images_per_second_and_core": round(self.rate, 2)}


def scenes(seed: int) -> Iterator[Scene]:
    """Random scenes without end, eight to a person."""
    rng = np.random.default_rng(seed)
    while True:
        identity = int(rng.integers(2**31))
        for _ in range(PER_IDENTITY):
            yield sample_scene(rng, identity=identity)


def measure(renderer: Renderer, size: int, *, seconds: float, seed: int = 0) -> RenderSpeed:
    """Render for some time, after one image that does not count.

    Args:
        renderer: FaceKit with its pack; one thread.
        size: Pixels on a side.
        seconds: How long, at least one image.
        seed: Seed of the scenes.
    """
    source = scenes(seed)
    renderer.render(next(source), size)
    images, start = 0, time.process_time()
    while images == 0 or time.process_time() - start < seconds:
        renderer.render(next(source), size)
        images += 1
    return RenderSpeed(size, images, time.process_time() - start)
