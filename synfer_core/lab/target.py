"""Real faces that training on synthetic ones is brought near to, and by which means."""

from __future__ import annotations

from dataclasses import dataclass

from synfer_core.evaluation.features import Space
from synfer_core.lab import norms
from synfer_core.lab.align import Alignment, align, refuse_few
from synfer_core.lab.images import Faces
from synfer_core.lab.nets import Recogniser


@dataclass(frozen=True)
class Target:
    """What training is brought near to.

    Attributes:
        faces: Real ones; their labels are not looked at.
        space: Where distributions are compared, to weigh the synthetic faces (`lab.align`); None
            leaves them unweighted.
        norms: Whether the trained network takes its normalisation from the faces (`lab.norms`).

    Raises:
        DataError: There are fewer than ten faces.
    """

    faces: Faces
    space: Space | None = None
    norms: bool = True

    def __post_init__(self) -> None:
        refuse_few(self.faces)

    def weigh(self, synthetic: Faces, seed: int) -> Alignment | None:
        """The weights of synthetic faces, and what they do; None where none are wanted."""
        return align(synthetic, self.faces, self.space, seed=seed) if self.space else None

    def adapt(self, net: Recogniser) -> None:
        """Change a trained network where that is wanted."""
        if self.norms:
            norms.adapt(net, self.faces)

    def decides(self) -> list[object]:
        """All that an aligned training depends on beside its own data, settings and seed."""
        return [self.space.name if self.space else None, self.norms, self.faces.sha256()]
