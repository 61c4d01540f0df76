"""Does an AU's attention lie where that AU moves the face?

Every AU is asked for alone, at full intensity and without words, on people whom no network has
seen. Its attention is what the denoising that made the image recorded, summed over steps, layers
and heads; it is compared with the region that FaceKit moves on the same person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synfer_core.evaluation.control_plan import DISFA
from synfer_core.evaluation.estimates import Estimate, bootstrap_many
from synfer_core.evaluation.pictures import completed, made
from synfer_core.evaluation.sheets import contact_sheet
from synfer_core.facekit.head import HeadModel
from synfer_core.facekit.identity import draw_identity
from synfer_core.facekit.regions import au_region
from synfer_core.facs import ACTION_UNITS, MAX_INTENSITY, slots_of
from synfer_core.models.backbone import Backbone, Generation
from synfer_core.request import Recipe

KEYS = tuple(unit.key for unit in ACTION_UNITS.values())
PEOPLE = 12
FIRST_IDENTITY = 9_200_000_000
"""Seeds of the people, from here on; no data set has been drawn with these."""

MOVED = 0.5
"""A place is in an AU's region where it moves at least this share of the AU's largest movement."""

TWICE = 2.0
_COLUMNS = 6
_TINT = np.array((255, 60, 20), np.float32)

Maps = NDArray[np.float32]
Region = Callable[[int, str], NDArray[np.bool_]]
"""Identity seed and AU key to where the AU moves that person, (S, S)."""


def recipes(people: int = PEOPLE) -> list[Recipe]:
    """The images to make: for each person, every AU alone under one noise seed.

    The sides are asked for one by one at the same intensity, which is the same face, so that the
    maps of both come apart.
    """
    return [
        Recipe(
            aus=dict.fromkeys(slots_of(key), MAX_INTENSITY),
            seed=person,
            identity_seed=FIRST_IDENTITY + person,
        )
        for person in range(people)
        for key in KEYS
    ]


def regions(head: HeadModel, size: int) -> Region:
    """Where AUs move people, in pictures of `size` pixels on a side; see `MOVED`.

    The head is taken frontal: what a recipe leaves open, such as a head's slight turn, the
    built-in model decides for itself.
    """

    def region(identity_seed: int, key: str) -> NDArray[np.bool_]:
        person = head.identity_points(draw_identity(identity_seed).shape)
        moved = [au_region(head, slot, size, person=person) >= MOVED for slot in slots_of(key)]
        either: NDArray[np.bool_] = np.logical_or.reduce(moved)
        return either

    return region


@dataclass(frozen=True)
class Seen:
    """One AU on one person.

    Attributes:
        person: Noise seed, one for each person.
        key: The AU, both sides or one.
        mass: (s, s) its attention, not negative, as recorded, on a grid of any size.
        region: (S, S) where it moves that person.
        image: (S, S, 3) what was made.
    """

    person: int
    key: str
    mass: Maps
    region: NDArray[np.bool_]
    image: NDArray[np.uint8]

    @property
    def chance(self) -> float:
        """The region's share of the image: what attention that knows nothing puts inside."""
        return float(self.region.mean())

    def inside(self, mass: Maps) -> float:
        """Share of some attention (s, s) inside the region; within a cell it is spread evenly."""
        return float((mass * self._coverage(mass)).sum() / mass.sum())

    @property
    def best(self) -> float:
        """Times chance that attention of this resolution can reach, all of it in one cell."""
        return float(self._coverage(self.mass).max()) / self.chance

    def _coverage(self, mass: Maps) -> Maps:
        """Share of each cell that the region covers."""
        covered = cv2.resize(
            self.region.astype(np.float32), mass.shape[::-1], interpolation=cv2.INTER_AREA
        )
        return np.asarray(covered, np.float32)


@dataclass(frozen=True)
class Figures:
    """What is known of one AU.

    Attributes:
        share: Share of its attention inside its own region.
        chance: The region's share of the image.
        ratio: Mean share by mean chance.
        others: The same for the other AUs' attention in this region. All attention that gathers on
            the face is above chance; what `ratio` has beyond this is the AU's own.
        best: Times chance that maps of this resolution can reach.
    """

    share: Estimate
    chance: float
    ratio: Estimate
    others: Estimate
    best: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "share": self.share.to_dict(),
            "chance": round(self.chance, 4),
            "ratio": self.ratio.to_dict(),
            "others": self.others.to_dict(),
            "best": round(self.best, 2),
        }


