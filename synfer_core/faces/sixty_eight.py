"""The 68 points of the iBUG scheme among MediaPipe's 478.

The scheme is that of Sagonas et al., 300 Faces in-the-Wild Challenge, 2013
(https://doi.org/10.1109/ICCVW.2013.59): jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67,
each from the image's left. OpenFace and py-feat write these points. MediaPipe has no point that
was trained as one of them: each is the nearest of its mesh. ``python -m
synfer_core.faces.sixty_eight`` measures how near, on renders whose points are known.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
from numpy.typing import NDArray

COUNT = 68

_JAW = (127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
_INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)

INDICES: tuple[int, ...] = (*_JAW, *_BROWS, *_NOSE, *_EYES, *_LIPS, *_INNER_LIPS)
"""MediaPipe's index of each point."""

PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
"""The points of each part of the face."""

_EYE_CORNERS = (36, 45)


def sixty_eight(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 68 points (68, 2) among MediaPipe's (478, 2), in the same pixels."""
    return points[list(INDICES)]


def mean_error(found: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """By part: mean distance of (68, 2) points from the true ones, as a share of the distance
    between the outer corners of the eyes.
    """
    across = float(np.hypot(*(truth[_EYE_CORNERS[1]] - truth[_EYE_CORNERS[0]])))
    distances = np.hypot(*(found - truth).T) / across
    return {name: float(distances[part].mean()) for name, part in PARTS.items()}


def measure(count: int, size: int = 256) -> dict[str, float]:
    """`mean_error` over renders of `count` test identities whose faces MediaPipe finds."""
    from synfer_core.facekit import Renderer, sample_scene, split_of
    from synfer_core.faces.landmarks import Landmarker

    renderer, landmarker = Renderer.load(), Landmarker.load()
    people = (identity for identity in itertools.count() if split_of(identity) == "test")
    errors = []
    for identity in itertools.islice(people, count):
        scene = sample_scene(np.random.default_rng(identity), identity=identity)
        faces = landmarker.detect(renderer.render(scene, size))
        if faces:
            found = sixty_eight(faces[0].points)
            errors.append(mean_error(found, renderer.landmarks(scene, size)))
    return {name: float(np.mean([error[name] for error in errors])) for name in PARTS}


def main() -> None:
    """Print the error of each part of the face."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=100, help="people (%(default)s)")
    for name, error in measure(parser.parse_args().identities).items():
        print(f"{name}: {100 * error:.1f} % of the distance between the outer corners of the eyes")


if __name__ == "__main__":
    main()
