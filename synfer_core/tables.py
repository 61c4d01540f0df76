"""Tables as CSV: read however a spreadsheet saved them, written so that no spreadsheet computes.

Spreadsheets in German save semicolons and decimal commas, others tabs; Excel saves "Unicode text"
in UTF-16. What the cells mean is for the callers to say: here are columns, cells and numbers.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "-"})
"""What tables have where a value is missing, lower case."""

_DELIMITERS = ",;\t|"
_HEAD = 1 << 16
_LONGEST = 1 << 20
_MEANT = {"unexpected end of data": "a quotation mark is open at the end"}
_NO_TEXT = "it is no text in UTF-8, UTF-16 or Windows-1252"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_COMPUTED = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


class _Line(csv.Error):
    """A line that cannot be read, told in whole: `Rows` adds no number (a decoder reads ahead)."""


class Rows(Iterator[dict[str, str]]):
    """The rows of a table by column; blank lines are passed over.

    Args:
        lines: The table's text, opened with ``newline=""``.

    Raises:
        csv.Error: A column comes twice, a row has cells without a column or lacks cells, a line is
            longer than a million characters, or it is no text; says so.

    Attributes:
        columns: Their names.
        line: Line of the file that the last row ended on, from 1.
    """

    def __init__(self, lines: IO[str]):
        given = _lines(lines)
        first = next(given, "")
        named = _SEPARATOR.fullmatch(first)
        self._before = 1 if named else 0
        head = next(given, "") if named else first
        if "\0" in head or head.startswith("PK\x03\x04"):
            raise csv.Error("it is no text; a workbook of a spreadsheet has to be saved as CSV")
        delimiter = named[1] if named else _delimiter(head)
        self._cells = csv.reader(
            _chain(head, given), delimiter=delimiter, skipinitialspace=True, strict=True
        )
        self.columns: tuple[str, ...] = tuple(map(str.strip, self._taken() or []))
        twice = sorted({name for name in self.columns if name and self.columns.count(name) > 1})
        if twice:
            raise csv.Error(f"column {twice[0]} comes twice")

    @property
    def line(self) -> int:
        return self._cells.line_num + self._before

    def __next__(self) -> dict[str, str]:
        cells = self._taken()
        while cells is not None and not any(map(str.strip, cells)):
            cells = self._taken()
        if cells is None:
            raise StopIteration
        width = len(self.columns)
        if len(cells) < width:
            raise csv.Error(f"line {self.line} is cut short: {len(cells)} of {width} cells")
        if any(map(str.strip, cells[width:])):
            raise csv.Error(
                f"line {self.line} has {len(cells)} cells, and the first line names {width}; "
                "numbers with decimal commas need another separator"
            )
        return {
            name: _plain(cell.strip(" ")) for name, cell in zip(self.columns, cells, strict=False)
        }

    def _taken(self) -> list[str] | None:
        """The next cells; None at the end."""
        try:
            return next(self._cells, None)
        except _Line:
            raise
        except csv.Error as error:
            why = _MEANT.get(str(error), str(error))
            raise csv.Error(f"line {self.line}: {why}") from error


def _lines(text: IO[str]) -> Iterator[str]:
    """The lines of a text, none of them endless.

    Raises:
        csv.Error: One is too long, or is no text.
    """
    for number in count(1):
        try:
            line = text.readline(_LONGEST)
        except UnicodeDecodeError as error:
            raise _Line(_NO_TEXT) from error
        if len(line) == _LONGEST:
            raise _Line(f"line {number} has {_LONGEST:,} characters and more")
        if not line:
            return
        yield line


def _delimiter(head: str) -> str:
    """The one that splits the first line most; a comma where none does."""
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([head], delimiter=mark), [])))


def _chain(head: str, lines: Iterable[str]) -> Iterator[str]:
    yield head
    yield from lines


def _encoding(head: bytes) -> str:
    """UTF-8, UTF-16 by its mark or by its zeros, or else what Windows in the West saves."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if head[1:400:2].count(0) > 100 or head[:400:2].count(0) > 100:
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def rows_of(data: bytes) -> Rows:
    """The rows of a table in memory.

    Raises:
        csv.Error: See `Rows`.
    """
    return Rows(io.TextIOWrapper(io.BytesIO(data), encoding=_encoding(data), newline=""))


@contextmanager
def opened_rows(path: Path) -> Iterator[Rows]:
    """The rows of a table in a file of any size, read as they are taken.

    Raises:
        OSError: It cannot be read.
        csv.Error: See `Rows`.
    """
    with path.open("rb") as file:
        encoding = _encoding(file.read(_HEAD))
    with path.open(encoding=encoding, newline="") as text:
        yield Rows(text)


def number_in(cell: str) -> float | None:
    """A cell as a number, with a decimal point or comma; None where its value is missing.

    Raises:
        ValueError: It is no number.
    """
    text = cell.strip()
    if text.lower() in MISSING:
        return None
    return float(text.replace(",", ".") if _COMMA.fullmatch(text) else text)


class Writer:
    """Writes rows by column; text that a spreadsheet would compute begins with an apostrophe.

    `Rows` takes the apostrophe off again.

    Args:
        file: Opened with ``newline=""``.
        columns: In their order.
    """

    def __init__(self, file: IO[str], columns: Sequence[str]):
        self._csv = csv.DictWriter(file, columns, lineterminator="\n")

    def writeheader(self) -> None:
        """Write the names of the columns."""
        self._csv.writeheader()

    def writerow(self, row: Mapping[str, Any]) -> None:
        """Write one row; cells that it lacks stay empty."""
        self._csv.writerow({name: _as_text(cell) for name, cell in row.items()})

    def writerows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows one after another."""
        for row in rows:
            self.writerow(row)


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str) or not _COMPUTED.match(cell):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _plain(cell: str) -> str:
    return cell[1:] if _QUOTED.match(cell) else cell
