"""Files for the programs that run experiments: PsychoPy's conditions and jsPsych's preload list.

PsychoPy (https://psychopy.org/builder/flow.html) makes a variable of each column of a conditions
file: names are unique, start with a letter, and hold letters, digits and underscores. jsPsych's
preload plugin (https://www.jspsych.org/latest/plugins/preload/) takes lists of paths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from synfer_core.facekit import demographics
from synfer_core.stimuli.plan import Stimulus
from synfer_core.stimuli.table import Row, to_csv

IMAGES = "images"
"""Folder of the images, below that of the files."""

_SHOWN = ("expression", "intensity", "view", "facs")
CONDITIONS, PRELOAD = "conditions.csv", "jspsych_preload.json"


def image_path(stimulus: Stimulus) -> str:
    """Where an image lies, seen from the files beside its folder."""
    return f"{IMAGES}/{stimulus.file}"


def conditions(stimuli: Sequence[Stimulus], people: Sequence[Row]) -> bytes:
    """A conditions file for PsychoPy: one row an image; ``$image_file`` is its path.

    Args:
        stimuli: The images.
        people: For each a row with the cells of `demographics.COLUMNS`, such as its row in the
            table of the set.
    """
    columns = ("image_file", "subject", "identity_seed", *demographics.COLUMNS, *_SHOWN)
    rows: list[Row] = [
        {
            "image_file": image_path(stimulus),
            "subject": stimulus.subject,
            "identity_seed": _number(stimulus.recipe.identity_seed),
            **{name: person[name] for name in demographics.COLUMNS if name in person},
            "expression": stimulus.expression,
            "intensity": stimulus.intensity,
            "view": stimulus.view,
            "facs": stimulus.facs,
        }
        for stimulus, person in zip(stimuli, people, strict=True)
    ]
    return to_csv(rows, columns)


def _number(known: int | None) -> int | str:
    return "" if known is None else known


def preload(stimuli: Sequence[Stimulus]) -> bytes:
    """Parameters of a preload trial of jsPsych, but for its type."""
    paths = [image_path(stimulus) for stimulus in stimuli]
    return json.dumps({"images": paths}, indent=1).encode() + b"\n"
