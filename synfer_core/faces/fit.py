"""Fit the table of `synfer_core.faces.blendshapes` on renders with known intensities.

``python -m synfer_core.faces.fit DATA`` fits on the validation identities of a data set made by
``synfer facekit render`` and prints each unit with its correlation on the test identities.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synfer_core.faces import blendshapes
from synfer_core.faces.blendshapes import GAUGES, JAW_DROP, JAW_SHAPE, Gauge
from synfer_core.faces.landmarks import Landmarker
from synfer_core.facs import AU_SLOTS, EXPRESSIONS, MAX_INTENSITY
from synfer_core.training import dataset

NEUTRAL = EXPRESSIONS.index("neutral")


@dataclass(frozen=True)
class Scores:
    """Blendshape scores of N renders beside the truth.

    Attributes:
        shapes: Name to (N,) scores.
        aus: (N, 36) intensities 0-5, `facs.AU_SLOTS` order.
        neutral: (N,) row of the same identity's neutral render, or -1.
        asked: Renders in all; in ``asked - N`` no face was found.
    """

    shapes: dict[str, NDArray[np.float64]]
    aus: NDArray[np.float64]
    neutral: NDArray[np.int64]
    asked: int

    def truth(self, key: str) -> NDArray[np.float64]:
        """(N,) intensities of an AU key; the mean of the sides for a both-sides key."""
        slots = [key] if key in AU_SLOTS else [key.replace("AU", "AUL"), key.replace("AU", "AUR")]
        mean: NDArray[np.float64] = self.aus[:, [AU_SLOTS.index(s) for s in slots]].mean(axis=1)
        return mean

    def pairs(self, gauge: Gauge) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores (or differences from the neutral) and true intensities, both sides together."""
        rows = np.arange(len(self.aus))
        if not gauge.absolute:
            rows = rows[(self.neutral >= 0) & (self.neutral != rows)]
        scores, truths = [], []
        for key, shape in gauge.places:
            base = 0.0 if gauge.absolute else self.shapes[shape][self.neutral[rows]]
            scores.append(self.shapes[shape][rows] - base)
            truths.append(self.truth(key)[rows])
        return np.concatenate(scores), np.concatenate(truths)

    def jaw_pairs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores of the jaw and its true drop."""
        drops = [self.truth(f"AU{n}") / MAX_INTENSITY * drop for n, drop in JAW_DROP.items()]
        return self.shapes[JAW_SHAPE], np.maximum(*drops)


def measure(folder: Path, split: str, limit: int, landmarker: Landmarker) -> Scores:
    """Blendshape scores of the renders of one split."""
    faces = dataset.load(folder, split, limit=limit)
    found = [landmarker.detect(image) for image in faces.images]
    rows = np.array([row for row, hits in enumerate(found) if hits])
    names = found[rows[0]][0].blendshapes
    scores = {n: np.array([found[row][0].blendshapes[n] for row in rows]) for n in names}
    identities, expressions = faces.identities[rows], faces.expressions[rows]
    rest = {int(identities[i]): i for i in np.flatnonzero(expressions == NEUTRAL)}
    neutral = np.array([rest.get(int(identity), -1) for identity in identities])
    return Scores(scores, faces.aus[rows] * MAX_INTENSITY, neutral, len(faces))


def fit(gauge: Gauge, train: Scores, test: Scores) -> Gauge:
    """The gauge with its least-squares line and its correlation on other identities."""
    scores, truths = train.pairs(gauge)
    if gauge.absolute:
        gain, offset = (float(value) for value in np.polyfit(scores, truths, 1))
    else:
        gain, offset = float(scores @ truths / (scores @ scores)), 0.0
    r = float(np.corrcoef(*test.pairs(gauge))[0, 1])
    return replace(gauge, gain=round(gain, 2), offset=round(offset, 2), r=round(r, 2))


def main() -> None:
    """Fit and print, as lines that can be put into the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of a rendered data set")
    parser.add_argument("--limit", type=int, default=4000, help="images of each split")
    args = parser.parse_args()
    landmarker = Landmarker.load()
    train, test = (measure(args.data, s, args.limit, landmarker) for s in ("val", "test"))
    print(f"faces found in {len(test.aus)} of {test.asked} test renders")
    for gauge in GAUGES:
        print(fit(gauge, train, test))
    gain, offset = np.polyfit(*train.jaw_pairs(), 1)
    r = np.corrcoef(*test.jaw_pairs())[0, 1]
    print(f"JAW_GAIN, JAW_OFFSET, JAW_R = {gain:.3f}, {offset:.3f}, {r:.2f}")
    print(f"map {blendshapes.MAP_VERSION}: raise it when these lines differ from the table")


if __name__ == "__main__":
    main()
