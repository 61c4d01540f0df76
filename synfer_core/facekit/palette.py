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


def _srgb8(*rgb: int) -> tuple[float, float, float]:
    r, g, b = srgb_to_linear(np.array(rgb) / 255)
    return float(r), float(g), float(b)


SEXES = ("woman", "man")
AGE_BOUNDS = MappingProxyType(
    {"young": (18.0, 32.0), "middle-aged": (32.0, 54.0), "older": (54.0, 80.0)}
)
"""Words for the apparent age, and the years they cover (the upper bound is the next word's)."""

UNDERTONES = ("cool", "neutral", "warm")
SKIN_TONES_SRGB8 = (
    (238, 208, 192),
    (233, 199, 179),
    (226, 188, 165),
    (217, 176, 149),
    (206, 163, 133),
    (184, 139, 108),
    (154, 111, 84),
    (122, 85, 66),
    (92, 65, 53),
    (66, 48, 41),
)
"""Ten skin tones, light to dark, after the Monk Skin Tone scale's steps (https://skintone.google)."""
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
        "grey": (0.27, 0.27, 0.27),
        "white": (0.62, 0.61, 0.59),
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
        "red lipstick": _srgb8(176, 24, 36),
        "pink lipstick": _srgb8(205, 92, 112),
        "berry lipstick": _srgb8(120, 30, 58),
        "nude lipstick": _srgb8(186, 120, 102),
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
