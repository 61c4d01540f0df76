"""A picture for each action unit: a face that shows it, with the skin that it moves tinted."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from synfer_core.errors import RequestError
from synfer_core.facekit.regions import Floats, au_region
from synfer_core.facekit.renderer import Renderer
from synfer_core.facekit.samples import PEOPLE, scene_of
from synfer_core.facekit.scene import Camera, Pose, Scene
from synfer_core.facs import ACTION_UNITS, slots_of, to_slots
from synfer_core.files import write_whole
from synfer_core.report import Pixels

SIZE = 192
PERSON = "chen"
"""Whose face it is, of `samples.PEOPLE`."""

INTENSITY = 4.5
_TINT = np.array([20, 190, 180], np.float32)
_STRENGTH = 0.42
_FROM, _TO = 0.3, 0.75  # shares of the largest movement between which the tint sets in


def file_name(number: int) -> str:
    """Name of a unit's picture."""
    return f"au{number:02d}.webp"


def draw(renderer: Renderer, number: int, size: int = SIZE) -> Pixels:
    """The picture of one unit (size, size, 3): both sides at `INTENSITY`, where it acts tinted.

    Args:
        renderer: Renders the face.
        number: FACS number, one of `facs.ACTION_UNITS`.
        size: Pixels on a side.
    """
    scene = _frontal(scene_of([name for name, _ in PEOPLE].index(PERSON))[1])
    key = ACTION_UNITS[number].key
    image = renderer.render(replace(scene, aus=to_slots({key: INTENSITY})), size)
    region = _region(renderer, scene, key, size)
    share = _STRENGTH * np.clip((region - _FROM) / (_TO - _FROM), 0, 1)[..., None]
    tinted: Pixels = (image * (1 - share) + _TINT * share).round().astype(np.uint8)
    return tinted


def _frontal(scene: Scene) -> Scene:
    """The scene as the regions have it: from the front, in the middle."""
    return replace(scene, pose=Pose(), camera=Camera())


def _region(renderer: Renderer, scene: Scene, key: str, size: int) -> Floats:
    person = renderer.head.identity_points(scene.identity.shape)
    slots = slots_of(key)
    regions = [au_region(renderer.head, slot, size, person=person) for slot in slots]
    return np.asarray(np.maximum.reduce(regions), np.float32)


def write(
    folder: Path, *, pack: Path | None = None, tell: Callable[[Path], None] = lambda path: None
) -> None:
    """Draw all units into a folder.

    Raises:
        RequestError: The folder cannot be written.
        PackError: There is no data pack.
    """
    if not folder.is_dir():
        raise RequestError("is no folder", field=str(folder), allowed="an existing folder")
    renderer = Renderer.load(pack)
    for number in ACTION_UNITS:
        buffer = io.BytesIO()
        Image.fromarray(draw(renderer, number)).save(buffer, "WEBP", quality=80, method=6)
        write_whole(folder / file_name(number), buffer.getvalue())
        tell(folder / file_name(number))
