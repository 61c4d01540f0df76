"""Annotation: what the readers say of a face. FERAnno's label, AUs, and where they looked.

Where a label is given, FERAnno and the experts vote on it. A folder of weights that is still being
trained may lack a reader; what it would have said is then left out and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from synfer_core.errors import DependencyError, StaleError
from synfer_core.facs import AU_SLOTS, Expression
from synfer_core.models import au_rules, classifier
from synfer_core.models.classifier import Classifier
from synfer_core.models.identity_reader import IdentityReader
from synfer_core.report import AttentionMaps, AUReading, Label, Pixels, Verdict

if TYPE_CHECKING:
    from synfer_core.calibration import FERAnnoReader
    from synfer_core.models.feranno import Readable
    from synfer_core.panel import Panel
    from synfer_core.voting import Asked

_NO_LABEL = "This model has no FERAnno yet, so there is no label."
_NO_AUS = "This model has no AU reader yet, so no AUs are measured."
_NO_PANEL = "There is no verdict on the label: nobody has been weighed (synfer experts fit)."
_ALL_GUIDED = "There is no verdict on the label: the only expert guided this image."


@dataclass(frozen=True)
class Readings:
    """What the readers say of one face."""

    label: Label | None
    aus: tuple[AUReading, ...]
    attention: AttentionMaps
    notes: tuple[str, ...]
    identity_code: tuple[float, ...] | None
    verdict: Verdict | None = None


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
        panel: Votes on labels; None if nobody has been weighed, or not those who are here.
        no_panel: Why there is no panel, in plain words.
    """

    feranno: FERAnnoReader | None
    au_reader: AUReader | None
    identity: IdentityReader | None
    panel: Panel | None = None
    no_panel: str = _NO_PANEL

    @classmethod
    def load(cls, folder: Path, model: Readable) -> Self:
        """Read the readers that a folder of weights has.

        Raises:
            WeightsError: A weight file is damaged.
        """
        aus, person = folder / "au-reader.safetensors", folder / "identity.safetensors"
        feranno = _load_feranno(folder / "feranno.safetensors", model)
        reader = AUReader.load(aus) if aus.exists() else None
        identity = IdentityReader.load(person) if person.exists() else None
        return cls(feranno, reader, identity, *_load_panel(folder, feranno, reader))

    def read(
        self,
        image: Pixels,
        given: Expression | None = None,
        guided_by: str | None = None,
        own: tuple[Label, AttentionMaps] | None = None,
    ) -> Readings:
        """Label, AUs and attention of one face (S, S, 3), and the verdict on a label.

        Args:
            image: The face.
            given: The label to vote on, if any.
            guided_by: Hash of the classifier that guided the image: it has no vote.
            own: What FERAnno of another model's features read, which then is the label.

        Raises:
            ModelError: An expert answers with what is no distribution.
        """
        read = self.feranno.read(image) if own is None and self.feranno else None
        label, attention = own or read or (None, AttentionMaps())
        notes = [] if label else [_NO_LABEL]
        if not self.au_reader:
            notes.append(_NO_AUS)
        aus = (self.au_reader.read(image),) if self.au_reader else ()
        code = self.identity.read(image) if self.identity else None
        verdict = None
        if given is not None:
            # The panel weighed the built-in FERAnno: no other speaks for it.
            known = _known(read[0] if read else None, aus)
            verdict, note = self._vote(image, given, known, guided_by)
            notes += note
        return Readings(label, aus, attention, tuple(notes), code, verdict)

    def _vote(
        self, image: Pixels, given: Expression, known: Asked, guided_by: str | None
    ) -> tuple[Verdict | None, list[str]]:
        """The verdict, or why there is none."""
        if self.panel is None:
            return None, [self.no_panel]
        verdict = self.panel.verdict(image[None], given, known, guided_by)
        return verdict, [] if verdict else [_ALL_GUIDED]


def _known(label: Label | None, aus: tuple[AUReading, ...]) -> Asked:
    """What experts would say again of an image that has been read."""
    known = {}
    if label is not None:
        known["feranno"] = np.array([label.probabilities])
    for reading in aus:
        slots = np.array([[reading.aus[slot] for slot in AU_SLOTS]])
        known["au-rules"] = au_rules.probabilities(slots)
    return known


def _load_panel(
    folder: Path, feranno: FERAnnoReader | None, aus: AUReader | None
) -> tuple[Panel | None, str]:
    """The panel, or why there is none: making faces needs nobody's vote."""
    from synfer_core import panel
    from synfer_core.models import experts

    if not (folder / panel.FILE).exists():
        return None, _NO_PANEL
    shipped = experts.shipped(folder, feranno, aus.net if aus else None)
    try:
        return panel.Panel.load(folder, shipped), ""
    except (StaleError, DependencyError) as error:
        return None, f"There is no verdict on the label. {error}."


def _load_feranno(path: Path, model: Readable) -> FERAnnoReader | None:
    if not path.exists():
        return None
    from synfer_core.calibration import FERAnnoReader

    return FERAnnoReader.load(path, model)
