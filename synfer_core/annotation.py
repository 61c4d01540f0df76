"""Annotation: what the readers say of a face. FERAnno's label, AUs, and where they looked.

A folder of weights that is still being trained may lack a reader; what it would have said is then
left out and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from synfer_core.facs import AU_SLOTS
from synfer_core.models import classifier
from synfer_core.models.builtin import BuiltinModel
from synfer_core.models.classifier import Classifier
from synfer_core.models.identity_reader import IdentityReader
from synfer_core.report import AttentionMaps, AUReading, Label, Pixels

if TYPE_CHECKING:
    from synfer_core.calibration import FERAnnoReader

_NO_LABEL = "This model has no FERAnno yet, so there is no label."
_NO_AUS = "This model has no AU reader yet, so no AUs are measured."


@dataclass(frozen=True)
class Readings:
    """What the readers say of one face."""

    label: Label | None
    aus: tuple[AUReading, ...]
    attention: AttentionMaps
    notes: tuple[str, ...]
    identity_code: tuple[float, ...] | None


@dataclass(frozen=True)
class AUReader:
    """A network that measures AUs and took no part in generation.

    Attributes:
        net: The network.
        name: Its name and the start of its hash.
    """

    net: Classifier
    name: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read its weights.

        Raises:
            WeightsError: The file is missing or damaged.
        """
        net, sha256 = classifier.load(path, "au-reader")
        return cls(net, f"au-reader {sha256[:8]}")

    def read(self, image: Pixels) -> AUReading:
        """AUs of one face (S, S, 3) in the built-in model's crop."""
        values = classifier.intensities(self.net, image[None])[0]
        return AUReading(dict(zip(AU_SLOTS, map(float, values), strict=True)), self.name)


@dataclass(frozen=True)
class Annotator:
    """Reads faces that have the built-in model's crop and size.

    Attributes:
        feranno: Reads the label; None if its weights are not there.
        au_reader: Measures AUs; None if its weights are not there.
        identity: Reads who it is; None if its weights are not there.
    """

    feranno: FERAnnoReader | None
    au_reader: AUReader | None
    identity: IdentityReader | None

    @classmethod
    def load(cls, folder: Path, model: BuiltinModel) -> Self:
        """Read the readers that a folder of weights has.

        Raises:
            WeightsError: A weight file is damaged.
        """
        aus, person = folder / "au-reader.safetensors", folder / "identity.safetensors"
        return cls(
            _load_feranno(folder / "feranno.safetensors", model),
            AUReader.load(aus) if aus.exists() else None,
            IdentityReader.load(person) if person.exists() else None,
        )

    def read(self, image: Pixels) -> Readings:
        """Label, AUs and attention of one face (S, S, 3)."""
        label, attention, notes = None, AttentionMaps(), []
        if self.feranno:
            label, attention = self.feranno.read(image)
        else:
            notes.append(_NO_LABEL)
        if not self.au_reader:
            notes.append(_NO_AUS)
        aus = (self.au_reader.read(image),) if self.au_reader else ()
        code = self.identity.read(image) if self.identity else None
        return Readings(label, aus, attention, tuple(notes), code)


def _load_feranno(path: Path, model: BuiltinModel) -> FERAnnoReader | None:
    if not path.exists():
        return None
    from synfer_core.calibration import FERAnnoReader

    return FERAnnoReader.load(path, model)
