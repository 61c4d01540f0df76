"""Faces that are drawn: a generator whose images are known, and whoever finds their eyes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import ModelError
from synfer_core.faces.landmarks import Face
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, to_slots
from synfer_core.models.backbone import Capabilities
from synfer_core.report import AttentionMaps, AUReading, Label, Pixels, Result
from synfer_core.request import Recipe
from synfer_core.stimuli.align import Detect, eyes_seen
from synfer_core.stimuli.drift import IdentityGauge
from synfer_core.stimuli.tools import Tools

SIZE = 64
WEIGHTS = "a" * 64
EYES = ((21.0, 26.0), (43.0, 24.0))
"""Where the eyes lie: not level."""

ORIGIN = Capabilities("builtin", "Drawing", "Drawn.", SIZE, ("AU12",), *(True,) * 5)


def face(person: int, units: float) -> Pixels:
    """(64, 64, 3) an egg before a graded backdrop: `person` tints it, `units` open the mouth and
    pale the skin."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    image = np.stack([90 + 30 * y, 100 + 20 * x, 120 + 0 * x], axis=-1)
    tint = (200 - 6 * (person % 10) - units / 2, 160, 130 + 4 * (person % 10))
    cv2.ellipse(image, (32, 34), (25, 32), 0, 0, 360, tint, -1)
    for eye in EYES:
        cv2.circle(image, tuple(map(round, eye)), 3, (30, 30, 40), -1)
    cv2.ellipse(image, (32, 50), (9, 1 + round(units)), 0, 0, 360, (90, 30, 30), -1)
    rng = np.random.default_rng(person)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).round().astype(np.uint8)


def draw(recipe: Recipe) -> Result:
    """A recipe drawn and read; AU9 at more than 4 fails."""
    if recipe.action_units.get("AU9", 0) > 4:
        raise ModelError("is too hard to draw")
    image = face(recipe.identity_seed or 0, sum(recipe.action_units.values()))
    aus = dict(zip(AU_SLOTS, (5 * v for v in to_slots(recipe.action_units)), strict=True))
    certain = tuple(float(name == "neutral") for name in EXPRESSIONS)
    return Result(
        recipe=check(recipe),
        image=image,
        label=Label(certain, "feranno 1"),
        readings=(AUReading(aus, "au-reader 1"),),
        attention=AttentionMaps(),
        seconds={},
    )


def check(recipe: Recipe) -> Recipe:
    """The recipe with the hash of the "weights"."""
    return recipe.model_copy(update={"weights_sha256": WEIGHTS})


def find_eyes(image: Pixels) -> list[Face]:
    """The eyes of a drawn face, as MediaPipe gives them."""
    points = np.zeros((478, 2), np.float32)
    for corners, eye in zip(((33, 133), (362, 263)), EYES, strict=True):
        points[list(corners)] = np.array(eye) + 0.5
    return [Face(points * len(image) / SIZE, {})]


def mean_colours(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Codes (N, 3): the colour of the forehead, as deviations from grey."""
    forehead = images[:, 8:16, 28:36].astype(np.float32)
    return forehead.mean((1, 2)) - np.array([180, 160, 150], np.float32)


TOOLS = Tools(
    generate=draw,
    maker="drawn",
    check=check,
    model_sha256=lambda recipe: recipe.weights_sha256 or "",
    origin=lambda _: ORIGIN,
)


def tools(*, detect: Detect | None = None, threshold: float | None = None) -> Tools:
    """Everything is drawn; with a threshold people are told apart too."""
    gauge = IdentityGauge(mean_colours, "colours", threshold) if threshold is not None else None
    eyes = None if detect is None else lambda _, image: eyes_seen(image, detect)
    return replace(TOOLS, eyes=eyes, identity=gauge)
