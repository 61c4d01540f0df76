"""What belongs to one person and serves all their pictures: neutral mesh, hair, brows, beard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.derive import Array
from synfer_core.facekit.facial_hair import Beard, Brows, grow_beard, grow_brows
from synfer_core.facekit.hair import Groom, fit_to_person, groom
from synfer_core.facekit.head import FACE, HeadModel
from synfer_core.facekit.identity import Identity, identity_code
from synfer_core.facekit.kept import Kept
from synfer_core.facekit.lids import SIDES, FittedLids, Lids
from synfer_core.facekit.raster import vertex_normals

Floats = NDArray[np.float32]
_IRIS_RADIUS = 0.53  # cm on the eyeball; the cornea shows it as 1.15 cm wide (Rufer et al., 2005)
_LID_OVERLAP = 0.02  # cm by which closed lids overlap


@dataclass(frozen=True, eq=False)
class Person:
    """Cached per identity and level of detail.

    Attributes:
        points, normals: Neutral mesh (n, 3).
        lid_scale: Factor on the blink shapes, so that lids meet (``_L``, ``_R``).
        lids: Left and right lids, fitted to the eyeballs.
        rest_gap: Lip gap of the neutral face, cm.
        eye_centres: Left and right (2, 3).
        iris_sine: Radius of the iris as the sine of its angle at the eye's centre.
    """

    points: Floats
    normals: Floats
    lid_scale: Mapping[str, float]
    lids: tuple[FittedLids, ...]
    rest_gap: float
    eye_centres: Floats
    iris_sine: float
    hair: Groom | None
    brows: Brows
    beard: Beard | None

    @classmethod
    def build(
        cls,
        head: HeadModel,
        lids: Sequence[Lids],
        derived: Mapping[str, Array],
        identity: Identity,
        detail: float,
    ) -> Person:
        """Deform the mesh to an identity and grow its hair."""
        points = head.identity_points(identity.shape)
        centres, radius = head.eyeballs(points)
        iris_sine = _IRIS_RADIUS / radius
        for eye in lids:
            FittedLids.build(head, eye, points).settle(points, iris_sine)
        normals = vertex_normals(points, head.triangles)
        face = head.triangles[head.part == FACE]
        hair = groom(identity.hair, derived, detail)
        if hair is not None:
            hair = replace(hair, points=fit_to_person(hair.points, head.rest, points, derived))
        return cls(
            points=points,
            normals=normals,
            lid_scale={side: _lid_scale(head, points, side) for side in SIDES},
            lids=tuple(FittedLids.build(head, eye, points) for eye in lids),
            rest_gap=head.lip_gap(points),
            eye_centres=centres,
            iris_sine=iris_sine,
            hair=hair,
            brows=grow_brows(identity, derived, face, detail),
            beard=grow_beard(identity, derived, face, (points, normals), detail),
        )


def _lid_scale(head: HeadModel, points: Floats, side: str) -> float:
    """Blink shapes are generic: scaled to the person's own opening, lids neither gap nor cross."""
    opening = head.lid_opening(points, side) + _LID_OVERLAP
    return float(np.clip(opening / head.lid_travel(side), 0.75, 1.4))


class People:
    """The last few persons used, by identity and detail: pictures of one person come in runs."""

    def __init__(self, head: HeadModel, derived: Mapping[str, Array], keep: int = 4):
        self._head, self._derived = head, derived
        self._lids = [Lids.build(head, derived["lash"], eye) for eye in range(len(SIDES))]
        self._kept: Kept[tuple[int, bytes, float], Person] = Kept(keep)

    def get(self, identity: Identity, detail: float) -> Person:
        """The person of an identity, kept or built."""
        key = (identity.seed, identity_code(identity).tobytes(), detail)
        return self._kept.get(
            key, lambda: Person.build(self._head, self._lids, self._derived, identity, detail)
        )

    def forget(self) -> None:
        """Keep nobody."""
        self._kept.clear()
