"""Action units to shape weights: what each AU does to the face mesh.

FaceKit's expression shapes carry ARKit's names; the table maps FACS units onto them and the rules
below model how units that share a muscle interact. Intensities are 0-1 here, one for each slot of
`facs.AU_SLOTS`. AU 23 to 26 have no exact shape and are put together from several.
Ekman, Friesen and Hager, Facial Action Coding System, 2002.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from synfer_core.facs import ACTION_UNITS, AU_SLOTS, to_slots

SIDES = ("_L", "_R")
ANY_LIPS_PART = 0.15
"""Lip gap, as a share of a full AU25's, from which AU25 counts as shown."""

SHAPES_OF: Mapping[int, Mapping[str, float]] = MappingProxyType(
    {
        1: {"browInnerUp*": 1.3},
        2: {"browOuterUp*": 1.05},
        4: {"browDown*": 1.9, "browInnerUp*": -0.45},
        5: {"eyeWide*": 1.35},
        6: {"cheekSquint*": 0.6, "cheekRaiser*": 0.7},
        7: {"eyeSquint*": 1.15, "cheekSquint*": 0.2},
        9: {"noseSneer*": 1.05, "browDown*": 0.25},
        10: {"mouthUpperUp*": 0.95, "noseSneer*": 0.12},
        12: {"mouthSmile*": 1.0},
        14: {"mouthDimple*": 1.15},
        15: {"mouthFrown*": 1.3},
        17: {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.25},
        18: {"mouthPucker": 1.0},
        20: {"mouthStretch*": 1.4, "mouthDimple*": 0.2},
        22: {"mouthFunnel": 1.0},
        23: {
            "mouthPress*": 0.5,
            "mouthRollUpper": 0.55,
            "mouthRollLower": 0.5,
            "mouthPucker": 0.3,
            "mouthShrugLower": 0.12,
        },
        24: {
            "mouthPress*": 1.35,
            "mouthRollLower": 0.3,
            "mouthRollUpper": 0.3,
            "mouthPucker": 0.12,
            "mouthShrugLower": 0.2,
        },
        25: {"mouthLowerDown*": 0.55, "mouthUpperUp*": 0.28, "jawOpen": 0.06},
        26: {"jawOpen": 0.42},
        27: {"jawOpen": 0.95, "mouthStretch*": -0.12},
        28: {"mouthRollLower": 1.0, "mouthRollUpper": 1.0, "jawOpen": 0.10},
        43: {"eyeBlink*": 1.0},
    }
)
"""Shape weights of each AU at full intensity; ``*`` stands for the side the AU acts on."""

LIP_GAPS: Mapping[str, float] = MappingProxyType(
    {
        "jawOpen": 4.1914,
        "mouthClose": -5.3932,
        "mouthFunnel": 1.5699,
        "mouthLowerDown": 0.4225,
        "mouthUpperUp": 0.5067,
        "noseSneer": 0.4578,
        "mouthShrugLower": -0.9266,
        "mouthShrugUpper": 0.6615,
        "mouthRollLower": -0.3565,
        "mouthRollUpper": 0.2290,
        "mouthPucker": -0.1873,
        "mouthPress": -0.1579,
        "mouthDimple": -0.1148,
        "cheekRaiser": 0.0276,
        "cheekSquint": 0.0276,
        "mouthStretch": -0.0258,
        "mouthFrown": -0.0171,
        "mouthSmile": -0.0137,
    }
)
"""How far each shape (of each side) parts the lips, as a share of a full AU25; shapes are linear,
so anybody's lips part alike. Measured on the pack's mesh, which tests compare."""

_CORNER_SHAPES = ("mouthSmile", "mouthStretch", "mouthDimple")
_CORNER_CAP = 1.6
_CAPS = MappingProxyType(
    {
        "mouthUpperUp_L": 1.0,
        "mouthUpperUp_R": 1.0,
        "noseSneer_L": 1.15,
        "noseSneer_R": 1.15,
        "browDown_L": 2.05,
        "browDown_R": 2.05,
        "mouthRollLower": 1.0,
        "mouthRollUpper": 1.0,
    }
)

Sided = dict[int, tuple[float, float]]


def by_side(slots: Sequence[float]) -> Sided:
    """Slot values (0-1, `AU_SLOTS` order) as (left, right) for each AU number."""
    values = dict(zip(AU_SLOTS, slots, strict=True))
    sided: Sided = {}
    for number, unit in ACTION_UNITS.items():
        keys = (f"AUL{number}", f"AUR{number}") if unit.sided else (unit.key, unit.key)
        sided[number] = (float(values[keys[0]]), float(values[keys[1]]))
    return sided


