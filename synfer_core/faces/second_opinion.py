"""MediaPipe's reading of a face, to stand beside the AU reader's, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from synfer_core.errors import DependencyError, WeightsError
from synfer_core.faces.blendshapes import read_aus
from synfer_core.faces.landmarks import Face, explain, shared_landmarker
from synfer_core.report import AUReading, Pixels


@dataclass(frozen=True)
class SecondOpinion:
    """What MediaPipe says of one image.

    Attributes:
        reading: Intensities of the units that one image is enough for; None where there are none.
        why: One plain sentence that says why there are none, else empty.
        remedy: One that says what would bring them, where something would.
        face: The face they were read off, its points in the image's pixels.
    """

    reading: AUReading | None
    why: str = ""
    remedy: str = ""
    face: Face | None = None


PENDING = SecondOpinion(None, "MediaPipe is reading this face.")
NO_FACE = SecondOpinion(None, "MediaPipe finds no face in this picture.")


def second_opinion(image: Pixels, patience: float | None = None) -> SecondOpinion:
    """Read the largest face in an image (H, W, 3) with the process's one landmarker.

    Never raises for MediaPipe's sake: what is missing is said in the answer.

    Args:
        image: The face.
        patience: Seconds to wait while MediaPipe is loaded the first time; None waits to the end.
    """
    try:
        faces = shared_landmarker(patience).detect(image)
    except (DependencyError, WeightsError) as error:
        return SecondOpinion(None, *explain(error))
    return SecondOpinion(read_aus(faces[0]), face=faces[0]) if faces else NO_FACE
