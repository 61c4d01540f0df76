"""How hair grows in each style: direction, length, gravity and lift at every root.

A style is a function of the scalp: it returns the fields that `hair.groom` marches along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.facekit.identity import Hair

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Scalp:
    """The chosen roots (n, 3), their normals, and where on the head they lie.

    `side` is 1 low on the sides and 0 on top, `top` its complement, `front` 1 at the forehead,
    `sign` the side of the head, `chance` a uniform draw for each root, `depth` how far above the
    person's hairline it lies, cm.
    """

    root: Array
    normal: Array
    side: Array
    top: Array
    front: Array
    sign: Array
    chance: Array
    depth: Array

    @classmethod
    def at(cls, root: Array, normal: Array, chance: Array, depth: Array) -> Scalp:
        """Work out the fields of the roots."""
        side = np.clip((7.5 - root[:, 1]) / 4, 0, 1)
        front = np.clip((root[:, 2] - 1) / 5, 0, 1)
        sign = np.where(root[:, 0] >= 0, 1.0, -1.0)
        return cls(root, normal, side, 1 - side, front, sign, chance, depth)

    def __len__(self) -> int:
        return len(self.root)

    def along(self, x: Array | float, y: Array | float, z: Array | float) -> Array:
        """Vectors with these components, made tangent to the scalp and of unit length."""
        ones = np.ones(len(self))
        vectors = np.stack([x * ones, y * ones, z * ones], 1)
        vectors -= (vectors * self.normal).sum(1, keepdims=True) * self.normal
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    @property
    def crown(self) -> Array:
        """As `top`, but less towards the edges of the top: where hair stands, it does so here."""
        return np.asarray(self.top * np.clip((7.0 - np.abs(self.root[:, 0])) / 2.5, 0.25, 1))

    def up(self, amount: Array | float) -> Array:
        """The normals, scaled."""
        return self.normal * (amount * np.ones(len(self)))[:, None]


@dataclass(eq=False)
class Growth:
    """Fields over the roots.

    Attributes:
        direction: Where each hair starts out (n, 3).
        length: cm (n,).
        gravity: Pull downwards (n,).
        lift: Distance it keeps from the head, cm (n,).
        clear_face: Half-width kept free in front of the face, cm; 0 for short hair.
        cut: Height at which hair is cut off.
        curl, curl_rate: Radius (cm) and turns (radians a cm) of curls.
        parted: Whether the hair falls to either side of the parting.
        bangs: Roots whose hair falls over the forehead.
    """

    direction: Array
    length: Array
    gravity: Array
    lift: Array
    clear_face: float = 0.0
    cut: float = -99.0
    curl: float = 0.0
    curl_rate: float = 0.0
    parted: bool = False
    bangs: Array = field(default_factory=lambda: np.zeros(0, bool))


def _fields(scalp: Scalp, direction: Array, length: Any, gravity: Any, lift: Any) -> Growth:
    ones = np.ones(len(scalp))
    return Growth(direction, length * ones, gravity * ones, lift * ones)


def _buzz(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    direction = scalp.normal + 0.4 * np.array([0, -0.3, 0.3])
    return _fields(scalp, direction, 0.35 + 0.35 * hair.volume, 0.0, 0.0)


def _short(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    side, top, crown, volume = scalp.side, scalp.top, scalp.crown, hair.volume
    direction = scalp.along(
        0.35 * hair.direction * top, -0.9 * side - 0.1, 0.9 * crown - 0.3 * side
    )
    direction = direction + scalp.up((0.30 + 0.40 * volume) * crown + 0.06)
    length = (0.9 + 0.6 * volume) * side + 1.2 * top + (1.2 + 2.0 * volume) * crown
    return _fields(scalp, direction, length, 0.12, 0.12 + 0.5 * crown * volume)


def _receding(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    direction = scalp.along(0.0, -1.0, -0.5) + scalp.up(0.12)
    return _fields(scalp, direction, 1.3 + 0.8 * hair.volume, 0.12, 0.12)


def _parted(hair: Hair, scalp: Scalp) -> Array:
    """Directions away from the parting."""
    away = np.where(scalp.root[:, 0] - hair.parting >= 0, 1.0, -1.0)
    forward = np.clip(0.25 - 0.08 * scalp.root[:, 2], -0.5, 0.6)
    direction = scalp.along(away, -0.25 - 0.6 * scalp.side, forward * 0.7)
    return direction + scalp.up((0.25 + 0.6 * hair.volume) * scalp.top + 0.05)


def _side_parted(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    side, top, volume = scalp.side, scalp.top, hair.volume
    length = (1.2 + 0.8 * volume) * side + (3.0 + volume) * top + 1.8 * scalp.crown
    lift = 0.12 + (0.3 + 0.7 * volume) * scalp.crown
    growth = _fields(scalp, _parted(hair, scalp), length, 0.10, lift)
    growth.parted = True
    return growth


def _hanging(hair: Hair, scalp: Scalp, length: float, cut: float) -> Growth:
    chance, volume = scalp.chance, hair.volume
    lift = 0.15 + (0.35 + 0.9 * volume) * chance * (0.35 + 0.65 * scalp.top)
    gravity = 0.38 + 0.15 * chance
    growth = _fields(scalp, _parted(hair, scalp), length * (0.92 + 0.16 * chance), gravity, lift)
    growth.clear_face, growth.cut, growth.parted = 6.4 + 0.7 * volume, cut, True
    # A short layer below, so that the skin does not show between long strands that part.
    below = (chance * 97 % 1 < 0.3) & (scalp.depth < 5)
    growth.length = np.where(below, 2.0 + 3.0 * chance, growth.length)
    growth.lift = np.where(below, 0.06, growth.lift)
    outward = (growth.direction * scalp.normal).sum(1, keepdims=True) * scalp.normal
    growth.direction = growth.direction - below[:, None] * outward
    return growth


def _bob(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    return _hanging(hair, scalp, 19.0, -6.5 - 2.5 * hair.volume)


def _bob_bangs(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    return _add_bangs(hair, scalp, _hanging(hair, scalp, 19.0, -6.0 - 2.5 * hair.volume))


def _long(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    return _hanging(hair, scalp, 34.0, -13.2)


def _long_bangs(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    return _add_bangs(hair, scalp, _long(hair, scalp, rng))


def _long_wavy(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    growth = _long(hair, scalp, rng)
    growth.curl, growth.curl_rate = 0.55, 0.75
    return growth


def _long_curly(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    growth = _long(hair, scalp, rng)
    growth.curl, growth.curl_rate = 0.6, 1.2
    growth.length = growth.length * 0.8
    growth.lift = growth.lift + 0.7
    return growth


def _back(hair: Hair, scalp: Scalp, rise: float) -> Array:
    direction = scalp.along(0.15 * scalp.sign * scalp.top, 0.15 - 0.25 * scalp.side, -1.0)
    return direction + scalp.up(0.15 + rise * scalp.top)


def _slick(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    direction = _back(hair, scalp, 0.45 * hair.volume)
    length = 1.2 + (2.8 + 1.5 * scalp.front) * scalp.top
    return _fields(scalp, direction, length, 0.04, 0.12 + 0.5 * hair.volume * scalp.crown)


def _tied(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    # Pulled back and up, over the ears; what grows before them is too short to be tied.
    direction = scalp.along(0.1 * scalp.sign * scalp.top, 0.1 + 0.5 * scalp.side, -1.0)
    length = 6 + 1.5 * scalp.front * scalp.top
    short = (scalp.root[:, 1] < 4.5) & (scalp.root[:, 2] > -0.5)
    length = np.where(short, 1.2 + 0.8 * scalp.chance, length)
    return _fields(scalp, direction + scalp.up(0.06), length, 0.0, 0.12)


def _quiff(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    side, crown, front = scalp.side, scalp.crown, scalp.front
    direction = scalp.along(
        0.35 * hair.direction * crown + 0.01, 0.4 * crown - 0.9 * side, -0.5 * crown - 0.35 * side
    )
    rise = crown * (0.4 + front)
    direction = direction + scalp.up(0.08 + 0.5 * rise) + rise[:, None] * np.array([0, 0.7, 0])
    length = 1.0 + (1.6 + 2.6 * front * (0.5 + hair.volume)) * crown
    return _fields(scalp, direction, length, 0.04, 0.12 + 0.5 * crown)


def _curly_short(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    direction = scalp.normal + 0.25 * rng.normal(size=(len(scalp), 3))
    length = (3.0 + 1.5 * hair.volume) * (0.65 + 0.35 * scalp.chance)
    length = length * np.clip(0.75 + 0.45 * scalp.top, 0, 1)
    growth = _fields(scalp, direction, length, 0.13, 0.4)
    growth.curl, growth.curl_rate = 0.42, 2.6
    return growth


def _afro(hair: Hair, scalp: Scalp, rng: np.random.Generator) -> Growth:
    direction = scalp.normal + 0.22 * rng.normal(size=(len(scalp), 3))
    length = (3.0 + 2.6 * hair.volume) * (0.75 + 0.25 * scalp.chance)
    # Cut round: short at the nape and before the ears, so that it does not hang down the sides.
    length = length * np.clip(0.55 + (scalp.root[:, 1] - 1) / 12, 0.4, 1)
    growth = _fields(scalp, direction, length, 0.015, 0.4)
    growth.curl, growth.curl_rate = 0.26, 4.2
    return growth


def _add_bangs(hair: Hair, scalp: Scalp, growth: Growth) -> Growth:
    """Comb the front of the top forward, cut above the brows."""
    x, y, _ = scalp.root.T
    bangs = (scalp.front > 0.45) & (y > 8.6) & (np.abs(x) < 6.2)
    forward = scalp.along(0.1 * scalp.sign + 0.15 * hair.direction, -0.2, 1.0) + scalp.up(0.6)
    growth.direction[bangs] = forward[bangs]
    length = np.clip(y - 6.0, 2.0, 9) * 1.15 * (0.9 + 0.15 * scalp.chance)
    growth.length[bangs] = length[bangs]
    growth.gravity[bangs] = 0.22
    growth.bangs = bangs
    return growth


Grow = Callable[[Hair, Scalp, np.random.Generator], Growth]


@dataclass(frozen=True)
class Style:
    """A hair style: strands at full detail, points a strand, hold to the head, and its fields.

    `full_front` thickens the roots along the forehead; `clumps` gathers strands into locks.
    """

    strands: int
    points: int
    hold: float
    grow: Grow
    full_front: bool = True
    clumps: bool = True


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "buzz": Style(9000, 2, 0.0, _buzz, full_front=False, clumps=False),
        "short": Style(8500, 6, 0.25, _short),
        "receding": Style(6000, 5, 0.8, _receding, full_front=False),
        "sidepart": Style(7500, 9, 0.3, _side_parted),
        "slick": Style(7000, 9, 0.7, _slick),
        "quiff": Style(7500, 8, 0.15, _quiff),
        "bob": Style(6500, 16, 0.12, _bob),
        "bob_bangs": Style(6500, 16, 0.12, _bob_bangs),
        "long": Style(6500, 22, 0.12, _long),
        "long_wavy": Style(6500, 22, 0.12, _long_wavy),
        "long_bangs": Style(6500, 22, 0.12, _long_bangs),
        "curly_short": Style(5000, 14, 0.0, _curly_short, full_front=False),
        "afro": Style(5500, 18, 0.0, _afro, full_front=False),
        "curly_long": Style(4400, 28, 0.12, _long_curly),
        "tied": Style(6500, 9, 1.2, _tied),
    }
)
"""Growth of each hair style; ``bald`` has none."""
