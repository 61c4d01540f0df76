"""Groups of pictures that show one person in one scene, and how they lie on one another.

Of the eight pictures of a group the first is neutral; the others show the person in the same light,
pose and clothes with other action units. Each picture comes with its exact flow to the neutral one
and to one other of the group, so that any kind of picture occurs as a reference. Groups lie in
the shards of `dataset`, a picture a row; `GroupSet` reads them back.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synfer_core.errors import DataError
from synfer_core.facekit.captions import caption
from synfer_core.facekit.dataset import (
    METADATA_KEY,
    SCHEMA,
    SPLITS,
    check,
    encoded,
    labels_of,
)
from synfer_core.facekit.flow import Flow
from synfer_core.facekit.identity import split_of
from synfer_core.facekit.renderer import SIZES, Renderer
from synfer_core.facekit.scene import (
    DISTRIBUTIONS,
    Scene,
    sample_aus,
    sample_scene,
    with_one_changed,
)
from synfer_core.facs import EXPRESSIONS, MAX_INTENSITY, PROTOTYPES, to_slots

PER_GROUP = 8
PLANS = ("mixed", "expressions")
FLOW_STEPS = 64
"""Steps of a pixel in which flow is kept."""

_FORMAT = 1
_PAIR = PER_GROUP - 1  # place of the picture that differs from another in one unit
_LANDMARKS = 68
_GROUPS_AT_ONCE = 8  # in a row group of Parquet, which is read as one
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 3)
_PLACED = [
    ("group", pa.int64()),
    ("place", pa.int8()),
    ("kind", pa.string()),
    ("other", pa.int8()),
    ("landmarks", pa.list_(pa.float32(), 2 * _LANDMARKS)),
]
_FLOWN = [
    ("flow_neutral", pa.binary()),
    ("visible_neutral", pa.binary()),
    ("flow_other", pa.binary()),
    ("visible_other", pa.binary()),
]
_PLAIN = ("image", "aus", "identity_code", "landmarks", *(name for name, _ in _FLOWN))
"""Columns that no dictionary makes smaller."""
_NOT_FACTORS = {
    *("index", "image", "identity", "split", "expression", "aus", "caption", "identity_code"),
    *(name for name, _ in (*_PLACED, *_FLOWN)),
}


@dataclass(frozen=True)
class GroupConfig:
    """Which groups to render.

    Attributes:
        groups: Number of groups, each of a person of its own.
        size: Pixels on a side.
        seed: Seed of the whole set.
        distribution: One of `scene.DISTRIBUTIONS`: scenes, and in mixed groups the action units.
        plan: What the pictures after the neutral one show: ``mixed``, or ``expressions`` for the
            seven prototypes as they stand in `facs.PROTOTYPES`.
        split: Only people of this split; None for all.
        flow: Whether flow is kept.
        groups_per_shard: Groups in a shard.
    """

    groups: int
    size: int = 128
    seed: int = 0
    distribution: str = "portrait"
    plan: str = "mixed"
    split: str | None = None
    flow: bool = True
    groups_per_shard: int = 64

    def __post_init__(self) -> None:
        check(self.groups >= 1, "groups", "1 or more")
        check(SIZES[0] <= self.size <= SIZES[1], "size", f"{SIZES[0]} to {SIZES[1]}")
        check(self.seed >= 0, "seed", "0 or more")
        check(self.distribution in DISTRIBUTIONS, "distribution", ", ".join(DISTRIBUTIONS))
        check(self.plan in PLANS, "plan", ", ".join(PLANS))
        check(self.split is None or self.split in SPLITS, "split", ", ".join(SPLITS))
        check(self.groups_per_shard >= 1, "groups_per_shard", "1 or more")

    @property
    def count(self) -> int:
        """Images in all."""
        return self.groups * PER_GROUP

    @property
    def per_shard(self) -> int:
        """Images in a shard."""
        return self.groups_per_shard * PER_GROUP

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard: those of a plain data set, then those of groups and of flow."""
        return pa.schema([*SCHEMA, *_PLACED, *(_FLOWN if self.flow else [])])

    @property
    def layout(self) -> Mapping[str, Any]:
        """A few groups are read at once."""
        plain = [name for name in self.schema.names if name not in _PLAIN]
        return {"row_group_size": _GROUPS_AT_ONCE * PER_GROUP, "use_dictionary": plain}

    def to_json(self) -> str:
        """What all shards of the set share, as it is kept in every shard."""
        values = {**asdict(self), "groups_format": _FORMAT}
        del values["groups"]
        return json.dumps(values, sort_keys=True)

    def rows(self, renderer: Renderer, indices: range) -> list[dict[str, Any]]:
        """The rows of whole groups."""
        numbers = range(indices.start // PER_GROUP, indices.stop // PER_GROUP)
        return [row for number in numbers for row in rows_of_group(renderer, self, number)]


@dataclass(frozen=True)
class Member:
    """A picture of a group before it is drawn.

    Attributes:
        kind: How its action units were drawn: ``neutral``, ``prototype``, ``pair`` or a mode of
            `scene.sample_aus`.
        other: Place of the picture that its second flow goes to. A ``pair`` differs from that one
            in one unit.
    """

    scene: Scene
    kind: str
    other: int
    caption: str


def members_of(config: GroupConfig, number: int) -> tuple[Member, ...]:
    """The pictures of a group; they depend on the seed and the number alone."""
    distribution = DISTRIBUTIONS[config.distribution]
    rng = np.random.default_rng([config.seed, 811, number])
    zero = to_slots({})
    base = sample_scene(rng, identity=_person(config, number), distribution=distribution, aus=zero)
    base = replace(base, expression="neutral")
    others = [int((place + rng.integers(1, PER_GROUP)) % PER_GROUP) for place in range(PER_GROUP)]
    if config.plan == "expressions":
        drawn = [(e, to_slots(PROTOTYPES[e])) for e in EXPRESSIONS[1:]]
        found = [_member(base, "prototype", label, aus) for label, aus in drawn]
        members = [Member(base, "neutral", 0, ""), *found]
        named: list[tuple[int, ...]] = [()] * PER_GROUP
    else:
        members, named = _mixed(config, base, number)
        others[_PAIR] = members[_PAIR].other
    return tuple(
        replace(one, other=other, caption=_words(config, one.scene, number, place, units))
        for place, (one, other, units) in enumerate(zip(members, others, named, strict=True))
    )


def _person(config: GroupConfig, number: int) -> int:
    """Identity seed of a group, of the split that is asked for."""
    rng = np.random.default_rng([config.seed, 813, number])
    while True:
        identity = int(rng.integers(1 << 31))
        if config.split is None or split_of(identity) == config.split:
            return identity


def _member(base: Scene, kind: str, label: str, aus: tuple[float, ...]) -> Member:
    return Member(replace(base, aus=aus, expression=label), kind, 0, "")


def _mixed(
    config: GroupConfig, base: Scene, number: int
) -> tuple[list[Member], list[tuple[int, ...]]]:
    """The neutral picture, drawn ones and a pair to one of them; and the units to be named."""
    modes = DISTRIBUTIONS[config.distribution].modes
    members = [Member(base, "neutral", 0, "")]
    for place in range(1, _PAIR):
        rng = np.random.default_rng([config.seed, 812, number, place])
        kind = str(rng.choice(list(modes), p=list(modes.values())))
        aus, label = sample_aus(rng, None, {kind: 1.0})
        members.append(_member(base, kind, label, aus))
    rng = np.random.default_rng([config.seed, 812, number, _PAIR])
    partner = int(rng.integers(_PAIR))
    aus, unit = with_one_changed(rng, members[partner].scene.aus)
    pair = _member(base, "pair", "mixed" if any(aus) else "neutral", aus)
    return [*members, replace(pair, other=partner)], [()] * _PAIR + [(unit,)]


def _words(config: GroupConfig, scene: Scene, number: int, place: int, named: Sequence[int]) -> str:
    rng = np.random.default_rng([config.seed, 814, number, place])
    return caption(scene, rng, named=named)


def rows_of_group(renderer: Renderer, config: GroupConfig, number: int) -> list[dict[str, Any]]:
    """The rows of a group: its pictures and everything known about them."""
    members = members_of(config, number)
    images, flows = _drawn(renderer, config, members)
    rows = []
    for place, (member, image, flow) in enumerate(zip(members, images, flows, strict=True)):
        index = number * PER_GROUP + place
        rows.append(
            {
                "image": encoded(image, ".png", _PNG, index),
                **labels_of(renderer, member.scene, member.caption, index),
                **{"group": number, "place": place, "kind": member.kind, "other": member.other},
                "landmarks": renderer.landmarks(member.scene, config.size).ravel(),
                **flow,
            }
        )
    return rows


def _drawn(
    renderer: Renderer, config: GroupConfig, members: Sequence[Member]
) -> tuple[list[NDArray[np.uint8]], list[dict[str, bytes]]]:
    """The pictures, and each one's columns of flow."""
    scenes = [one.scene for one in members]
    if not config.flow:
        return [renderer.render(one, config.size) for one in scenes], [{} for _ in scenes]
    pairs = [(place, 0) for place in range(PER_GROUP)]
    pairs += [(place, one.other) for place, one in enumerate(members)]
    images, flows = renderer.render_with_flows(scenes, pairs, config.size)
    both = zip(flows[:PER_GROUP], flows[PER_GROUP:], strict=True)
    return images, [{**_packed(a, "neutral"), **_packed(b, "other")} for a, b in both]


def _packed(flow: Flow, name: str) -> dict[str, bytes]:
    steps = np.rint(flow.offset * FLOW_STEPS).clip(-(1 << 15), (1 << 15) - 1).astype("<i2")
    return {
        f"flow_{name}": steps.tobytes(),
        f"visible_{name}": np.packbits(flow.visible).tobytes(),
    }


# --- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Group:
    """Eight pictures of one person in one scene, the first neutral. S is the pictures' size.

    Attributes:
        number: Of the group in its set.
        identity: Identity seed, and `split` that it belongs to.
        images: (8, S, S, 3) uint8.
        aus: (8, 36) float32 in 0-1, `facs.AU_SLOTS` order.
        expressions: One of `facs.EXPRESSIONS` or ``mixed`` each.
        kinds: See `Member.kind`.
        captions: They tell the expression, and of a pair the unit that differs.
        code: Identity code (n,).
        factors: What is known of person and scene, such as ``sex``, ``age``, ``skin_tone``,
            ``hair``, ``glasses``, ``lighting`` and ``yaw``.
        others: (8,) int64, place of each picture's other reference.
        landmarks: (8, 68, 2) float32, pixels.
        to_neutral: (8, S, S, 2) float32, pixels to add to x and y for the place in picture 0.
        seen_neutral: (8, S, S) bool, whether picture 0 shows what is seen here.
        to_other, seen_other: The same for the picture of `others`.
    """

    number: int
    identity: int
    split: str
    images: NDArray[np.uint8]
    aus: NDArray[np.float32]
    expressions: tuple[str, ...]
    kinds: tuple[str, ...]
    captions: tuple[str, ...]
    code: NDArray[np.float32]
    factors: Mapping[str, Any]
    others: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    to_neutral: NDArray[np.float32]
    seen_neutral: NDArray[np.bool_]
    to_other: NDArray[np.float32]
    seen_other: NDArray[np.bool_]


class GroupSet(Sequence[Group]):
    """The groups of a folder, read as they are asked for; the last few read are kept as bytes.

    Groups are fastest in order. Shards that come later are found by opening the folder again.
    """

    def __init__(self, shards: Sequence[Path], rows: Sequence[int], size: int):
        self.size = size
        self._shards = tuple(shards)
        self._ends = list(accumulate(count // PER_GROUP for count in rows))
        self._kept: tuple[tuple[int, int], list[dict[str, Any]]] | None = None

    @classmethod
    def open(cls, folder: Path) -> GroupSet:
        """Look what shards there are.

        Raises:
            DataError: There are none, or they hold no groups with flow.
        """
        shards = sorted(folder.glob("shard-*.parquet"))
        if not shards:
            allowed = "a folder of `synfer facekit render --groups N --flow`"
            raise DataError("holds no groups", field=str(folder), allowed=allowed)
        sizes, rows = zip(*(_look(path) for path in shards), strict=True)
        return cls(shards, rows, sizes[0])

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Group: ...

    @overload
    def __getitem__(self, index: slice) -> list[Group]: ...

    def __getitem__(self, index: int | slice) -> Group | list[Group]:
        """A group, or for a slice a list of them.

        Raises:
            IndexError: There is no such group.
            DataError: Its shard is damaged.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        shard = bisect_right(self._ends, index)
        block, place = divmod(index - (self._ends[shard - 1] if shard else 0), _GROUPS_AT_ONCE)
        rows = self._rows(shard, block)
        return _assemble(rows[place * PER_GROUP : (place + 1) * PER_GROUP], self.size)

    def _rows(self, shard: int, block: int) -> list[dict[str, Any]]:
        if self._kept is None or self._kept[0] != (shard, block):
            path = self._shards[shard]
            try:
                with pq.ParquetFile(path, memory_map=True) as file:
                    rows = file.read_row_group(block).to_pylist()
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(f"is damaged: {error}", field=str(path)) from error
            self._kept = (shard, block), rows
        return self._kept[1]


def _look(path: Path) -> tuple[int, int]:
    """Size of the pictures in a shard, and how many there are."""
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"is damaged: {error}", field=str(path)) from error
    kept = json.loads((metadata.metadata or {}).get(METADATA_KEY, b"{}"))
    if kept.get("groups_format") != _FORMAT or not kept["flow"]:
        raise DataError(
            "holds no groups with flow",
            field=str(path),
            allowed="shards of `synfer facekit render --groups N --flow`",
        )
    return int(kept["size"]), int(metadata.num_rows)


def _assemble(rows: Sequence[dict[str, Any]], size: int) -> Group:
    first = rows[0]
    return Group(
        number=first["group"],
        identity=first["identity"],
        split=first["split"],
        images=np.stack([_picture(row["image"]["bytes"]) for row in rows]),
        aus=_stack(rows, "aus") / np.float32(MAX_INTENSITY),
        expressions=tuple(row["expression"] for row in rows),
        kinds=tuple(row["kind"] for row in rows),
        captions=tuple(row["caption"] for row in rows),
        code=np.array(first["identity_code"], np.float32),
        factors={name: value for name, value in first.items() if name not in _NOT_FACTORS},
        others=np.array([row["other"] for row in rows], np.int64),
        landmarks=_stack(rows, "landmarks").reshape(-1, _LANDMARKS, 2),
        to_neutral=_offsets(rows, "neutral", size),
        seen_neutral=_visible(rows, "neutral", size),
        to_other=_offsets(rows, "other", size),
        seen_other=_visible(rows, "other", size),
    )


def _stack(rows: Sequence[dict[str, Any]], name: str) -> NDArray[np.float32]:
    return np.array([row[name] for row in rows], np.float32)


def _picture(data: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise DataError("an image cannot be read", field="image")
    return np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def _offsets(rows: Sequence[dict[str, Any]], name: str, size: int) -> NDArray[np.float32]:
    steps = np.stack([np.frombuffer(row[f"flow_{name}"], "<i2") for row in rows])
    pixels = steps.astype(np.float32) / np.float32(FLOW_STEPS)
    return pixels.reshape(-1, size, size, 2)


def _visible(rows: Sequence[dict[str, Any]], name: str, size: int) -> NDArray[np.bool_]:
    bits = np.stack([np.frombuffer(row[f"visible_{name}"], np.uint8) for row in rows])
    return np.unpackbits(bits, axis=1, count=size * size).reshape(-1, size, size).astype(bool)
