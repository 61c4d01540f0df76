from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from synfer_core.errors import DataError, RejectedError
from synfer_core.fetext.labels import OPENGRAPHAU, AULabels, ByFile
from synfer_core.fetext.sources import Item
from tests.fetext.seen import SEEN


def write(path: Path, *rows: tuple[str, dict[str, float]], without: str = "") -> Path:
    columns = ["key", *(name for name in OPENGRAPHAU if name != without)]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for key, values in rows:
            table.writerow([key, *(values.get(name, 0.0) for name in columns[1:])])
    return path


def test_a_file_gives_probabilities_that_are_no_intensities(tmp_path: Path) -> None:
    path = write(tmp_path / "aus.csv", ("a.jpg", {"AU1": 0.9, "AUL12": 0.75, "AU12": 0.6}))
    labeller = ByFile.load(path)
    labels = labeller.label(Item("a.jpg"), SEEN)
    assert labels.source == "aus.csv"
    assert labels.aus == {}
    assert labels.occurrence is not None
    assert len(labels.occurrence) == len(set(OPENGRAPHAU)) == 41
    assert labels.occurrence[OPENGRAPHAU.index("AUL12")] == pytest.approx(0.75)
    assert labels.worded == {"AU1": 3.0, "AUL12": 3.0}


def test_an_image_without_a_row_is_refused_with_the_reason(tmp_path: Path) -> None:
    labeller = ByFile.load(write(tmp_path / "aus.csv", ("a.jpg", {})))
    with pytest.raises(RejectedError) as caught:
        labeller.label(Item("b.jpg"), SEEN)
    assert caught.value.reason == "no_aus"


def test_sides_are_worded_together_and_unknown_units_not_at_all() -> None:
    there = {"AUL4", "AUR4", "AU19", "AU6"}
    occurrence = tuple(float(name in there) for name in OPENGRAPHAU)
    assert AULabels("x", occurrence=occurrence).worded == {"AU4": 3.0, "AU6": 3.0}
    assert AULabels("x", {"AU12": 2.0}).worded == {"AU12": 2.0}


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan])
def test_what_is_no_probability_is_refused_by_line_and_unit(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "aus.csv", ("a.jpg", {}), ("b.jpg", {"AU9": value}))
    with pytest.raises(DataError, match="line 3: AU9"):
        ByFile.load(path)


def test_missing_columns_and_keys_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column AUR14"):
        ByFile.load(write(tmp_path / "aus.csv", without="AUR14"))
    with pytest.raises(DataError, match="comes twice"):
        ByFile.load(write(tmp_path / "aus.csv", ("a.jpg", {}), ("a.jpg", {})))
