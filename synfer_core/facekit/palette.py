"""Named colours and styles, and colour arithmetic. Linear RGB, unless a name says sRGB."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def srgb_to_linear(colour: ArrayLike) -> Floats:
    """sRGB in 0-1 to linear RGB (IEC 61966-2-1)."""
    c = np.asarray(colour, np.float64)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: ArrayLike) -> Floats:
    """Linear RGB to sRGB in 0-1 (IEC 61966-2-1); values above 1 are left above 1."""
    c = np.asarray(colour, np.float64)
    return np.where(c <= 0.0031308, 12.92 * c, 1.055 * np.maximum(c, 1e-6) ** (1 / 2.4) - 0.055)


_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(1)  # D65
_LAB_KNEE = 6 / 29


def linear_to_lab(colour: ArrayLike) -> Floats:
    """Linear RGB (..., 3) to CIELAB under D65, 2 degrees (CIE 15)."""
    t = np.asarray(colour, np.float64) @ _TO_XYZ.T / _WHITE
    f = np.where(t > _LAB_KNEE**3, np.cbrt(t), t / (3 * _LAB_KNEE**2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def lab_to_linear(lab: ArrayLike) -> Floats:
    """CIELAB under D65 (..., 3) to linear RGB; out of gamut values are left out of 0-1."""
    c = np.asarray(lab, np.float64)
    y = (c[..., 0] + 16) / 116
    f = np.stack([y + c[..., 1] / 500, y, y - c[..., 2] / 200], -1)
    t = np.where(f > _LAB_KNEE, f**3, 3 * _LAB_KNEE**2 * (f - 4 / 29))
    return np.asarray((t * _WHITE) @ np.linalg.inv(_TO_XYZ).T)


def typology_angle(lab: ArrayLike) -> Floats:
    """Individual typology angle (ITA) of skin in CIELAB (..., 3), degrees.

    Over 55 is very light, over 41 light, over 28 intermediate, over 10 tan, over -30 brown, below
    that dark (Chardon, Cretois and Hourseau, 1991; Del Bino and Bernerd, 2013).
    """
    c = np.asarray(lab, np.float64)
    return np.degrees(np.arctan2(c[..., 0] - 50, c[..., 2]))


def portrait_exposure(depth: float) -> float:
    """Gain on a picture of skin of a depth 0 (lightest step) to 1: photographers open up."""
    return 0.68 + 0.52 * depth


def _srgb8(*rgb: int) -> tuple[float, float, float]:
    r, g, b = srgb_to_linear(np.array(rgb) / 255)
    return float(r), float(g), float(b)


SEXES = ("woman", "man")
AGE_BOUNDS = MappingProxyType(
    {"young": (18.0, 32.0), "middle-aged": (32.0, 54.0), "older": (54.0, 80.0)}
)
"""Words for the apparent age, and the years they cover (the upper bound is the next word's)."""

UNDERTONES = ("cool", "neutral", "warm")
SKIN_LAB = (
    (74.0, 9.0, 13.0),
    (71.0, 10.0, 14.5),
    (68.0, 10.5, 15.5),
    (64.5, 11.5, 17.0),
    (60.0, 12.5, 18.5),
    (55.0, 13.5, 19.5),
    (48.5, 14.0, 19.5),
    (42.0, 13.5, 18.0),
    (35.5, 12.0, 15.0),
    (29.5, 10.0, 11.5),
)
"""CIELAB (D65) of the face of each skin tone, as a picture under neutral light shows it.

Ten steps from the lightest to the deepest skin that has been measured: Xiao et al. 2017
(https://doi.org/10.1111/srt.12295: cheek and forehead of Caucasian, Chinese, Kurdish and Thai
people, L* 56 to 61 with deviations of 3 to 5.5, a* 10.5 to 11.8, b* 14.2 to 17.7), de Rigal et al.
2010 (https://doi.org/10.1111/j.1600-0846.2009.00416.x: African American, L* 44 to 48, a* 14 to 15,
b* 19 to 20) and the deepest of the five colours of a shade guide for faces (IADR 2009, abstract
120461: L* 26.7, a* 14.6, b* 14.7). The number of steps is the Monk Skin Tone scale's; its swatches
are no reflectances.
"""
SKIN_TONES_SRGB8 = (
    (219, 199, 182),
    (204, 179, 161),
    (190, 165, 147),
    (178, 150, 130),
    (163, 133, 112),
    (148, 117, 96),
    (129, 98, 78),
    (110, 81, 64),
    (91, 67, 54),
    (70, 52, 44),
)
"""Base albedo of the ten skin tones, light to dark: what gives `SKIN_LAB` in the picture."""
SKIN_WORDS = (
    "very fair",
    "fair",
    "light",
    "light-medium",
    "medium",
    "tan",
    "brown",
    "dark brown",
    "deep brown",
    "very deep",
)

HAIR_COLOURS = MappingProxyType(
    {
        "black": (0.010, 0.009, 0.0085),
        "dark brown": (0.030, 0.018, 0.012),
        "brown": (0.075, 0.043, 0.025),
        "light brown": (0.15, 0.092, 0.05),
        "auburn": (0.13, 0.042, 0.02),
        "red": (0.30, 0.105, 0.035),
        "dark blonde": (0.26, 0.175, 0.09),
        "blonde": (0.44, 0.31, 0.16),
        "platinum blonde": (0.62, 0.52, 0.37),
        "grey": (0.284, 0.268, 0.246),
        "white": (0.622, 0.608, 0.583),
    }
)
HAIR_STYLES = (
    "bald",
    "buzz",
    "short",
    "sidepart",
    "slick",
    "quiff",
    "bob",
    "bob_bangs",
    "long",
    "long_wavy",
    "long_bangs",
    "curly_short",
    "afro",
    "curly_long",
    "tied",
    "receding",
)
BEARDS = ("none", "stubble", "short beard", "full beard", "goatee", "moustache")

EYE_COLOURS = MappingProxyType(
    {
        "dark brown": ((0.035, 0.016, 0.008), (0.055, 0.025, 0.011)),
        "brown": ((0.085, 0.038, 0.016), (0.13, 0.06, 0.02)),
        "hazel": ((0.13, 0.10, 0.04), (0.20, 0.10, 0.03)),
        "green": ((0.12, 0.16, 0.08), (0.20, 0.16, 0.06)),
        "blue": ((0.13, 0.22, 0.33), (0.22, 0.30, 0.36)),
        "grey": ((0.21, 0.25, 0.28), (0.26, 0.28, 0.28)),
    }
)
"""Outer and inner colour of the iris."""

GLASSES = ("none", "thin", "thick", "round")
FRAME_COLOURS = (
    (0.01, 0.01, 0.012),
    (0.02, 0.012, 0.008),
    (0.35, 0.25, 0.09),
    (0.12, 0.12, 0.13),
    (0.10, 0.04, 0.015),
)
LIPSTICKS = MappingProxyType(
    {
        "red lipstick": _srgb8(156, 24, 34),
        "pink lipstick": _srgb8(176, 78, 96),
        "berry lipstick": _srgb8(108, 28, 52),
        "nude lipstick": _srgb8(152, 92, 80),
    }
)
EYE_SHADOWS = (_srgb8(90, 60, 50), _srgb8(120, 80, 90), _srgb8(70, 60, 80), _srgb8(140, 100, 80))
CLOTH_COLOURS_SRGB8 = (
    (30, 32, 40),
    (220, 220, 218),
    (120, 30, 35),
    (40, 60, 110),
    (70, 90, 70),
    (150, 150, 155),
    (200, 170, 130),
    (90, 60, 110),
    (20, 20, 22),
    (190, 90, 110),
    (60, 130, 140),
    (225, 200, 80),
)


def age_word(age: float) -> str:
    """``young``, ``middle-aged`` or ``older``."""
    return next((w for w, (_, end) in AGE_BOUNDS.items() if age < end), "older")
