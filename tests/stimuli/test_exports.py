"""PsychoPy's and jsPsych's documented rules, applied to what is written for them."""

from __future__ import annotations

import csv
import io
import json
import keyword
import re

from synfer_core.facekit.demographics import traits_of
from tests.stimuli import sets

RESERVED = {
    # Names that PsychoPy Builder's generated scripts use or import.
    *("KeyResponse", "key_resp", "buttons", "continueRoutine", "expInfo", "expName", "thisExp"),
    *("filename", "logFile", "paramName", "t", "frameN", "currentLoop", "dlg", "endExpNow", "win"),
    *("globalClock", "routineTimer", "frameDur", "theseKeys", "x", "y", "level", "component"),
    *("visual", "core", "data", "event", "gui", "sound", "os", "np", "sin", "cos", "average"),
    *("random", "shuffle", "std", "pi", "normal", "asarray", "linspace", "logging", "monitors"),
}


def check_psychopy(data: bytes) -> list[dict[str, str]]:
    """The rules of PsychoPy's conditions files (psychopy.data.importConditions); their rows."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True))
    names = rows[0]
    assert len(set(names)) == len(names), "names are unique"
    for name in names:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name), "a letter, then no punctuation"
        assert name not in RESERVED
        assert not keyword.iskeyword(name)
        assert not re.match(r"this|these|continue|.*(Clock$|component)", name)
    for row in rows[1:]:
        assert len(row) == len(names)
        for cell in row:
            assert not cell.startswith(("[", "(")), "PsychoPy evaluates lists"
            assert "\\n" not in cell
            assert "," not in cell
    return [dict(zip(names, row, strict=True)) for row in rows[1:]]


def test_psychopy_takes_the_conditions() -> None:
    _, files = sets.written(action_units=["AUL12"])
    rows = check_psychopy(files["conditions.csv"])
    assert [row["image_file"] for row in rows] == [n for n in files if n.startswith("images/")]
    assert [row["intensity"] for row in rows[:3]] == ["0", "50", "100"]
    assert rows[2]["facs"] == "6C+12D+25B"
    tones = {row["subject"]: row["skin_tone"] for row in rows}
    assert tones == {"1": traits_of(1)["skin_tone"], "2": traits_of(8)["skin_tone"]}


def test_jspsychs_preload_takes_the_list() -> None:
    _, files = sets.written()
    trial = json.loads(files["jspsych_preload.json"])
    assert set(trial) == {"images"}
    assert all(isinstance(path, str) for path in trial["images"])
    assert trial["images"] == [name for name in files if name.startswith("images/")]
