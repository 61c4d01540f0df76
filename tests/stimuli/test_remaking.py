from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from synfer_core.errors import CancelledError, DataError, RequestError, WeightsError
from synfer_core.stimuli import table
from synfer_core.stimuli.making import Step
from synfer_core.stimuli.remaking import remake
from synfer_core.stimuli.store import MemoryStore
from synfer_core.stimuli.table import Wanted
from tests.stimuli import sets
from tests.stimuli.drawn import TOOLS

Change = Callable[[list[dict[str, str]]], object]


def csv_of(change: Change = lambda rows: None, **fields: object) -> bytes:
    """The table of a set, changed."""
    _, files = sets.written(**fields)
    reader = csv.DictReader(io.StringIO(files[table.FILE].decode()))
    rows = list(reader)
    change(rows)
    return table.to_csv(rows, list(rows[0]) if rows else table.COLUMNS)


def read(tmp_path: Path, data: bytes) -> tuple[Wanted, ...]:
    path = tmp_path / "stimuli.csv"
    path.write_bytes(data)
    return table.read(path)


@pytest.mark.parametrize(
    "treatment",
    [
        sets.TREATMENT,
        {"crop": "oval", "greyscale": True, "match": "histogram"},
        {"align": "none", "background": 200, "size": 100},
        {"align": "none"},
    ],
)
def test_a_table_alone_makes_the_same_pixels(tmp_path: Path, treatment: object) -> None:
    steps: list[Step] = []
    wanted = read(tmp_path, csv_of(treatment=treatment))
    made = list(remake(wanted, TOOLS, MemoryStore(), steps.append))
    assert [one.agrees for one in made] == [True] * 10
    assert len(steps) == 10


def test_a_table_that_a_german_spreadsheet_saved_is_the_same(tmp_path: Path) -> None:
    plain = csv_of()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    for row in csv.reader(io.StringIO(plain.decode())):
        writer.writerow([re.sub(r"^(\d+)\.(\d+)$", r"\1,\2", cell) for cell in row])
    assert read(tmp_path, text.getvalue().encode("utf-16")) == read(tmp_path, plain)


def test_one_row_is_enough(tmp_path: Path) -> None:
    def one(rows: list[dict[str, str]]) -> None:
        rows[:] = [{name: rows[7][name] for name in table.NEEDED}]

    made = list(remake(read(tmp_path, csv_of(one)), TOOLS, MemoryStore(), lambda _: None))
    assert [(one.wanted.file, one.agrees) for one in made] == [
        ("002_happiness_100_front.png", True)
    ]


def test_images_that_differ_are_told_apart(tmp_path: Path) -> None:
    def forge(rows: list[dict[str, str]]) -> None:
        rows[2]["recipe"] = rows[3]["recipe"]
        rows[4]["treatment"] = json.dumps({**json.loads(rows[4]["treatment"]), "size": 64})

    made = list(remake(read(tmp_path, csv_of(forge)), TOOLS, MemoryStore(), lambda _: None))
    assert [n for n, one in enumerate(made) if not one.agrees] == [2, 4]


def test_another_model_is_named(tmp_path: Path) -> None:
    other = replace(TOOLS, model_sha256=lambda _: "b" * 64)
    made = list(remake(read(tmp_path, csv_of()), other, MemoryStore(), lambda _: None))
    assert all(isinstance(one.error, WeightsError) for one in made)
    assert not any(one.agrees for one in made)


def test_cancelling_ends_the_run(tmp_path: Path) -> None:
    def stop(_: Step) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        list(remake(read(tmp_path, csv_of()), TOOLS, MemoryStore(), stop))


@pytest.mark.parametrize(
    ("column", "value", "field"),
    [
        ("file", "../a.png", "row 2, file"),
        ("file", "001_NEUTRAL_000_front.png", "file"),
        ("recipe", "{", "row 2, recipe"),
        ("recipe", '{"steps": 0}', "row 2, steps"),
        ("treatment", '{"size": 3}', "row 2, size"),
    ],
)
def test_tables_that_make_no_set(tmp_path: Path, column: str, value: str, field: str) -> None:
    def spoil(rows: list[dict[str, str]]) -> None:
        rows[1][column] = value

    data = csv_of(spoil)
    with pytest.raises((DataError, RequestError)) as caught:
        read(tmp_path, data)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"file,recipe\na.png,{}\n",
        b"\xff\xfe",
        b",".join(n.encode() for n in table.NEEDED) + b"\n",
        b",".join(n.encode() for n in table.NEEDED) + b"\na.png\n",
        b'"a\n',
    ],
)
def test_files_that_are_no_table(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError):
        read(tmp_path, data)
