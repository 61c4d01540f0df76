"""Who reads expressions off the images of a set beside FERAnno, and what they read.

- AU rules: the prototype nearest to the units that the AU reader measured (`au_rules`).
- Vote: FERAnno and the experts of the weights' panel together (`synfer_core.panel`).
- MediaPipe: the prototype nearest to the units that MediaPipe's blendshapes tell against the same
  person's neutral image (`faces.blendshapes`, `au_rules`). Units that it cannot tell count as
  absent from the prototypes too.

Every image is read as it was made, before treatment, and by each reader once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from synfer_core.faces.blendshapes import read_aus, reader_name
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, slots_of
from synfer_core.models import au_rules
from synfer_core.stimuli.align import Detect
from synfer_core.stimuli.store import Made

if TYPE_CHECKING:
    from synfer_core.faces.landmarks import Face
    from synfer_core.panel import Panel

TITLES: Mapping[str, str] = {
    "feranno": "FERAnno",
    "au_rules": "AU rules",
    "vote": "Vote of FERAnno and experts",
    "mediapipe": "MediaPipe",
}
"""Readers by their names in tables; FERAnno's reading comes with the image."""


@dataclass(frozen=True)
class Opinions:
    """Reads expressions off the images of a set.

    Attributes:
        panel: The experts and their weights; None where nobody was weighed.
        detect: MediaPipe; None where it is not here.
        missing: By reader why it does not read, in plain words.
    """

    panel: Panel | None = None
    detect: Detect | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def face(self, neutral: Made) -> Face | None:
        """A person's neutral face as MediaPipe sees it; None where it sees none."""
        found = self.detect(neutral.image) if self.detect else ()
        return found[0] if found else None

    def read(self, made: Made, neutral: Face | None) -> dict[str, str]:
        """By reader the expression that it reads; without those that read none.

        Args:
            made: The image.
            neutral: From `face`, of the same person.

        Raises:
            ModelError: An expert answers with what is no distribution.
        """
        read: dict[str, str] = {}
        if made.probabilities:
            read["feranno"] = max(made.probabilities, key=lambda name: made.probabilities[name])
        if made.aus:
            read["au_rules"] = _named(au_rules.probabilities(_slots(made.aus)))
        if self.panel is not None:
            read["vote"] = _named(self._vote(self.panel, made))
        if self.detect is not None and neutral is not None:
            found = self.detect(made.image)
            if found:
                aus = read_aus(found[0], neutral).aus
                seen = au_rules.slots_seen(aus)
                read["mediapipe"] = _named(au_rules.probabilities(_slots(aus), seen))
        return read

    def versions(self, made: Made) -> dict[str, str]:
        """By reader, which one it is and its version."""
        told = {"feranno": made.label_reader, "au_rules": made.au_reader}
        if self.panel is not None:
            told["vote"] = " + ".join(self.panel.experts)
        if self.detect is not None:
            told["mediapipe"] = reader_name()
        return {name: version for name, version in told.items() if version}

    def _vote(self, panel: Panel, made: Made) -> np.ndarray[tuple[int, int], np.dtype[np.floating]]:
        known = {}
        if made.probabilities:
            known["feranno"] = np.array([[made.probabilities[name] for name in EXPRESSIONS]])
        if made.aus:
            known["au-rules"] = au_rules.probabilities(_slots(made.aus))
        asked = panel.ask(made.image[None], known, panel.free(None))
        return panel.ballot.all.together(asked)


def _slots(aus: Mapping[str, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(1, 36) intensities by slot."""
    named = {slot: value for key, value in aus.items() for slot in slots_of(key)}
    return np.array([[named.get(slot, 0.0) for slot in AU_SLOTS]])


def _named(probabilities: np.ndarray[tuple[int, int], np.dtype[np.floating]]) -> str:
    return EXPRESSIONS[int(probabilities[0].argmax())]