def shape_weights(slots: Sequence[float]) -> dict[str, float]:
    """FaceKit shape weights of a set of AUs.

    Args:
        slots: Intensities 0-1, one for each of `AU_SLOTS`.

    Returns:
        Weights by shape name; shapes that are not moved are left out.
    """
    sided = by_side(slots)
    weights = _sum_shapes(_interact(sided))
    if max(sided[27]) > 0:
        weights["jawOpen"] = min(weights["jawOpen"], 1.0)
    _keep_lips_together(weights, sided)
    for side in SIDES:
        _blink_over_tense_lids(weights, side)
        _cap_lip_corners(weights, side)
    for name, cap in _CAPS.items():
        if weights.get(name, 0.0) > cap:
            weights[name] = cap
    return weights


def _interact(sided: Sided) -> Sided:
    """AU1 damps AU4 (the inner brow is pulled both ways); closing the eye relaxes 5, 7 and 6."""
    changed = dict(sided)
    changed[4] = _scaled(sided, 4, 1, 0.45)
    changed[5] = _scaled(sided, 5, 43, 1.0)
    changed[7] = _scaled(sided, 7, 43, 0.75)
    changed[6] = _scaled(sided, 6, 43, 0.25)
    return changed


def _scaled(sided: Sided, unit: int, by: int, amount: float) -> tuple[float, float]:
    left, right = (sided[unit][i] * (1 - amount * sided[by][i]) for i in (0, 1))
    return left, right


def _sum_shapes(sided: Sided) -> dict[str, float]:
    weights: dict[str, float] = {}
    for number, (left, right) in sided.items():
        if max(left, right) <= 0:
            continue
        for name, weight in SHAPES_OF[number].items():
            if name.endswith("*"):
                _add(weights, f"{name[:-1]}_L", weight * left)
                _add(weights, f"{name[:-1]}_R", weight * right)
            else:
                _add(weights, name, weight * (left + right) / 2)
    return weights


def _add(weights: dict[str, float], name: str, value: float) -> None:
    weights[name] = weights.get(name, 0.0) + value


def _keep_lips_together(weights: dict[str, float], sided: Sided) -> None:
    """Pressed or sucked-in lips stay closed while the jaw drops, unless AU25 parts them."""
    closing = max(*sided[24], 0.9 * max(sided[28]))
    jaw = weights.get("jawOpen", 0.0)
    if jaw > 0 and closing > 0 and max(sided[25]) < 0.05:
        _add(weights, "mouthClose", jaw * min(1.0, closing))


def _blink_over_tense_lids(weights: dict[str, float], side: str) -> None:
    """Squinting has moved the lids already; a full blink on top would cross them."""
    blink = weights.get(f"eyeBlink{side}", 0.0)
    tense = (
        weights.get(f"eyeSquint{side}", 0.0)
        + 0.6 * weights.get(f"cheekSquint{side}", 0.0)
        + 0.5 * weights.get(f"cheekRaiser{side}", 0.0)
    )
    if blink > 0:
        weights[f"eyeBlink{side}"] = blink * (1 - 0.12 * min(tense, 1.2))


def _cap_lip_corners(weights: dict[str, float], side: str) -> None:
    names = [f"{shape}{side}" for shape in _CORNER_SHAPES]
    total = sum(weights.get(name, 0.0) for name in names)
    if total > _CORNER_CAP:
        for name in names:
            if name in weights:
                weights[name] *= _CORNER_CAP / total


def scored_slots(aus: Mapping[str, float]) -> tuple[float, ...]:
    """What a coder would score if a face did just this: the units asked for, and the lips' part.

    A dropped jaw (26, 27), a funnel (22) or a raised upper lip (9, 10) part the lips, and FACS
    scores 25 whenever they are parted. Every training label says so, so a model is asked in the
    same way.

    Args:
        aus: Valid AUs, intensities 0-5.

    Returns:
        Intensities 0-1, one for each of `AU_SLOTS`.
    """
    slots = to_slots(aus)
    gap = sum(
        weight * LIP_GAPS.get(name.removesuffix("_L").removesuffix("_R"), 0.0)
        for name, weight in shape_weights(slots).items()
    )
    return label_lips_part(slots, gap)


def label_lips_part(slots: Sequence[float], gap_share: float) -> tuple[float, ...]:
    """AU25 raised to the lip gap measured on the mesh: FACS scores 25 whenever the lips part.

    Args:
        slots: Intensities asked for, 0-1.
        gap_share: Lip gap beyond rest as a share of what a full AU25 opens.
    """
    index = AU_SLOTS.index("AU25")
    share = min(max(gap_share, 0.0), 1.0)
    if share <= ANY_LIPS_PART or share <= slots[index]:
        return tuple(float(v) for v in slots)
    return tuple(share if i == index else float(v) for i, v in enumerate(slots))
