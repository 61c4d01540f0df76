"""Expressions by rule, from action units alone: which prototype lies nearest.

EMFACS-style prediction (Ekman, Friesen and Hager, Facial Action Coding System, 2002) made soft. A
prototype counts at whatever strength fits the reading r best, within bounds, and either side may
show a one-sided one. With p a prototype and s its strength:

    score = -10 min_s |r - s p|^2 / (|r|^2 + 0.2)

Neutral is the prototype of zeros: it wins where a reading is small, and shares the rest with what
no prototype explains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from synfer_core.facs import (
    AU_SLOTS,
    EXPRESSIONS,
    MAX_INTENSITY,
    MIRRORED_SLOTS,
    PROTOTYPES,
    slots_of,
    to_slots,
)

STRENGTHS = (0.3, 2.0)
"""How much weaker or stronger than its start values a prototype may be."""

SOFTNESS = 0.2
"""Below about this squared length of a reading (each unit 0-1), differences count less."""

SHARPNESS = 10.0
"""Scale of the scores, about what validation images ask for; voting fits the rest."""

Floats = NDArray[np.floating]

_FITTED: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        **PROTOTYPES,
        "fear": MappingProxyType({**PROTOTYPES["fear"], "AU5": 3.0, "AU26": 0.0}),
    }
)
"""The prototypes that shipped votes were fitted with: fear with less of 5 and the jaw closed, which
is published too. They change with the next fit, for `fingerprint` holds votes to them."""

_PROTOTYPES = np.array([to_slots(_FITTED[name]) for name in EXPRESSIONS])
_SIDES = (_PROTOTYPES, _PROTOTYPES[:, list(MIRRORED_SLOTS)])


def probabilities(aus: Floats, seen: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Probabilities (N, 8) of the expressions, `facs.EXPRESSIONS` order.

    Args:
        aus: Intensities (N, 36) in 0-5, `facs.AU_SLOTS` order.
        seen: (36,) slots that the reader can tell; the others count as absent from the prototypes
            too. None for all.
    """
    mask = np.ones(len(AU_SLOTS)) if seen is None else seen.astype(np.float64)
    reading = aus.astype(np.float64) / MAX_INTENSITY * mask
    rest = np.minimum(*(_residual(reading, prototypes * mask) for prototypes in _SIDES))
    scores = -SHARPNESS * rest / ((reading**2).sum(1, keepdims=True) + SOFTNESS)
    return cast(NDArray[np.float32], softmax(scores, axis=1).astype(np.float32))


def _residual(reading: Floats, prototypes: Floats) -> Floats:
    """(N, 8) squared distance of each reading to each prototype at its best strength."""
    along, length = reading @ prototypes.T, (prototypes**2).sum(1)
    strength = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
    nearest = strength.clip(*STRENGTHS)[..., None] * prototypes
    return cast(Floats, ((reading[:, None] - nearest) ** 2).sum(-1))


def slots_seen(keys: Iterable[str]) -> NDArray[np.bool_]:
    """(36,) the slots that some AU keys set."""
    named = {slot for key in keys for slot in slots_of(key)}
    return np.array([slot in named for slot in AU_SLOTS])


def fingerprint(reader: str) -> str:
    """SHA-256 over the rules and the hash or name of the reader whose AUs they judge."""
    rules = [reader, STRENGTHS, SOFTNESS, SHARPNESS, _PROTOTYPES.tolist()]
    return hashlib.sha256(json.dumps(rules).encode()).hexdigest()
