"""Faces found with MediaPipe's Face Landmarker: 478 points and 52 blendshape scores each.

Method: Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs,
2019 (https://arxiv.org/abs/1907.06724); Grishchenko et al., Blendshapes GHUM, 2023
(https://arxiv.org/abs/2309.05782). The model file is Google's (Apache-2.0) and ships in
assets/mediapipe.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synfer_core.errors import DependencyError, NotReadyError, WeightsError
from synfer_core.files import ASSETS
from synfer_core.terminal import without_chatter

VARIABLE = "SYNFER_FACE_LANDMARKER"
"""Environment variable that names a model file in place of the one that ships."""

SHIPPED = ASSETS / "mediapipe" / "face_landmarker.task"
"""The model file that ships."""

MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
MODEL_BYTES = 3_758_596
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"

MAX_FACES = 8
DETECTION_SIDE = 256
"""Smaller images are enlarged to this before detection."""

SYSTEM_PACKAGES = "the package mediapipe with the Debian packages libegl1 and libgles2"

_LEFT_EYE, _RIGHT_EYE, _MOUTH = (33, 133), (362, 263), (61, 291)
"""Corner points, left and right as seen in the image."""


class HeadPose(NamedTuple):
    """Rotation of a head in degrees, with the signs of `facekit.scene.Pose`.

    Attributes:
        yaw: Positive to the subject's left.
        pitch: Positive upwards.
        roll: Positive where the subject's left eye is the higher one.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Face:
    """One face in an image.

    Attributes:
        points: (478, 2) float32, x and y in pixels of the image.
        blendshapes: ARKit-style name to score 0-1; left and right are the subject's.
        pose: Where the head points; None where it was not asked for.
    """

    points: NDArray[np.float32]
    blendshapes: Mapping[str, float]
    pose: HeadPose | None = None

    @property
    def area(self) -> float:
        """Area of the box around all points, in pixels."""
        width, height = np.ptp(self.points, axis=0)
        return float(width * height)

    @property
    def eyes(self) -> NDArray[np.float32]:
        """(2, 2): the centres between the corners of each eye, left in the image first."""
        return np.stack([self._centre(_LEFT_EYE), self._centre(_RIGHT_EYE)])

    @property
    def mouth(self) -> NDArray[np.float32]:
        """(2,): the centre between the corners of the mouth."""
        return self._centre(_MOUTH)

    def _centre(self, corners: tuple[int, int]) -> NDArray[np.float32]:
        centre: NDArray[np.float32] = self.points[list(corners)].mean(axis=0)
        return centre


class Landmarker:
    """Finds faces. Loading takes 0.1 s, an image about 10 ms; calls from several threads queue.

    Args:
        model: From `find_model`.

    Raises:
        DependencyError: MediaPipe or a system library it needs is missing.
    """

    def __init__(self, model: Path):
        # Closed by hand, and registered before MediaPipe's own exit hook so that it runs after it:
        # otherwise MediaPipe complains at exit of threads or modules that are gone.
        open_things = ExitStack()
        weakref.finalize(self, open_things.close)
        vision, options, self._image = _load_mediapipe(str(model))
        try:
            with without_chatter():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except RuntimeError as error:
            raise DependencyError(
                f"MediaPipe does not start: {error}", field="mediapipe", allowed=SYSTEM_PACKAGES
            ) from error
        open_things.enter_context(self._landmarker)

    @classmethod
    def load(cls) -> Self:
        """A landmarker with the model file of this machine."""
        return cls(find_model())

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """The faces in an image (H, W, 3), at most eight, the largest first."""
        height, width = image.shape[:2]
        found = self._landmarker.detect(self._image(_enlarged(image)))
        faces = [
            Face(
                _points(marks, width, height),
                {c.category_name: c.score for c in shapes},
                _pose(np.asarray(matrix, np.float64)),
            )
            for marks, shapes, matrix in zip(
                found.face_landmarks,
                found.face_blendshapes,
                found.facial_transformation_matrixes,
                strict=True,
            )
        ]
        return tuple(sorted(faces, key=lambda face: -face.area))


def _points(marks: Any, width: int, height: int) -> NDArray[np.float32]:
    return np.array([(mark.x * width, mark.y * height) for mark in marks], np.float32)


