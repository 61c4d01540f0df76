"""Tables of measured faces as other programs, spreadsheets and ``synfer annotate`` write them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from synfer_core.annotations.reading import Failed, Outcome, Read
from synfer_core.annotations.table import PYFEAT_UNITS, STYLES, Writer
from synfer_core.data.aus import Table
from synfer_core.data.spec import AUs
from synfer_core.errors import ImageError, RequestError
from synfer_core.faces.second_opinion import SecondOpinion
from synfer_core.facs import AU_SLOTS
from synfer_core.report import Annotation, AttentionMaps, AUReading, Label

PYFEAT = (
    "frame,FaceRectX,FaceScore,AU06,AU11,AU12,anger,happiness,input\n"
    "0,1,0.99,0.91,1.0,0.98,0,0.99,a.jpg\n"
    "1,,,,,,,,b.jpg\n"
)
OPENFACE = "frame;success;AU06_r;AU12_r;AU12_c;AU45_r\n1;1;1,83;2,41;1;0,00\n2;0;0,00;0,00;0;0,00\n"


def read(text: str | bytes, tmp_path: Path, scale: float | None = None) -> Table:
    path = tmp_path / "faces.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Table.read(path, scale)


def test_py_feats_numbers_go_from_0_to_1(tmp_path: Path) -> None:
    table = read(PYFEAT, tmp_path)
    assert table.rows == ({"AU6": 4.55, "AU12": 4.9},)
    assert table.labels is None
    assert table.notes == (
        "AU11 of the table: no face here can do it; passed over.",
        "1 rows of the table show no face and were left out.",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mark", [";", "\t"])
def test_openfaces_table_from_a_german_spreadsheet(
    encoding: str, mark: str, tmp_path: Path
) -> None:
    table = read(OPENFACE.replace(";", mark).encode(encoding), tmp_path)
    assert table.rows == ({"AU6": 1.83, "AU12": 2.41},)


def test_a_number_without_its_unit_takes_the_scale_that_is_declared(tmp_path: Path) -> None:
    text = "AU12,AU6,expression\n0.5,1,happy\n0.2,0,\n"
    with pytest.raises(RequestError, match=r"aus\.scale: is not said"):
        read(text, tmp_path)
    assert read(text, tmp_path, 5).rows == ({"AU12": 0.5, "AU6": 1.0}, {"AU12": 0.2})
    table = read(text, tmp_path, 1)
    assert table.rows == ({"AU12": 2.5, "AU6": 5.0}, {"AU12": 1.0})
    assert table.labels == ("happiness", None)
    assert read(text.replace("0.5", "2.5"), tmp_path).rows[0] == {"AU12": 2.5, "AU6": 1.0}
    with pytest.raises(RequestError, match="0 to 1"):
        read(text.replace("0.5", "2.5"), tmp_path, 1)


def test_libreface_names_its_columns_in_its_own_way(tmp_path: Path) -> None:
    table = read("au_6_intensity,au_12_intensities\n0.5,0.25\n", tmp_path)
    assert table.rows == ({"AU6": 0.5, "AU12": 0.25},)


def test_libreface_says_beside_the_intensity_whether_a_unit_is_there(tmp_path: Path) -> None:
    table = read("au_12_intensity,au_12,au_6_intensity,au_6\n0.5,1,0.25,0\n", tmp_path)
    assert table.rows == ({"AU12": 0.5, "AU6": 0.25},)


def test_a_unit_with_two_columns_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="AU12 has the columns AU12, AU_12"):
        read("AU12,AU_12\n2,3\n", tmp_path)


def test_a_stimulus_sets_table_gives_what_was_measured(tmp_path: Path) -> None:
    text = "file;expression;aus;measured_facs;measured_AUL12\n"
    text += 'a.png;happiness;"{}";12L;0,8\nb.png;au12;"{}";;0,9\n'
    table = read(text, tmp_path)
    assert table.rows == ({"AUL12": 0.8}, {"AUL12": 0.9})
    assert table.labels == ("happiness", None)


def test_a_scale_goes_with_a_table() -> None:
    with pytest.raises(RequestError, match="is of a table"):
        AUs(scale=1)


def outcomes(faint: bool) -> list[Outcome]:
    """A face that was read, of whose units none is above 1 where it is faint, and none."""
    aus = dict.fromkeys(AU_SLOTS, 0.0) | {"AUL12": 0.8, "AUR12": 0.8, "AU25": 0.5}
    if not faint:
        aus |= {"AUL6": 3.0, "AUR6": 3.0}
    label = Label((0.0, 1.0, *([0.0] * 6)), "feranno")
    image = np.zeros((8, 8, 3), np.uint8)
    annotation = Annotation(image, label, (AUReading(aus, "au-reader"),), AttentionMaps())
    nobody = Failed("b.png", ImageError("shows no face", field="b.png"))
    return [Read("=a.png", annotation, SecondOpinion(None), None), nobody]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("faint", [False, True])
def test_what_annotate_writes_is_read(style: str, faint: bool, tmp_path: Path) -> None:
    text = io.StringIO()
    writer = Writer(text, STYLES[style])
    for outcome in outcomes(faint):
        writer.write(outcome)
    table = read(text.getvalue(), tmp_path)
    assert len(table.rows) == 1
    expected = {"AU12": 0.8, "AU25": 0.5} | ({} if faint else {"AU6": 3.0})
    found = {key.replace("AUL", "AU").replace("AUR", "AU"): v for key, v in table.rows[0].items()}
    assert found == pytest.approx(expected, abs=1e-3)
    assert table.labels == (("happiness",) if style == "synfer" else None)
    assert "AU11" not in text.getvalue() or 11 in PYFEAT_UNITS
    assert "'=a.png" in text.getvalue()
