"""A backbone that paints what it is asked for into pixels, and gauges that read them back.

With `swap` it takes two units for each other, with `strong` it lets one drag the other along, with
`deaf` it ignores everything: failures that the measures must find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation.control_plan import asked_classes, person_of
from synfer_core.evaluation.gauges import Gauges
from synfer_core.facekit.action_units import scored_slots
from synfer_core.facekit.identity import identity_code
from synfer_core.faces.blendshapes import GAUGES, JAW_DROP, JAW_GAIN, JAW_OFFSET, JAW_SHAPE
from synfer_core.faces.landmarks import Face
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, slots_of
from synfer_core.models.attributes import CLASSES
from synfer_core.models.backbone import Capabilities, Generation
from synfer_core.report import AttentionMaps, Progress
from synfer_core.request import Recipe

SIZE = 16
_FACE = 200
_CODE = 50


@dataclass(frozen=True)
class Painter:
    """Pixel i of channel 0 holds slot i; channel 1 the labels, channel 2 the person."""

    name: str = "painted"
    swap: tuple[str, str] | None = None
    strong: tuple[str, str] | None = None
    deaf: bool = False
    sides: bool = True
    faceless: bool = False

    @property
    def capabilities(self) -> Capabilities:
        units: tuple[str, ...] = ()
        flags = dict.fromkeys(("text", "identity", "guidance", "attention", "steps"), False)
        return Capabilities(self.name, self.name, "", SIZE, units, **flags)

    def check(self, recipe: Recipe) -> Recipe:
        return recipe.model_copy(update={"weights_sha256": "a" * 64})

    def stream(self, recipe: Recipe) -> Iterator[Progress | Generation]:
        yield Progress(0, 1, "painting")
        yield Generation(self.paint(recipe), AttentionMaps())

    def paint(self, recipe: Recipe) -> NDArray[np.uint8]:
        flat = np.zeros((SIZE * SIZE, 3), np.uint8)
        flat[: len(AU_SLOTS), 0] = np.round(255 * self._slots(recipe))
        flat[-1, 0] = 0 if self.faceless else _FACE
        flat[0, 1] = 0 if self.deaf else EXPRESSIONS.index(recipe.expression or "neutral")
        classes = [0 if self.deaf else max(c, 0) for c in asked_classes(recipe).values()]
        flat[1 : 1 + len(classes), 1] = classes
        code = identity_code(person_of(recipe))[:_CODE]
        flat[:_CODE, 2] = np.clip(128 + 30 * (code if not self.deaf else -code), 0, 255)
        return flat.reshape(SIZE, SIZE, 3)

    def _slots(self, recipe: Recipe) -> NDArray[np.float64]:
        shown = {} if self.deaf else recipe.action_units
        slots = np.array(scored_slots(shown))
        named = dict(zip(AU_SLOTS, slots, strict=True))
        if self.swap:
            a, b = self.swap
            named[a], named[b] = named[b], named[a]
        if self.strong:
            a, b = self.strong
            named[b] = max(named[a], named[b])
        if not self.sides:
            named |= {k: named[k.replace("AUL", "AUR")] for k in named if k.startswith("AUL")}
        return np.array(list(named.values()))


def read_slots(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Slots (N, 36), with noise of a quarter point."""
    clean = images.reshape(len(images), -1, 3)[:, : len(AU_SLOTS), 0] / 255 * 5
    noise = np.random.default_rng(0).normal(0, 0.25, clean.shape)
    return np.clip(clean + noise, 0, 5).astype(np.float32)


def judge(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One-hot probabilities (N, 8)."""
    return np.eye(8, dtype=np.float32)[images[:, 0, 0, 1]]


def detect(image: NDArray[np.uint8]) -> list[Face]:
    """A face whose blendshapes follow MediaPipe's table, where one was painted."""
    if image[-1, -1, 0] != _FACE:
        return []
    slots = dict(zip(AU_SLOTS, image.reshape(-1, 3)[: len(AU_SLOTS), 0] / 255 * 5, strict=True))
    scores = {
        shape: (np.mean([slots[s] for s in slots_of(key)]) - gauge.offset) / gauge.gain
        for gauge in GAUGES
        for key, shape in gauge.places
    }
    drop = max(slots[f"AU{n}"] / 5 * full for n, full in JAW_DROP.items())
    return [
        Face(np.zeros((478, 2), np.float32), {**scores, JAW_SHAPE: (drop - JAW_OFFSET) / JAW_GAIN})
    ]


def identity(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Codes (N, 50), with a little noise."""
    codes = images.reshape(len(images), -1, 3)[:, :_CODE, 2].astype(np.float32) - 128
    return codes + np.random.default_rng(1).normal(0, 5, codes.shape).astype(np.float32)


def attributes(images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
    """One-hot classes by attribute."""
    return {
        name: np.eye(len(classes), dtype=np.float32)[images[:, 0, 1 + i, 1]]
        for i, (name, classes) in enumerate(CLASSES.items())
    }


def gauges(*, complete: bool = True) -> Gauges:
    """Gauges that read what a `Painter` paints; without the newer two if not `complete`."""
    return Gauges(
        aus=read_slots,
        judges={"a": judge, "b": judge},
        detect=detect,
        identity=identity if complete else None,
        attributes=attributes if complete else None,
        sha256={"au-reader": "b" * 64},
    )
