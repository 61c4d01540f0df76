from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synfer_core.data.export import FORMS, Form, export
from synfer_core.errors import DataError, RequestError
from synfer_core.facekit.identity import split_of
from synfer_core.facs import EXPRESSIONS
from synfer_core.provenance.export import pixels_sha256
from tests.data.drawn_set import DrawnWorkshop, build, files, plan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "set"
    build(folder, DrawnWorkshop(plan(people={"balance": ["sex"]})))
    return folder


def pixels(png: bytes) -> str:
    return pixels_sha256(np.asarray(Image.open(io.BytesIO(png))))


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_folder_for_each_label(made: Path, tmp_path: Path) -> None:
    assert export(made, "imagefolder", tmp_path / "out") == 12
    rows = table(tmp_path / "out/train/metadata.csv")
    assert len(rows) == 12
    for row in rows:
        data = (tmp_path / "out/train" / row["file_name"]).read_bytes()
        assert pixels(data) == row["pixels_sha256"]
        assert row["file_name"].startswith(row["label"])
        assert row["apparent_sex"] in ("woman", "man")
    happy = next(row for row in rows if row["label"] == "happiness")
    assert float(happy["asked_AUL12"]) > 0
    assert {p.name for p in (tmp_path / "out/train").iterdir()} == {
        *("happiness", "surprise", "metadata.csv")
    }


def test_parquet_holds_images_and_what_hugging_face_asks_for(made: Path, tmp_path: Path) -> None:
    export(made, "parquet", tmp_path / "out")
    table = pq.read_table(tmp_path / "out/data/train-00000.parquet")
    rows = table.to_pylist()
    assert [pixels(row["image"]["bytes"]) for row in rows] == [r["pixels_sha256"] for r in rows]
    assert {EXPRESSIONS[row["label"]] for row in rows} == {"happiness", "surprise"}
    known = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert known["image"] == {"_type": "Image"}
    assert known["label"]["names"] == list(EXPRESSIONS)
    assert list(known) == table.column_names
    assert known["asked_AUL12"]["dtype"] == "float32"


def test_tar_files_hold_one_sample_a_name(made: Path, tmp_path: Path) -> None:
    export(made, "webdataset", tmp_path / "out")
    with tarfile.open(tmp_path / "out/train-000000.tar") as tar:
        members = {m.name: tar.extractfile(m) for m in tar.getmembers()}
        names = list(members)
        assert names[:3] == ["00000000.cls", "00000000.json", "00000000.png"]
        assert len(names) == 36
        read = {name: file.read() for name, file in members.items() if file}
    known = json.loads(read["00000000.json"])
    assert pixels(read["00000000.png"]) == known["pixels_sha256"]
    assert EXPRESSIONS[int(read["00000000.cls"])] == known["label"]
    assert known["recipe"]["expression"] == known["asked"]


@pytest.mark.parametrize("form", FORMS)
def test_equal_sets_give_equal_files_and_people_stay_apart(
    made: Path, tmp_path: Path, form: Form
) -> None:
    for name in ("one", "two"):
        assert export(made, form, tmp_path / name, splits=True) == 12
    assert files(tmp_path / "one") == files(tmp_path / "two")
    if form == "imagefolder":
        for split in ("train", "validation", "test"):
            path = tmp_path / "one" / split / "metadata.csv"
            people = [int(row["person"]) for row in table(path)] if path.exists() else []
            assert all(split.startswith(split_of(person)) for person in people)


def test_a_changed_image_or_a_full_target_is_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").touch()
    with pytest.raises(RequestError, match="is there already"):
        export(made, "parquet", tmp_path / "out")
    other = tmp_path / "other"
    build(other, DrawnWorkshop(plan()))
    (other / "images/000000/00000001.png").write_bytes(b"another")
    with pytest.raises(DataError, match="is not the file that was made"):
        export(other, "webdataset", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(DataError, match="cannot be read"):
        export(tmp_path, "webdataset", tmp_path / "none")
