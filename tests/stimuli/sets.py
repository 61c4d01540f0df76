"""A small set, drawn and written into memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from synfer_core.stimuli.export import export
from synfer_core.stimuli.making import Making, Step
from synfer_core.stimuli.plan import Plan
from synfer_core.stimuli.record import Record
from synfer_core.stimuli.spec import StimulusSet
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.tools import Tools
from tests.stimuli.drawn import find_eyes, tools

TREATMENT = {"crop": "hair", "size": 80, "match": "mean_sd"}


@dataclass
class Files:
    """Files in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, data: bytes) -> None:
        assert name not in self.files
        self.files[name] = data


def spec(**fields: Any) -> StimulusSet:
    values: dict[str, Any] = {
        "identities": [1, 8],
        "expressions": ["happiness"],
        "mixes": {"smirk": "R12C"},
        "step": 50,
        "treatment": TREATMENT,
    }
    return StimulusSet.parse({**values, **fields})


def written(
    with_: Tools | None = None, steps: list[Step] | None = None, **fields: Any
) -> tuple[Record, dict[str, bytes]]:
    """A set, and the files it was written to."""
    sink = Files()
    made = Making(Plan.of(spec(**fields)), with_ or tools(detect=find_eyes), MemoryStore())
    record = export(made, sink, (steps if steps is not None else []).append)
    return record, sink.files
