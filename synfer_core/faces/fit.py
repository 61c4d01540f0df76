"""Fit the table of `synfer_core.faces.blendshapes`, and the crop of `synfer_core.faces.align`.

``python -m synfer_core.faces.fit`` renders people twice, with action units and without, in the same
pose and light. It fits on validation identities and prints correlations on test identities.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit import Renderer, sample_scene, split_of
from synfer_core.faces.align import READ_SIZE
from synfer_core.faces.blendshapes import CANDIDATES, JAW_DROP, JAW_SHAPE, Gauge
from synfer_core.faces.landmarks import Face, Landmarker
from synfer_core.facs import AU_SLOTS, MAX_INTENSITY

NEUTRAL = (0.0,) * len(AU_SLOTS)


@dataclass(frozen=True)
class Pair:
    """One person twice, and the intensities (0-5, by slot) of the first face."""

    face: Face
    neutral: Face
    aus: dict[str, float]

    def truth(self, key: str) -> float:
        """Intensity of an AU key; the mean of the sides for a both-sides key."""
        sides = (self.aus.get(key), self.aus.get(key.replace("AU", "AUL")),
                 self.aus.get(key.replace("AU", "AUR")))  # fmt: skip
        return float(np.mean([value for value in sides if value is not None]))


Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scores and true intensities."""


def render_pairs(
    renderer: Renderer, landmarker: Landmarker, split: str, count: int
) -> tuple[Pair, ...]:
    """Pairs of `count` identities of a split; fewer where a face is not found."""
    wanted = (identity for identity in itertools.count() if split_of(identity) == split)
    pairs = []
    for identity in itertools.islice(wanted, count):
        scene = sample_scene(np.random.default_rng(identity), identity=identity)
        scenes = (scene, replace(scene, aus=NEUTRAL, expression="neutral"))
        found = [landmarker.detect(renderer.render(s, READ_SIZE)) for s in scenes]
        if all(found):
            slots = dict(zip(AU_SLOTS, (v * MAX_INTENSITY for v in scene.aus), strict=True))
            pairs.append(Pair(found[0][0], found[1][0], slots))
    return tuple(pairs)


def points(gauge: Gauge, pairs: tuple[Pair, ...], *, paired: bool) -> Points:
    """Scores, or with `paired` differences from the neutral's, beside the truth; sides together."""
    scores, truths = [], []
    for key, shape in gauge.places:
        base = [pair.neutral.blendshapes[shape] if paired else 0.0 for pair in pairs]
        scores += [p.face.blendshapes[shape] - b for p, b in zip(pairs, base, strict=True)]
        truths += [pair.truth(key) for pair in pairs]
    return np.array(scores), np.array(truths)


def jaw_points(pairs: tuple[Pair, ...]) -> Points:
    """Scores of the jaw beside its true drop."""
    drops = [
        max(pair.truth(f"AU{n}") / MAX_INTENSITY * drop for n, drop in JAW_DROP.items())
        for pair in pairs
    ]
    return np.array([pair.face.blendshapes[JAW_SHAPE] for pair in pairs]), np.array(drops)


def fit(gauge: Gauge, train: tuple[Pair, ...], test: tuple[Pair, ...]) -> Gauge:
    """The gauge with its least-squares line and its correlation on other identities."""
    scores, truths = points(gauge, train, paired=not gauge.absolute)
    if gauge.absolute:
        gain, offset = (float(value) for value in np.polyfit(scores, truths, 1))
    else:
        gain, offset = float(scores @ truths / (scores @ scores)), 0.0
    r = correlation(points(gauge, test, paired=not gauge.absolute))
    return replace(gauge, gain=round(gain, 2), offset=round(offset, 2), r=round(r, 2))


def correlation(both: Points) -> float:
    """Pearson's r; 0 where one of them never moves."""
    return float(np.corrcoef(*both)[0, 1]) if min(np.ptp(values) for values in both) else 0.0


def print_crop(pairs: tuple[Pair, ...]) -> None:
    """Where the renders have eyes and mouth, as shares of the frame."""
    faces = [face for pair in pairs for face in (pair.face, pair.neutral)]
    marks = np.array([np.vstack([face.eyes, face.mouth]) for face in faces]) / READ_SIZE
    for name, values in zip(("left eye", "right eye", "mouth"), marks.swapaxes(0, 1), strict=True):
        (x, y), (dx, dy) = values.mean(axis=0), values.std(axis=0)
        print(f"{name:9}  x {x:.3f} (sd {dx:.3f})  y {y:.3f} (sd {dy:.3f})")


def main() -> None:
    """Fit and print, as lines that can be put into the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=400, help="of each split")
    count = parser.parse_args().identities
    renderer, landmarker = Renderer.load(), Landmarker.load()
    train, test = (render_pairs(renderer, landmarker, s, count) for s in ("val", "test"))
    print(f"faces found in both renders of {len(test)} of {count} test identities")
    for gauge in CANDIDATES:
        alone, against = (correlation(points(gauge, test, paired=p)) for p in (False, True))
        print(f"{fit(gauge, train, test)}  # alone {alone:.2f}, against neutral {against:.2f}")
    gain, offset = np.polyfit(*jaw_points(train), 1)
    jaw_r = correlation(jaw_points(test))
    print(f"JAW_GAIN, JAW_OFFSET, JAW_R = {gain:.3f}, {offset:.3f}, {jaw_r:.2f}")
    print_crop(train + test)


if __name__ == "__main__":
    main()
