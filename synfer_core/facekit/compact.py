"""The compact form of a pack: shapes as whole steps of a fixed length; how far that moves anyone.

Offsets are rounded to steps of 2^-13 cm (a shape that reaches further than 16 bits takes a longer
step), each vertex is told by its difference from the one before, and low and high bytes lie apart,
so that they compress well. Everything else in the pack stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synfer_core.errors import PackError

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float32]

STEP = 2.0**-13
"""Length of a step, cm."""
LIMIT = 0.002
"""How far a vertex may move, cm, with any single shape at full weight."""
MAX_BYTES = 17_000_000
"""Size of the file that ships, at most."""

_SHAPES = ("identity", "expression")
_LARGEST = 32767


def compacted(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays of a pack with its shapes as steps; see `expanded`.

    Args:
        arrays: ``identity`` and ``expression`` as float offsets (shapes, n, 3) in cm, and the rest.
    """
    compact = {name: value for name, value in arrays.items() if name not in _SHAPES}
    for name in _SHAPES:
        compact[f"{name}_step"], compact[f"{name}_bytes"] = _to_bytes(arrays[name])
    return compact


def is_compact(arrays: Arrays) -> bool:
    """Whether the shapes are steps."""
    return all(f"{name}_bytes" in arrays for name in _SHAPES)


def expanded(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays of a compact pack with its shapes as offsets in cm (shapes, n, 3) float32.

    Raises:
        PackError: The steps are not in the expected form.
    """
    full = dict(arrays)
    for name in _SHAPES:
        full[name] = _from_bytes(full.pop(f"{name}_step", None), full.pop(f"{name}_bytes"), name)
    return full


def _to_bytes(offsets: NDArray[Any]) -> tuple[Floats, NDArray[np.uint8]]:
    """Length of a step for each shape, and its steps as (2, shapes, 3, n): low and high bytes."""
    reach = np.abs(offsets).max((1, 2)).astype(np.float64)
    least = np.maximum(reach / _LARGEST, STEP)
    step = np.exp2(np.ceil(np.log2(least))).astype(np.float32)
    steps = np.rint(offsets / step[:, None, None].astype(np.float64)).astype(np.int16)
    by_axis = np.moveaxis(steps, 2, 1)
    change = np.diff(by_axis, axis=2, prepend=np.int16(0)).astype(np.int16)
    # Small numbers of either sign get small codes: 0, -1, 1, -2 become 0, 1, 2, 3.
    code = ((change << 1) ^ (change >> 15)).view(np.uint16)
    return step, np.stack([code & 0xFF, code >> 8]).astype(np.uint8)


def _from_bytes(step: NDArray[Any] | None, halves: NDArray[Any], name: str) -> Floats:
    if halves.ndim != 4 or halves.dtype != np.uint8 or (halves.shape[0], halves.shape[2]) != (2, 3):
        raise PackError(f"the array {name}_bytes has the wrong form", field=name)
    if step is None or step.dtype.kind != "f" or step.shape != halves.shape[1:2]:
        raise PackError(f"the array {name}_step has the wrong form", field=name)
    code = halves[1].astype(np.uint16)
    code <<= 8
    code |= halves[0]
    change = (code >> 1).view(np.int16) ^ -(code & 1).view(np.int16)
    np.cumsum(change, axis=2, dtype=np.int16, out=change)
    shapes, _, count = change.shape
    offsets = np.empty((shapes, count, 3), np.float32)
    for axis in range(3):
        np.multiply(change[:, axis], step[:, None], out=offsets[:, :, axis], casting="same_kind")
    return offsets


# --- how far it moves anyone ----------------------------------------------------------------------


@dataclass(frozen=True)
class Departure:
    """How far vertices lie from where the source has them.

    Attributes:
        largest: cm.
        where: The shape, or the person, that it is found with.
    """

    largest: float
    where: str


def of_shapes(source: Arrays, pack: Arrays) -> Departure:
    """The largest over all vertices with any single shape at full weight.

    What float16 offsets of a source may have been rounded by is counted in, so that it holds for
    the model's own files as well.

    Args:
        source: Arrays of a full pack.
        pack: The same, as a compact pack expands to.
    """
    worst = Departure(0.0, "none")
    for kind in _SHAPES:
        for row, name in enumerate(source[f"{kind}_names"]):
            exact = source[kind][row]
            apart = np.abs(exact.astype(np.float64) - pack[kind][row]) + _rounded_by(exact)
            largest = float(np.linalg.norm(apart, axis=1).max())
            if largest > worst.largest:
                worst = Departure(largest, str(name))
    return worst


def _rounded_by(offsets: NDArray[Any]) -> NDArray[np.float64]:
    """What rounding to the type of `offsets` may have moved each by, at most."""
    return np.asarray(np.abs(np.spacing(offsets)) / 2, np.float64)


def of_people(source: Arrays, pack: Arrays, count: int) -> Departure:
    """The largest over all vertices of `count` drawn people, each with a drawn expression."""
    from synfer_core.facekit.action_units import shape_weights
    from synfer_core.facekit.scene import LABELLED, sample_scene

    apart = {kind: _apart(source[kind], pack[kind]) for kind in _SHAPES}
    row_of = {str(name): row for row, name in enumerate(source["expression_names"])}
    worst = Departure(0.0, "none")
    for seed in range(count):
        rng = np.random.default_rng(seed)
        scene = sample_scene(rng, identity=seed, distribution=LABELLED)
        moved = scene.identity.shape.astype(np.float32) @ apart["identity"]
        for name, weight in shape_weights(scene.aus).items():
            moved += np.float32(weight) * apart["expression"][row_of[name]]
        largest = float(np.linalg.norm(moved.reshape(-1, 3), axis=1).max())
        if largest > worst.largest:
            worst = Departure(largest, f"person {seed}")
    return worst


def _apart(source: NDArray[Any], pack: NDArray[Any]) -> Floats:
    return (pack.astype(np.float32) - source.astype(np.float32)).reshape(len(source), -1)
