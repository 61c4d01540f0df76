from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synfer_core.errors import DataError, ImageError, RequestError
from synfer_core.fetext.sources import CSV, FOLDER, PARQUET, Item, Layout, Source


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def read(layout: Layout, root: Path) -> list[Item]:
    return list(Source(layout, root).items())


def known(item: Item) -> tuple[str, str | None, str | None]:
    return item.key, item.expression, item.split


def test_an_image_folder_is_listed_in_order_with_classes_and_splits(tmp_path: Path) -> None:
    files(tmp_path, "b.jpg", "a.PNG", "notes.txt", "train/Happy/2.webp", "train/happy/1.jpg",
          "val/contempt/3.jpeg", "someone/4.jpg")  # fmt: skip
    assert [known(item) for item in read(FOLDER, tmp_path)] == [
        ("a.PNG", None, None),
        ("b.jpg", None, None),
        ("someone/4.jpg", None, None),
        ("train/Happy/2.webp", "happiness", "train"),
        ("train/happy/1.jpg", "happiness", "train"),
        ("val/contempt/3.jpeg", "contempt", "val"),
    ]
    assert read(FOLDER, tmp_path)[0].read() == b"a.PNG"


def test_a_split_and_a_limit_choose(tmp_path: Path) -> None:
    files(tmp_path, "a.jpg", "test/1.jpg", "test/2.jpg", "test/3.jpg")
    chosen = Source(FOLDER, tmp_path, split="test", limit=2)
    assert [item.key for item in chosen.items()] == ["test/1.jpg", "test/2.jpg"]
    assert chosen.listing().count == 2
    with pytest.raises(DataError, match="no image in the split train"):
        Source(FOLDER, tmp_path, split="train").listing()
    with pytest.raises(RequestError, match="--limit"):
        Source(FOLDER, tmp_path, limit=0)


def test_the_fingerprint_is_of_names_sizes_and_labels(tmp_path: Path) -> None:
    source = Source(FOLDER, files(tmp_path, "sad/a.jpg", "sad/b.jpg"))
    first = source.listing()
    assert source.listing() == first
    (tmp_path / "sad/a.jpg").write_bytes(b"longer than it was")
    assert source.listing() != first
    item = read(FOLDER, tmp_path)[0]
    assert item.line() != replace(item, expression="fear").line()


def write_csv(path: Path, *rows: dict[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_csv_manifest(tmp_path: Path) -> None:
    files(tmp_path, "faces/a.jpg")
    rows = [
        {"path": "faces/a.jpg", "expression": "Angry", "split": "Training", "valence": "-0.5"},
        {"path": "faces/b.jpg", "expression": "bored", "split": "", "valence": "-2"},
        {"path": "faces/c.jpg", "expression": "", "split": "x", "valence": "?"},
    ]
    a, b, c = read(CSV, write_csv(tmp_path / "list.csv", *rows))
    assert known(a) == ("faces/a.jpg", "anger", "train")
    assert (a.valence, b.valence, c.valence) == (-0.5, None, None)
    assert a.read() == b"faces/a.jpg"
    assert "'bored'" in b.refusal
    assert known(c) == ("faces/c.jpg", None, None)
    assert (b.size, c.refusal) == (-1, "")
    with pytest.raises(ImageError, match="cannot be read"):
        b.read()


def test_a_csv_manifest_without_paths_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column path"):
        read(CSV, write_csv(tmp_path / "list.csv", {"file": "a.jpg"}))
    (tmp_path / "list.csv").write_bytes(b"path\n\x81\n")
    with pytest.raises(DataError, match="CSV"):
        read(CSV, tmp_path / "list.csv")


def test_parquet_with_paths_or_with_images(tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": data, "path": "x.webp"}, "expression": label, "split": "val"}
        for data, label in ((b"JPEG", "fear"), (b"more", "mixed"))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist([{"path": "x/3.jpg"}]), tmp_path / "b.parquet")
    files(tmp_path, "x/3.jpg")
    one, two, three = read(PARQUET, tmp_path)
    assert known(one) == ("a.parquet#0", "fear", "val")
    assert (one.read(), one.size, two.refusal) == (b"JPEG", 4, "label 'mixed' is not one of 8")
    assert (three.key, three.read()) == ("x/3.jpg", b"x/3.jpg")


def test_parquet_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match="Parquet"):
        read(PARQUET, tmp_path / "a.parquet")
    pq.write_table(pa.table({"file": ["a.jpg"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no column path or image"):
        read(PARQUET, tmp_path / "a.parquet")
    pq.write_table(pa.table({"path": ["a.jpg"], "expression": [3]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="column expression is int64"):
        read(PARQUET, tmp_path / "a.parquet")