def _pose(matrix: NDArray[np.float64]) -> HeadPose:
    """Of the (4, 4) matrix that takes MediaPipe's canonical face to the one that is seen."""
    turn = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    angles = (
        np.arctan2(turn[0, 2], turn[2, 2]),
        np.arcsin(np.clip(turn[1, 2], -1, 1)),
        np.arctan2(turn[1, 0], turn[1, 1]),
    )
    return HeadPose(*(float(np.degrees(angle)) for angle in angles))


def _enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = DETECTION_SIDE / min(image.shape[:2])
    if factor <= 1:
        return np.ascontiguousarray(image)
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _load_mediapipe(model: str) -> tuple[Any, Any, Any]:
    """MediaPipe's vision module, options for the landmarker, and its image maker."""
    try:
        import mediapipe
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core import mediapipe_c_bindings

        mediapipe_c_bindings.load_raw_library()
    except (ImportError, OSError) as error:
        raise DependencyError(
            f"MediaPipe does not start: {error}",
            field="mediapipe",
            allowed=SYSTEM_PACKAGES,
        ) from error
    options = vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=model),
        num_faces=MAX_FACES,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )

    def image(pixels: NDArray[np.uint8]) -> Any:
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)

    return vision, options, image


@cache
def landmarker_name() -> str:
    """MediaPipe and its version, as readings carry it."""
    return f"mediapipe {version('mediapipe')}"


_ONE = threading.Lock()


_LEFT: list[object] = []
"""Landmarkers of the process that this one was forked from: closing them would wait for ever."""


@cache
def _loader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="synfer-mediapipe")


@cache
def _loading() -> Future[Landmarker]:
    """The one attempt of the process, under way in its own thread or over."""
    return _loader().submit(Landmarker.load)


def start_anew() -> None:
    """In a process that was forked off: load another landmarker when one is asked for."""
    if _loading.cache_info().currsize:
        _LEFT.extend((_loading(), _loader()))
    _loading.cache_clear()
    _loader.cache_clear()


def shared_landmarker(patience: float | None = None) -> Landmarker:
    """The one landmarker of the process, loaded once; a failure is remembered, not tried again.

    Args:
        patience: Seconds to wait while it is loaded; None waits to the end.
            The attempt goes on in the background.

    Raises:
        DependencyError: MediaPipe or a system library that it needs is missing.
        NotReadyError: Patience ran out first.
        WeightsError: The model file is not the expected one.
    """
    with _ONE:
        attempt = _loading()
    try:
        return attempt.result(patience)
    except TimeoutError as error:
        raise NotReadyError("MediaPipe is still being made ready", field=VARIABLE) from error


def explain(error: DependencyError | WeightsError) -> tuple[str, str]:
    """Why `shared_landmarker` gave none and what brings one, in plain sentences for a page.

    Neither names a path or repeats the system's own words: they are in the error and its cause.
    """
    if isinstance(error, NotReadyError):
        return "MediaPipe is still being made ready.", "Try again in a moment."
    if error.field != VARIABLE:
        return (
            "MediaPipe does not start on this machine.",
            "It needs the Debian packages libegl1 and libgles2: "
            "sudo apt-get install libegl1 libgles2.",
        )
    return (
        "MediaPipe's face model is damaged, or not the file that is needed.",
        f"To have it, download {MODEL_URL} (3.8 MB) and start the studio again with "
        f"{VARIABLE}=/path/to/face_landmarker.task.",
    )


def find_model() -> Path:
    """The model file: the one that ``SYNFER_FACE_LANDMARKER`` names, else the one that ships.

    Raises:
        WeightsError: The file is missing, cut short or another model.
    """
    named = os.environ.get(VARIABLE)
    return _checked(Path(named) if named else SHIPPED)


def _checked(path: Path) -> Path:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read {path}: {error.strerror}", field=VARIABLE, allowed="face_landmarker.task"
        ) from error
    _check(data, str(path))
    return path


def _check(data: bytes, source: str) -> None:
    if len(data) != MODEL_BYTES or hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise WeightsError(
            f"{source} is not the expected model",
            field=VARIABLE,
            allowed=f"{MODEL_BYTES:,} bytes with SHA-256 {MODEL_SHA256}",
        )
