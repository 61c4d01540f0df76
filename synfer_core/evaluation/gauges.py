"""The gauges of `synfer eval control`: readers that took no part in generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from synfer_core.decoding import to_tensor
from synfer_core.evaluation import first_light
from synfer_core.evaluation.control_plan import UNITS
from synfer_core.faces.blendshapes import GAUGES, JAW_DROP, read_aus
from synfer_core.faces.landmarks import Face, shared_landmarker
from synfer_core.facs import ACTION_UNITS, AU_SLOTS, slots_of
from synfer_core.models import classifier
from synfer_core.models.attributes import AttributeReader
from synfer_core.models.checkpoints import file_sha256
from synfer_core.models.identity_reader import IdentityReader
from synfer_core.report import Pixels

Images = NDArray[np.uint8]
Floats = NDArray[np.float64]
Read = Callable[[Images], NDArray[np.float32]]

MEDIAPIPE_UNITS: tuple[str, ...] = tuple(
    key
    for key in UNITS
    if key in {f"AU{n}" for n in JAW_DROP} | {ACTION_UNITS[g.number].key for g in GAUGES}
)
"""Units that MediaPipe's scores can tell."""
MEDIAPIPE_WEAK: frozenset[str] = frozenset(ACTION_UNITS[g.number].key for g in GAUGES if g.weak)
_BATCH = 32


@dataclass(frozen=True)
class Gauges:
    """Readers as functions of images (N, S, S, 3).

    Attributes:
        aus: Intensities (N, 36) in 0-5, `facs.AU_SLOTS` order.
        judges: By name: probabilities (N, 8) of the expressions.
        detect: The faces MediaPipe finds in one image.
        identity: Standardised identity codes (N, code); None where there is no reader.
        attributes: By attribute, probabilities (N, classes); None where there is no judge.
        sha256: SHA-256 of each weight file, by name.
    """

    aus: Read
    judges: Mapping[str, Read]
    detect: Callable[[Pixels], Sequence[Face]]
    identity: Read | None
    attributes: Callable[[Images], Mapping[str, NDArray[np.float32]]] | None
    sha256: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path, judges: Path | None = None, au_reader: Path | None = None) -> Self:
        """The readers in a folder of weights; identity reader and attribute judge may be absent.

        Args:
            folder: Holds the weights.
            judges: Where the judges are, if not there.
            au_reader: Another AU reader.

        Raises:
            WeightsError: AU reader or judges are missing, or a file is damaged.
            DependencyError: MediaPipe is missing.
        """
        nets = first_light.load_judges(judges or folder)
        units = au_reader or folder / "au-reader.safetensors"
        reader, _ = classifier.load(units, "au-reader")
        person, looks = folder / "identity.safetensors", folder / "attributes.safetensors"
        paths = [units, *sorted((judges or folder).glob("judge-*"))]
        paths += [path for path in (person, looks) if path.exists()]
        return cls(
            aus=partial(classifier.intensities, reader),
            judges={name: partial(classifier.probabilities, net) for name, net in nets.items()},
            detect=shared_landmarker().detect,
            identity=partial(codes, IdentityReader.load(person)) if person.exists() else None,
            attributes=AttributeReader.load(looks).read if looks.exists() else None,
            sha256={path.stem: file_sha256(path) for path in paths},
        )


@torch.no_grad()
def codes(reader: IdentityReader, images: Images) -> NDArray[np.float32]:
    """Identity codes (N, code) of images, as deviations from the mean person."""
    starts = range(0, len(images), _BATCH)
    parts = [reader.normal(to_tensor(images[i : i + _BATCH])).numpy() for i in starts]
    return np.concatenate(parts)


_SLOTS = [[AU_SLOTS.index(slot) for slot in slots_of(key)] for key in UNITS]


def both_sides(slots: NDArray[np.float32]) -> Floats:
    """(N, 22) intensities by unit of (N, 36) by slot: the mean of the sides."""
    values = slots.astype(np.float64)
    return np.stack([values[:, places].mean(1) for places in _SLOTS], axis=1)


def mediapipe_units(face: Face, neutral: Face) -> Floats:
    """Intensities of `MEDIAPIPE_UNITS` against the same person's neutral face, sides averaged."""
    read = read_aus(face, neutral).aus
    return np.array([_mean(read, key) for key in MEDIAPIPE_UNITS])


def _mean(read: Mapping[str, float], key: str) -> float:
    if key in read:
        return read[key]
    return float(np.mean([read[slot] for slot in slots_of(key)]))
