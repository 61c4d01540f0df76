"""The table of annotations: one row an image, in three styles of columns.

``synfer`` has all that the readers say. ``openface`` follows the CSV of OpenFace 2.2 (Baltrusaitis
et al. 2018, https://doi.org/10.1109/FG.2018.00019; header as its FeatureExtraction writes it) and
``pyfeat`` that of py-feat 0.6 (Cheong et al. 2023, https://doi.org/10.1007/s42761-023-00191-4;
`Detector.info["output_columns"]`), so that scripts made for those read them. Columns that nobody
here can fill stay empty where others of their kind are there (AU11) and are left out where none
is: gaze, pose and points in space. Each row names its readers in columns at its end, which those
programs lack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from synfer_core import tables
from synfer_core.annotations.reading import Failed, Outcome, Read
from synfer_core.errors import SynferError
from synfer_core.faces.blendshapes import ALONE
from synfer_core.faces.landmarks import Face, landmarker_name
from synfer_core.faces.sixty_eight import COUNT, sixty_eight
from synfer_core.facs import ACTION_UNITS, AU_SLOTS, EXPRESSIONS, MAX_INTENSITY, format_facs

PRESENT = 1.0
"""Intensity (A) from which on a unit counts as present in OpenFace's ``AU12_c``."""

OPENFACE_INTENSITIES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
OPENFACE_PRESENCES = (*OPENFACE_INTENSITIES[:-1], 28, 45)
PYFEAT_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
PYFEAT_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

_CLOSED_EYES = 43
_POINTS = tuple(f"{axis}_{i}" for axis in "xy" for i in range(COUNT))
_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
_MEDIAPIPE_KEYS = tuple(
    key
    for number in ALONE
    for key in (
        (f"AUL{number}", f"AUR{number}")
        if ACTION_UNITS[number].sided
        else (ACTION_UNITS[number].key,)
    )
)

Cell = str | int | float | None
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Style:
    """How a table is laid out.

    Attributes:
        title: For people.
        columns: In their order.
        read: The cells of an image that was read, apart from its number.
        failed: Those of one that was not.
        number: The column of its number from 1, if it has one.
    """

    title: str
    columns: tuple[str, ...]
    read: Callable[[Read], Row]
    failed: Callable[[Failed], Row]
    number: str | None = None

    def row(self, number: int, outcome: Outcome) -> Row:
        """The row of one image; what is not known is left out.

        Args:
            number: Its place among the images, from 1.
            outcome: What became of it.
        """
        cells = self.read(outcome) if isinstance(outcome, Read) else self.failed(outcome)
        known = {name: value for name, value in cells.items() if value is not None}
        return {self.number: number, **known} if self.number else known


class Writer:
    """Writes a table row by row.

    Args:
        file: Text file to write to, opened with ``newline=""``.
        style: How it is laid out.
    """

    def __init__(self, file: IO[str], style: Style):
        self._style, self._count = style, 0
        self._csv = tables.Writer(file, style.columns)
        self._csv.writeheader()

    def write(self, outcome: Outcome) -> None:
        """Write the next image's row."""
        self._count += 1
        self._csv.writerow(self._style.row(self._count, outcome))


def _own(read: Read) -> Row:
    label, verdict, aus = read.annotation.label, read.annotation.verdict, read.aus
    return {
        "file": read.file,
        "ok": 1,
        "label": label.expression if label else None,
        "confidence": round(label.confidence, 4) if label else None,
        **_chances(read, "p_"),
        "said": read.said,
        "verdict": verdict.status if verdict else None,
        "verdict_label": verdict.label if verdict else None,
        "verdict_confidence": round(verdict.confidence, 4) if verdict else None,
        "facs": format_facs(aus.aus) if aus else None,
        **({key: round(value, 2) for key, value in aus.aus.items()} if aus else {}),
        **_mediapipe(read),
        **_box(read.face, ("face_x", "face_y", "face_width", "face_height")),
        "notes": " ".join(read.annotation.notes),
        **_readers(read),
    }


def _own_failed(failed: Failed) -> Row:
    return {"file": failed.file, "ok": 0, "error": _why(failed)}


def _why(failed: Failed) -> str:
    """The reason without the file's name, which has a column of its own."""
    return str(SynferError(failed.error.message, allowed=failed.error.allowed))


