"""Files for the programs that run experiments: PsychoPy's conditions and jsPsych's preload list.

PsychoPy (https://psychopy.org/builder/flow.html) makes a variable of each column of a conditions
file: names are unique, start with a letter, and hold letters, digits and underscores. jsPsych's
preload plugin (https://www.jspsych.org/latest/plugins/preload/) takes lists of paths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from synfer_core.stimuli.plan import Stimulus
from synfer_core.stimuli.table import Row, to_csv

IMAGES = "images"
"""Folder of the images, below that of the files."""

CONDITIONS, PRELOAD = "conditions.csv", "jspsych_preload.json"


def image_path(stimulus: Stimulus) -> str:
    """Where an image lies, seen from the files beside its folder."""
    return f"{IMAGES}/{stimulus.file}"


def conditions(stimuli: Sequence[Stimulus]) -> bytes:
    """A conditions file for PsychoPy: one row an image; ``$image_file`` is its path."""
    rows: list[Row] = [
        {
            "image_file": image_path(stimulus),
            "subject": stimulus.subject,
            "expression": stimulus.expression,
            "intensity": stimulus.intensity,
            "view": stimulus.view,
            "facs": stimulus.facs,
        }
        for stimulus in stimuli
    ]
    return to_csv(rows, rows[0])


def preload(stimuli: Sequence[Stimulus]) -> bytes:
    """Parameters of a preload trial of jsPsych, but for its type."""
    paths = [image_path(stimulus) for stimulus in stimuli]
    return json.dumps({"images": paths}, indent=1).encode() + b"\n"
