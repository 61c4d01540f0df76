"""Light set-ups: a key, sometimes a rim and a fill, and a dome of ambient light.

Each is a handful of directional lights, so that shadow maps give soft shadows and occlusion.
Directions point from the face to the light (x subject's left, y up, z camera).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
AMBIENT = -1
_WHITE_BALANCE = 0.75  # share of a colour cast that the camera's white balance takes out


@dataclass(frozen=True, eq=False)
class Lighting:
    """Directional lights and the named set-up they make.

    Attributes:
        kind: Name of the set-up.
        azimuth, elevation: Where the key stands, degrees.
        warmth: Colour of the key, -1 warm to 1 cool.
        softness: Spread of the key.
        direction: Unit vectors (lights, 3).
        colour: Linear RGB (lights, 3).
        wrap: How far each light reaches around the terminator (lights,).
        group: Number of the highlight each light belongs to (lights,), `AMBIENT` for none.
        key_direction, key_colour: One highlight for each group (groups, 3).
    """

    kind: str
    azimuth: float
    elevation: float
    warmth: float
    softness: float
    direction: Vector
    colour: Vector
    wrap: Vector
    group: NDArray[np.int32]
    key_direction: Vector
    key_colour: Vector


@dataclass(frozen=True)
class _SetUp:
    """Ranges of a set-up; `sided` puts the key on either side at random."""

    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    key: float
    ambient: float
    warmth: tuple[float, float]
    softness: float
    sided: bool = True
    rim: bool = False


SET_UPS = MappingProxyType(
    {
        "soft window": _SetUp((25, 65), (5, 40), 2.0, 0.55, (-0.1, 0.6), 0.35),
        "studio": _SetUp((15, 50), (20, 50), 2.0, 0.6, (-0.2, 0.2), 0.22, rim=True),
        "overcast": _SetUp((0, 40), (45, 75), 0.9, 1.0, (0, 0.5), 0.5),
        "warm indoor": _SetUp((0, 50), (35, 65), 1.5, 0.6, (-1, -0.3), 0.3),
        "side light": _SetUp((60, 85), (0, 35), 2.3, 0.32, (-0.5, 0.5), 0.2),
        "flat flash": _SetUp((-8, 8), (4, 14), 2.2, 0.45, (-0.1, 0.3), 0.08, sided=False),
        "backlit": _SetUp((20, 60), (10, 40), 0.7, 0.9, (-0.3, 0.3), 0.4, rim=True),
        "golden hour": _SetUp((40, 75), (8, 22), 2.3, 0.55, (-1.2, -0.7), 0.15, rim=True),
    }
)


def draw_lighting(rng: np.random.Generator, kind: str, keys: int, ambient: int) -> Lighting:
    """Draw a set-up of the named kind with `keys` lights for the key and `ambient` for the dome."""
    spec = SET_UPS[kind]
    side = float(rng.choice([-1, 1])) if spec.sided else 1.0
    azimuth, elevation = side * rng.uniform(*spec.azimuth), rng.uniform(*spec.elevation)
    warmth = float(rng.uniform(*spec.warmth))
    key = _direction(azimuth, elevation)
    colour = _temperature(warmth) * spec.key
    rows = [(_jitter(rng, key, spec.softness), colour / keys, 0.22, 0) for _ in range(keys)]
    groups = [(key, colour)]
    for row in _accents(rng, azimuth, spec.rim):
        rows.append((*row, len(groups)))
        groups.append((row[0], row[1]))
    rows += [(d, c, 0.35, AMBIENT) for d, c in _dome(rng, ambient, spec.ambient)]
    white = _camera_white([(row[0], row[1]) for row in rows])
    return Lighting(
        kind=kind,
        azimuth=float(azimuth),
        elevation=float(elevation),
        warmth=warmth,
        softness=spec.softness,
        direction=np.array([r[0] for r in rows], np.float32),
        colour=np.array([r[1] / white for r in rows], np.float32),
        wrap=np.array([r[2] for r in rows], np.float32),
        group=np.array([r[3] for r in rows], np.int32),
        key_direction=np.array([g[0] for g in groups], np.float32),
        key_colour=np.array([g[1] / white for g in groups], np.float32),
    )


def mirrored(lighting: Lighting) -> Lighting:
    """The set-up with its lamps on the other side of the face."""
    across = np.array([-1, 1, 1], np.float32)
    return replace(
        lighting,
        azimuth=-lighting.azimuth,
        direction=lighting.direction * across,
        key_direction=lighting.key_direction * across,
    )


def _camera_white(lights: list[tuple[Floats, Floats]]) -> Floats:
    """The cast that a camera's white balance takes out: most of the light's on a face ahead."""
    seen = sum(colour * max(float(direction[2]), 0.0) for direction, colour in lights)
    cast = np.asarray(seen / np.mean(seen))
    return cast**_WHITE_BALANCE


def _direction(azimuth: float, elevation: float) -> Floats:
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def _temperature(t: float) -> Floats:
    """Tint of light from warm (-1) to cool (1)."""
    cool, warm = max(t, 0.0), max(-t, 0.0)
    return np.array(
        [1 - 0.18 * cool + 0.10 * warm, 1 - 0.02 * abs(t), 1 + 0.16 * cool - 0.30 * warm]
    )


def _jitter(rng: np.random.Generator, direction: Floats, softness: float) -> Floats:
    moved = direction + rng.normal(0, softness * 0.55, 3)
    return np.asarray(moved / np.linalg.norm(moved))


def _accents(
    rng: np.random.Generator, azimuth: float, rim: bool
) -> list[tuple[Floats, Floats, float]]:
    """A rim light from behind and a weak fill, each opposite the key: direction, colour, wrap."""
    across = -np.sign(azimuth)
    accents = []
    if rim or rng.random() < 0.2:
        direction = _direction(across * rng.uniform(115, 150), rng.uniform(10, 45))
        colour = _temperature(rng.uniform(-0.6, 0.6)) * rng.uniform(0.6, 2.2)
        accents.append((direction, colour, 0.1))
    if rng.random() < 0.5:
        direction = _direction(across * rng.uniform(20, 60), rng.uniform(-5, 30))
        colour = _temperature(rng.uniform(-0.5, 0.5)) * rng.uniform(0.15, 0.5)
        accents.append((direction, colour, 0.3))
    return accents


def _dome(rng: np.random.Generator, count: int, strength: float) -> list[tuple[Floats, Floats]]:
    """Ambient light: sky above, warmer ground below, a gentle gradient, nothing from behind."""
    step = np.arange(count) + 0.5
    y = 1 - 2 * step / count
    turn = step * 2.39996 + rng.random() * 2 * np.pi
    ring = np.sqrt(1 - y * y)
    directions = np.stack([ring * np.cos(turn), y, ring * np.sin(turn)], 1)
    sky = _temperature(rng.uniform(-0.3, 0.5))
    ground = np.array([1.0, 0.9, 0.8]) * rng.uniform(0.25, 0.6)
    towards = rng.normal(size=3)
    towards /= np.linalg.norm(towards)
    gradient = rng.uniform(0, 0.5)
    lights = []
    for direction in directions[directions[:, 2] >= -0.75]:
        up = 0.5 + 0.5 * direction[1]
        colour = (sky * up + ground * (1 - up)) * strength * 4.4 / count
        lights.append((direction, colour * (1 + gradient * (direction @ towards))))
    return lights