def _mediapipe(read: Read) -> Row:
    aus = read.opinion.reading.aus if read.opinion.reading else {}
    return {f"mediapipe_{key}": round(aus[key], 2) for key in _MEDIAPIPE_KEYS if key in aus}


def _openface(read: Read) -> Row:
    readings = {f"AU{number:02d}_r": _both(read, number) for number in OPENFACE_INTENSITIES}
    values = {number: _both(read, number) for number in OPENFACE_PRESENCES}
    return {
        "face_id": 0,
        "success": 1,
        **_points(read.face),
        **readings,
        **{f"AU{n:02d}_c": None if v is None else int(v >= PRESENT) for n, v in values.items()},
        "file": read.file,
        **_readers(read, "au_reader", "landmark_reader"),
    }


def _openface_failed(failed: Failed) -> Row:
    return {"face_id": 0, "success": 0, "file": failed.file, "error": _why(failed)}


def _pyfeat(read: Read) -> Row:
    values = {number: _both(read, number) for number in PYFEAT_UNITS}
    return {
        **_box(read.face, _BOX),
        **_points(read.face),
        **{
            f"AU{n:02d}": None if v is None else round(v / MAX_INTENSITY, 4)
            for n, v in values.items()
        },
        **_chances(read, ""),
        "input": read.file,
        **_readers(read, "label_reader", "au_reader", "landmark_reader"),
    }


def _pyfeat_failed(failed: Failed) -> Row:
    return {"input": failed.file, "error": _why(failed)}


def _both(read: Read, number: int) -> float | None:
    """The AU reader's intensity of a unit, 0-5; 45 is 43, as in a still image."""
    if read.aus is None:
        return None
    value = read.aus.both(_CLOSED_EYES if number == 45 else number)
    return None if value is None else round(value, 2)


def _chances(read: Read, prefix: str) -> Row:
    label = read.annotation.label
    if label is None:
        return {}
    return {
        f"{prefix}{name}": round(p, 4)
        for name, p in zip(EXPRESSIONS, label.probabilities, strict=True)
    }


def _box(face: Face | None, names: tuple[str, ...]) -> Row:
    """The box around all points: left, top, width, height in pixels."""
    if face is None:
        return {}
    low = face.points.min(axis=0)
    values = (*low, *(face.points.max(axis=0) - low))
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}


def _points(face: Face | None) -> Row:
    if face is None:
        return {}
    values = sixty_eight(face.points).T.ravel()
    return {name: round(float(value), 1) for name, value in zip(_POINTS, values, strict=True)}


def _readers(read: Read, *only: str) -> Row:
    """Who made the row's figures."""
    label, aus, second = read.annotation.label, read.aus, read.opinion.reading
    names = {
        "label_reader": label.reader if label else None,
        "au_reader": aus.reader if aus else None,
        "mediapipe_reader": second.reader if second else None,
        "landmark_reader": landmarker_name() if read.face else None,
    }
    return {name: names[name] for name in only or names}


STYLES: Mapping[str, Style] = {
    "synfer": Style(
        "SynFER Studio",
        (
            *("file", "ok", "error", "label", "confidence", *(f"p_{n}" for n in EXPRESSIONS)),
            *("said", "verdict", "verdict_label", "verdict_confidence", "facs", *AU_SLOTS),
            *(f"mediapipe_{key}" for key in _MEDIAPIPE_KEYS),
            *("face_x", "face_y", "face_width", "face_height", "notes"),
            *("label_reader", "au_reader", "mediapipe_reader", "landmark_reader"),
        ),
        _own,
        _own_failed,
    ),
    "openface": Style(
        "OpenFace 2.2",
        (
            *("frame", "face_id", "timestamp", "confidence", "success", *_POINTS),
            *(f"AU{number:02d}_r" for number in OPENFACE_INTENSITIES),
            *(f"AU{number:02d}_c" for number in OPENFACE_PRESENCES),
            *("file", "error", "au_reader", "landmark_reader"),
        ),
        _openface,
        _openface_failed,
        number="frame",
    ),
    "pyfeat": Style(
        "py-feat",
        (
            *("frame", *_BOX, "FaceScore", *_POINTS),
            *(f"AU{number:02d}" for number in PYFEAT_UNITS),
            *(*PYFEAT_EMOTIONS, "input"),
            *("contempt", "error", "label_reader", "au_reader", "landmark_reader"),
        ),
        _pyfeat,
        _pyfeat_failed,
        number="frame",
    ),
}
"""By name: how tables can be laid out."""