@dataclass(frozen=True)
class Attention:
    """What was made and where it was attended to.

    Attributes:
        seen: One for each person and AU, both sides and single sides.
        weights_sha256: The weights that made the images.
    """

    seen: tuple[Seen, ...]
    weights_sha256: str

    def of(self, key: str) -> list[Seen]:
        """All people under one AU."""
        return [s for s in self.seen if s.key == key]

    @property
    def keys(self) -> tuple[str, ...]:
        """The AUs, in the order made."""
        return tuple(dict.fromkeys(s.key for s in self.seen))

    @cached_property
    def figures(self) -> Mapping[str, Figures]:
        """By AU; every person is in every AU, and one draw of people serves all."""
        return {key: self._figures(key) for key in self.keys}

    def _figures(self, key: str) -> Figures:
        rows = self.of(key)
        inside = np.array([s.inside(s.mass) for s in rows])
        others = np.array([self._others_inside(s) for s in rows])
        chance = np.array([s.chance for s in rows])

        def statistics(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
            own, theirs, even = (v[drawn].mean() for v in (inside, others, chance))
            return np.array([own, own / even, theirs / even])

        share, ratio, elsewhere = bootstrap_many([s.person for s in rows], statistics)
        best = float(np.mean([s.best for s in rows]))
        return Figures(share, float(chance.mean()), ratio, elsewhere, best)

    def _others_inside(self, row: Seen) -> float:
        others = [
            row.inside(s.mass) for s in self._whole[row.person] if _unit(s.key) != _unit(row.key)
        ]
        return float(np.mean(others))

    @cached_property
    def _whole(self) -> Mapping[int, list[Seen]]:
        """By person: the AUs, both sides together."""
        people = {s.person for s in self.seen}
        return {p: [s for s in self.seen if s.person == p and s.key in KEYS] for p in people}

    def twice_chance(self) -> tuple[str, ...]:
        """The units of DISFA's twelve whose attention is at least twice chance."""
        known = [key for key in DISFA if key in self.figures]
        return tuple(key for key in known if self.figures[key].ratio.value >= TWICE)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        reached = self.twice_chance()
        whole = [self.figures[key].ratio.value for key in self.keys if key in KEYS]
        return {
            "images": sum(len(rows) for rows in self._whole.values()),
            "people": len(self._whole),
            "weights_sha256": self.weights_sha256,
            "moved": MOVED,
            "twice_chance": {
                "count": len(reached),
                "of": len([key for key in DISFA if key in self.figures]),
                "aus": list(reached),
            },
            "median_ratio": round(float(np.median(whole)), 4),
            "aus": {key: figures.to_dict() for key, figures in self.figures.items()},
        }

    def lines(self) -> list[str]:
        """The figures of both-sides AUs in words, one a line."""
        told = [
            f"{key}: {f.ratio} x chance; the other units {f.others.value:.2f}"
            for key, f in self.figures.items()
            if key in KEYS
        ]
        return [*told, f"at least twice chance: {len(self.twice_chance())} of DISFA's {len(DISFA)}"]

    def sheet(self) -> bytes:
        """For each AU the mean map over people and the region's outline, as JPEG.

        Frames are green from twice chance on.
        """
        keys = [key for key in self.keys if key in KEYS]
        ratios = {key: self.figures[key].ratio.value for key in keys}
        rows = [keys[i : i + _COLUMNS] for i in range(0, len(keys), _COLUMNS)]
        return contact_sheet(
            [[_picture(self.of(key)) for key in row] for row in rows],
            row_names=[""] * len(rows),
            column_names=[""] * len(rows[0]),
            marks=[
                [(ratios[k] >= TWICE, f"{k} {ratios[k]:.1f} x chance") for k in r] for r in rows
            ],
        )


def _unit(key: str) -> str:
    return key.replace("L", "").replace("R", "")


def _picture(rows: Sequence[Seen]) -> NDArray[np.uint8]:
    """The first person in grey, tinted by the mean map, with the outline of the region in white.

    At twice the region's size, so that the outline is thin.
    """
    mean = np.mean([s.mass / s.mass.sum() for s in rows], axis=0)
    size = 2 * len(rows[0].region)
    grid = cv2.resize(mean / mean.max(), (size, size), interpolation=cv2.INTER_NEAREST)
    heat = np.asarray(grid)[..., None] * 0.65
    grey = cv2.resize(rows[0].image.mean(-1), (size, size), interpolation=cv2.INTER_NEAREST)
    image = np.asarray(grey)[..., None]
    picture = image * (1 - heat) + _TINT * heat
    picture[_outline(rows[0].region.repeat(2, 0).repeat(2, 1))] = 255
    return np.asarray(picture.round(), np.uint8)


def _outline(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Places of a region with a neighbour outside."""
    padded = np.pad(region, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: NDArray[np.bool_] = region & ~inner
    return edge


def measure(
    backbone: Backbone, region: Region, wanted: list[Recipe], *, tell: Callable[[int, int], None]
) -> Attention:
    """Make the images and keep where each AU was attended to.

    Args:
        backbone: The model under test; it must record attention.
        region: Where AUs move people, such as `regions`.
        wanted: From `recipes`.
        tell: Called with images done and in all.
    """
    seen: list[Seen] = []
    for index, recipe in enumerate(wanted):
        seen += _seen(recipe, made(backbone, recipe), region)
        tell(index + 1, len(wanted))
    return Attention(tuple(seen), completed(backbone, wanted[0]).weights_sha256 or "")


def _seen(recipe: Recipe, shown: Generation, region: Region) -> list[Seen]:
    """The AU of a recipe, both sides together, and each side where it has sides."""
    mass = shown.attention.mass
    slots = tuple(recipe.action_units)
    maps = {_unit(slots[0]): np.stack([mass[slot] for slot in slots]).mean(0)}
    maps |= {slot: mass[slot] for slot in slots if len(slots) > 1}
    assert recipe.identity_seed is not None
    return [
        Seen(recipe.seed, key, values, region(recipe.identity_seed, key), shown.image)
        for key, values in maps.items()
    ]
