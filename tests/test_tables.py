"""Tables are read however a spreadsheet saved them, and what is written is read back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synfer_core.tables import Rows, Writer, number_in, opened_rows, rows_of

TEXT = 'name;aus;x\r\n"a;b";0,5;"{""k"": 1.5}"\r\n\r\nüö;;\r\n'
FOUND = [
    {"name": "a;b", "aus": "0,5", "x": '{"k": 1.5}'},
    {"name": "üö", "aus": "", "x": ""},
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "sep=;\r\n"])
def test_tables_of_spreadsheets_are_read(
    encoding: str, mark: str, start: str, tmp_path: Path
) -> None:
    # Zeros tell UTF-16 without a mark, where the text is long enough.
    text = (start + TEXT).replace(";", mark).replace("name", "name" + " " * 210)
    data = text.encode(encoding)
    found = [dict(row) for row in rows_of(data)]
    assert found == [{**row, "name": row["name"].replace(";", mark)} for row in FOUND]
    (tmp_path / "t.csv").write_bytes(data)
    with opened_rows(tmp_path / "t.csv") as rows:
        assert [dict(row) for row in rows] == found


def test_lines_are_counted_as_in_the_file() -> None:
    rows = rows_of(b"sep=,\na,b\n1,2\n\n3,4\n")
    assert [rows.line for _ in rows] == [3, 5]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,a\n1,2\n", "column a comes twice"),
        (b"a,b\n1\n", "line 2 is cut short: 1 of 2"),
        (b"a,b\n0,5,1\n", "line 2 has 3 cells"),
        (b"PK\x03\x04\x14\0\x06\0", "workbook"),
        (b'a,b\n"1,2\n', "line 2: a quotation mark is open at the end"),
        (b"a,b\n1,\x81\x8d\xff\n", "^it is no text in UTF-8"),
        (b"a,b\n1," + b"2" * 140_000, "line 2: field larger than field limit"),
        (b"a,b\n1," + b"2" * (1 << 20), "^line 2 has 1,048,576 characters and more"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(data: bytes, words: str) -> None:
    with pytest.raises(csv.Error, match=words):
        list(rows_of(data))


@pytest.mark.parametrize(
    ("cell", "value"),
    [("0,06", 0.06), ("-1,5e-3", -0.0015), ("2.5", 2.5), (" 3 ", 3.0), ("", None), ("NaN", None)],
)
def test_numbers(cell: str, value: float | None) -> None:
    assert number_in(cell) == value


@pytest.mark.parametrize("cell", ["much", "1.234,5", "1,2,3", "0x1"])
def test_what_is_no_number(cell: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        number_in(cell)


def written(*rows: dict[str, object]) -> str:
    text = io.StringIO()
    writer = Writer(text, ["a"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+a", "'+a"),
        ("-a.png", "'-a.png"),
        ("@x", "'@x"),
        ("'=x", "''=x"),
        ("'x", "'x"),
        (-1.5, "-1.5"),
        ("-1.5", "-1.5"),
    ],
)
def test_no_cell_is_computed(cell: object, text: str) -> None:
    assert written({"a": cell}) == f"a\n{text}\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(str.strip), min_size=1))
def test_every_text_comes_back(cells: list[str]) -> None:
    kept = [cell for cell in cells if cell]
    assert [row["a"] for row in rows_of(written(*({"a": cell} for cell in kept)).encode())] == kept


def test_tabs_and_returns_are_text_too() -> None:
    for cell in ("\t=x", "\rx"):
        assert "'" + cell in written({"a": cell})
    assert isinstance(rows_of(b"a\n1\n"), Rows)
