"""Continua of drawn faces, small enough for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synfer_core.morphs.making import Making, Morph
from synfer_core.morphs.spec import Continuum
from synfer_core.stimuli.making import Step
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.tools import Tools
from tests.stimuli.drawn import TOOLS

SMALL = {"apex": "12E+25D", "recipe": {"identity_seed": 4}, "frames": 5}


def continuum(**fields: Any) -> Continuum:
    return Continuum.parse({**SMALL, **fields})


def morph(
    with_: Tools = TOOLS, watch: Callable[[Step], object] = lambda _: None, **fields: Any
) -> Morph:
    made = Making(continuum(**fields), with_, MemoryStore())
    return made.make(lambda step: watch(step) and None)
