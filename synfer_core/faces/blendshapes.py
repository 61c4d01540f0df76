"""Action units read from MediaPipe's blendshapes: an outside check, where it can be trusted.

Each unit follows one blendshape (for 26 and 27 the same one) by a straight line fitted on renders
with known intensities: `synfer_core.faces.fit` makes the table. Some units can be read off a single
image; for more of them the score only means something against the same face's neutral image. Units
that are not in the table cannot be read this way where units are mixed: their scores move more with
other units than with them, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from synfer_core.faces.landmarks import Face, landmarker_name
from synfer_core.facs import ACTION_UNITS, MAX_INTENSITY
from synfer_core.report import AUReading

MAP_VERSION = 1
"""Raised when the table changes, so that readings say which one they were made with."""

WEAK_BELOW = 0.6
"""A unit whose correlation with the truth is lower than this is called weak."""

SIDES = {"L": "Left", "R": "Right"}


@dataclass(frozen=True)
class Gauge:
    """How one unit is read.

    Attributes:
        number: FACS number.
        shape: Blendshape, with ``*`` for the side where it has sides.
        absolute: Read off one image; else only against the same face's neutral.
        gain: Intensity (0-5) for a score of 1, or for a difference of 1 from the neutral's.
        offset: Intensity at score 0; 0 against a neutral.
        r: Correlation with the true intensity on the identities held out from the fit.
    """

    number: int
    shape: str
    absolute: bool
    gain: float = 0.0
    offset: float = 0.0
    r: float = 0.0

    @property
    def weak(self) -> bool:
        """Whether readings are to be taken with care."""
        return self.r < WEAK_BELOW

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """AU keys, each with its blendshape."""
        if "*" not in self.shape:
            return ((ACTION_UNITS[self.number].key, self.shape),)
        return tuple(
            (f"AU{side}{self.number}", self.shape.replace("*", word))
            for side, word in SIDES.items()
        )


GAUGES: tuple[Gauge, ...] = (
    Gauge(12, "mouthSmile*", absolute=True, gain=5.46, offset=0.05, r=0.88),
    Gauge(43, "eyeBlink*", absolute=True, gain=4.52, offset=-0.33, r=0.72),
    Gauge(10, "mouthUpperUp*", absolute=True, gain=4.14, offset=0.04, r=0.66),
    Gauge(1, "browInnerUp", absolute=False, gain=4.68, r=0.74),
    Gauge(2, "browOuterUp*", absolute=False, gain=5.24, r=0.72),
    Gauge(20, "mouthStretch*", absolute=False, gain=10.98, r=0.67),
    Gauge(5, "eyeWide*", absolute=False, gain=17.43, r=0.52),
    Gauge(18, "mouthPucker", absolute=False, gain=0.6, r=0.4),
    Gauge(14, "mouthDimple*", absolute=False, gain=5.34, r=0.38),
    Gauge(17, "mouthShrugLower", absolute=False, gain=2.11, r=0.36),
    Gauge(4, "browDown*", absolute=False, gain=4.83, r=0.35),
)
"""Fitted on 500 pairs of renders, correlations on 500 of other people: docs/reading-aus.md."""

CANDIDATES: tuple[Gauge, ...] = (
    *GAUGES,
    Gauge(7, "eyeSquint*", absolute=False),
    Gauge(22, "mouthFunnel", absolute=False),
    Gauge(28, "mouthRollLower", absolute=False),
    Gauge(6, "cheekSquint*", absolute=False),
    Gauge(9, "noseSneer*", absolute=False),
    Gauge(15, "mouthFrown*", absolute=False),
    Gauge(24, "mouthPress*", absolute=False),
)
"""What the fit tries; below a correlation of 0.3 a unit stays out of `GAUGES`."""

JAW_SHAPE = "jawOpen"
JAW_DROP = {26: 0.42, 27: 0.95}
"""How far the jaw drops at intensity 5 of each unit; 26 up to its maximum, beyond that 27."""
JAW_GAIN, JAW_OFFSET, JAW_R = 0.9, -0.011, 0.93


ALONE = tuple(sorted({gauge.number for gauge in GAUGES if gauge.absolute} | set(JAW_DROP)))
"""FACS numbers of the units that one image is enough for."""


def read_aus(face: Face, neutral: Face | None = None) -> AUReading:
    """Intensities 0-5 of the units that MediaPipe's scores can tell.

    Args:
        face: The face to read.
        neutral: The same person with a neutral expression, in like pose and light. Without it only
            the units in `ALONE` are read.
    """
    aus = _jaw(face.blendshapes[JAW_SHAPE])
    weak: set[str] = set()
    for gauge in GAUGES:
        if neutral is None and not gauge.absolute:
            continue
        for key, shape in gauge.places:
            base = 0.0 if gauge.absolute or neutral is None else neutral.blendshapes[shape]
            aus[key] = _clipped(gauge.gain * (face.blendshapes[shape] - base) + gauge.offset)
            weak |= {key} if gauge.weak else set()
    return AUReading(aus, reader_name(), frozenset(weak))


@cache
def reader_name() -> str:
    """The reader and its version, as readings carry it."""
    return f"{landmarker_name()}, map {MAP_VERSION}"


def _jaw(score: float) -> dict[str, float]:
    drop = JAW_GAIN * score + JAW_OFFSET
    wide = drop > JAW_DROP[26]
    small = 0.0 if wide else _clipped(drop / JAW_DROP[26] * MAX_INTENSITY)
    large = _clipped(drop / JAW_DROP[27] * MAX_INTENSITY) if wide else 0.0
    return {"AU26": small, "AU27": large}


def _clipped(intensity: float) -> float:
    return min(MAX_INTENSITY, max(0.0, intensity))
