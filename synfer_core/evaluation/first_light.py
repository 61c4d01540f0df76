"""First light: do the presets come out as faces that show their expression?

Seven expressions (not neutral) by preset times twelve identities make 84 images. MediaPipe says
whether there is a face; the judges, which took no part in generation, say what it expresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import WeightsError
from synfer_core.evaluation import pictures
from synfer_core.evaluation.confusion import by_name, confusion
from synfer_core.evaluation.estimates import Estimate, share
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facs import EXPRESSIONS, PROTOTYPES
from synfer_core.models import classifier
from synfer_core.models.classifier import Classifier
from synfer_core.report import Result
from synfer_core.request import Recipe
from synfer_core.synthesizer import Synthesizer

SHOWN = EXPRESSIONS[1:]
IDENTITIES = 12
FIRST_IDENTITY = 9_000_000_000
"""Seeds of the twelve people, from here on; no data set has been drawn with these."""


def recipes(backbone: str = "builtin", identities: int = IDENTITIES) -> list[Recipe]:
    """The images to make: for each person, the seven expressions under one noise seed."""
    return [
        Recipe(
            backbone=backbone,
            aus=dict(PROTOTYPES[expression]),
            expression=expression,
            seed=person,
            identity_seed=FIRST_IDENTITY + person,
        )
        for person in range(identities)
        for expression in SHOWN
    ]


def load_judges(folder: Path) -> dict[str, Classifier]:
    """The judges in a folder, by name: ``judge-<name>.safetensors``.

    Raises:
        WeightsError: There is none, or one is damaged.
    """
    paths = sorted(folder.glob("judge-*.safetensors"))
    if not paths:
        raise WeightsError("no judge here", field=str(folder), allowed="judge-*.safetensors")
    return {p.stem.removeprefix("judge-"): classifier.load(p, "judge")[0] for p in paths}


@dataclass(frozen=True)
class FirstLight:
    """What was made and what was seen in it; row i of every field is one image.

    Attributes:
        results: Images with their recipes and labels.
        found: (N,) whether MediaPipe finds a face.
        read: By judge: (N, 8) probabilities.
    """

    results: tuple[Result, ...]
    found: NDArray[np.bool_]
    read: Mapping[str, NDArray[np.float32]]

    @property
    def people(self) -> NDArray[np.int64]:
        """(N,) noise seed, one for each person."""
        return np.array([r.recipe.seed for r in self.results])

    @property
    def targets(self) -> NDArray[np.int64]:
        """(N,) the expression asked for, as an index."""
        names = [r.recipe.expression or "neutral" for r in self.results]
        return np.array([EXPRESSIONS.index(name) for name in names])

    def face_found(self) -> Estimate:
        """Share of images in which MediaPipe finds a face."""
        return share(self.people, self.found)

    def accuracy(self, judge: str) -> Estimate:
        """Share of images in which a judge reads the expression asked for."""
        return share(self.people, self.read[judge].argmax(1) == self.targets)

    def agreement(self) -> Estimate | None:
        """Share of images whose FERAnno label is the expression asked for; None without labels."""
        labels = [r.label.expression for r in self.results if r.label]
        if len(labels) < len(self.results):
            return None
        read = np.array([EXPRESSIONS.index(name) for name in labels])
        return share(self.people, read == self.targets)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        feranno = self.agreement()
        return {
            "images": len(self.results),
            "backbone": self.results[0].recipe.backbone,
            "weights_sha256": self.results[0].recipe.weights_sha256,
            "face_found": self.face_found().to_dict(),
            "judges": {name: self._judged(name) for name in self.read},
            "feranno": feranno.to_dict() if feranno else None,
        }

    def _judged(self, judge: str) -> dict[str, Any]:
        table = confusion(self.targets, self.read[judge].argmax(1))
        return {
            "accuracy": self.accuracy(judge).to_dict(),
            "confusion": by_name(table),
        }

    def sheet(self) -> bytes:
        """People by expressions as JPEG; frames and words say what the judges read on average."""
        mean = np.mean(list(self.read.values()), axis=0)
        marks = [
            (int(row.argmax()) == target, f"{EXPRESSIONS[row.argmax()]} {row.max():.2f}")
            for row, target in zip(mean, self.targets, strict=True)
        ]
        starts = range(0, len(self.results), len(SHOWN))
        images = [r.image for r in self.results]
        return contact_sheet(
            [images[i : i + len(SHOWN)] for i in starts],
            row_names=[f"person {self.people[i]}" for i in starts],
            column_names=SHOWN,
            marks=[marks[i : i + len(SHOWN)] for i in starts],
        )


def measure(
    synthesizer: Synthesizer,
    judges: Mapping[str, Classifier],
    detect: Callable[[NDArray[np.uint8]], Sized],
    wanted: list[Recipe],
    *,
    tell: Callable[[int, int], None],
) -> FirstLight:
    """Make the images and look at them.

    Args:
        synthesizer: The model under test.
        judges: By name; none took part in generation.
        detect: Finds the faces in an image, such as `Landmarker.detect`.
        wanted: From `recipes`.
        tell: Called with images done and in all.
    """
    results = []
    for recipe in wanted:
        results.append(pictures.result(synthesizer, recipe))
        tell(len(results), len(wanted))
    images = np.stack([r.image for r in results])
    return FirstLight(
        results=tuple(results),
        found=np.array([len(detect(image)) > 0 for image in images]),
        read={name: classifier.probabilities(net, images) for name, net in judges.items()},
    )
