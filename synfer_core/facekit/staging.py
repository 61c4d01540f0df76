"""What all expressions of one person in one scene share: view, hair in its light, background.

Nothing in here depends on the action units, so that a picture is the same whether its staging was
made for it or kept from another expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.camera import Gaze, View, gaze_of, rotation, view_of
from synfer_core.facekit.head import MOUTH_LANDMARKS, HeadModel
from synfer_core.facekit.lighting import HairShadows, light_hair
from synfer_core.facekit.person import Person
from synfer_core.facekit.postprocess import grain_of, paint_background
from synfer_core.facekit.scene import Scene, eye_centres
from synfer_core.facekit.strands import LitHair, PosedHair, hair_points, hiding_head

Floats = NDArray[np.float32]
_OF_THE_FACE = ("aus", "expression")


def key_of(scene: Scene, size: int) -> bytes:
    """What tells scenes apart but for the face's expression."""
    shared = [value for name, value in vars(scene).items() if name not in _OF_THE_FACE]
    digest = sha256()
    for part in _parts((size, *shared)):
        digest.update(part)
        digest.update(b"\0")
    return digest.digest()


def _parts(value: object) -> Iterator[bytes]:
    """The numbers and words of nested values, as bytes in order."""
    if is_dataclass(value):
        yield type(value).__name__.encode()
        for inner in vars(value).values():
            yield from _parts(inner)
    elif isinstance(value, tuple):
        yield str(len(value)).encode()
        for inner in value:
            yield from _parts(inner)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield value.tobytes()
    elif value is None or isinstance(value, bool | int | float | str | np.number):
        yield repr(value).encode()
    else:
        raise TypeError(f"a scene holds no {type(value).__name__}")


@dataclass(frozen=True, eq=False)
class Staging:
    """Kept per person and scene.

    Attributes:
        view, gaze: Camera, and where the eyes look.
        cloth: Offsets of the vertices under clothes, cm (n, 3).
        hair: Lit and sorted; None for a bald head.
        shadows: Those that hair throws.
        background: Linear RGB (size, size, 3).
        grain: The camera's noise (size, size, 3).
    """

    view: View
    gaze: Gaze
    cloth: Floats
    hair: LitHair | None
    shadows: HairShadows
    background: Floats
    grain: Floats

    @classmethod
    def build(
        cls, head: HeadModel, person: Person, scene: Scene, size: int, supersample: int
    ) -> Staging:
        """Stage a scene for pictures of `size` pixels that are drawn `supersample` times larger."""
        view = view_of_person(head, person, scene, size * supersample)
        cloth = _cloth_thickness(head, person, scene)
        neutral = view.pose(person.points + cloth)
        hair = points = hiding = None
        if person.hair is not None:
            hiding = hiding_head(head, neutral, view)
            hair = PosedHair.of(person.hair, view, hiding)
            points = hair_points(hair)
        shadows = HairShadows.cast(scene.lighting, points)
        lit = None
        if hair is not None and points is not None and hiding is not None:
            light = light_hair(head, neutral, points, shadows)
            lit = LitHair.of(scene, hair, light, view, hiding)
        return cls(
            view=view,
            gaze=gaze_of_person(person, scene),
            cloth=cloth,
            hair=lit,
            shadows=shadows,
            background=paint_background(scene.background, size),
            grain=grain_of(scene.look, size),
        )


def view_of_person(head: HeadModel, person: Person, scene: Scene, size: int) -> View:
    """The scene's view of a person in buffers of that size."""
    mouth = head.rest[head.landmarks[MOUTH_LANDMARKS]].mean(0)
    corners = eye_centres(person.points[head.landmarks])
    return view_of(scene.pose, scene.camera, person.eye_centres.mean(0), mouth, size, corners)


def gaze_of_person(person: Person, scene: Scene) -> Gaze:
    """Where the person looks in the scene."""
    return gaze_of(scene, rotation(scene.pose), person.eye_centres.mean(0))


def _cloth_thickness(head: HeadModel, person: Person, scene: Scene) -> Floats:
    neck, slope = scene.styling.neckline
    below = neck + slope * head.rest[:, 2] - head.rest[:, 1]
    thickness = np.clip(below / 0.35, 0, 1) * 0.38
    return np.asarray(person.normals * thickness[:, None], np.float32)
