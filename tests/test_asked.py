"""Asked against measured, as one table."""

from __future__ import annotations

import csv
import io

from synfer_core.asked import COLUMNS, rows_of, to_csv
from synfer_core.facs import EXPRESSIONS
from synfer_core.report import AUReading, Label
from synfer_core.request import Recipe

RECIPE = Recipe.parse(
    {"aus": {"AU12": 3.0, "AUL4": 2.0}, "expression": "happiness", "identity_seed": 4, "seed": 9}
)
READING = AUReading({"AUL12": 2.0, "AUR12": 3.0, "AUL4": 2.5, "AU25": 1.5, "AU26": 0.9}, "reader 1")


def test_units_and_expression_are_set_against_what_was_asked() -> None:
    label = Label(tuple(float(name == "surprise") for name in EXPRESSIONS), "feranno 1")
    rows = {row["what"]: row for row in rows_of("a face", RECIPE, [READING], label)}
    assert list(rows) == ["AU12", "AUL4", "AU25", "expression"], "AU26 is below what is noticed"
    assert (rows["AU12"]["asked"], rows["AU12"]["measured"]) == (3.0, 2.5)
    assert rows["AU12"]["difference"] == -0.5
    assert (rows["AUL4"]["difference"], rows["AU25"]["difference"]) == (0.5, 1.5)
    assert rows["AU25"]["reader"] == "reader 1"
    said = rows["expression"]
    assert (said["asked"], said["measured"]) == ("happiness", "surprise")
    assert (said["difference"], said["reader"]) == ("other", "feranno 1")


def test_what_a_reader_cannot_tell_stays_empty() -> None:
    rows = rows_of("a face", RECIPE, [AUReading({"AUL4": 1.0}, "r")], None)
    smile = next(row for row in rows if row["what"] == "AU12")
    assert (smile["measured"], smile["difference"]) == ("", "")
    assert rows[-1]["measured"] == rows[-1]["reader"] == ""


def test_the_table_goes_round_by_csv() -> None:
    rows = rows_of("one, two", RECIPE, [READING], None)
    found = list(csv.DictReader(io.StringIO(to_csv(rows).decode())))
    assert tuple(found[0]) == COLUMNS
    assert {row["face"] for row in found} == {"one, two"}
    assert len(found) == len(rows)
