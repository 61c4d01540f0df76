from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synfer_core.facs import AU_SLOTS
from synfer_core.fetext.caption import Caption
from synfer_core.fetext.labels import OPENGRAPHAU, AULabels
from synfer_core.fetext.records import Record
from synfer_core.fetext.shards import COLUMNS, SCHEMA, WRITERS, file_name, to_parquet, to_tar
from synfer_core.fetext.sources import Item
from tests.fetext.seen import SEEN

RECORD = Record(
    index=7,
    item=Item("a/b.jpg", expression="fear", valence=0.5),
    source_sha256="0" * 64,
    width=300,
    height=200,
    image=np.full((64, 64, 3), (200, 90, 40), np.uint8),
    seen=SEEN,
    labels=AULabels("reader 1", {"AU12": 4.00049, "AUL1": 1.0}),
    attributes={"beard": "none"},
    caption=Caption("a person", "somebody", ("a note",)),
    upscaler="lanczos",
)
BY_FILE = replace(RECORD, index=8, labels=AULabels("aus.csv", occurrence=(0.25,) * 41))
ROWS = [RECORD.row(95), BY_FILE.row(95)]


def test_a_parquet_file_holds_the_records() -> None:
    data = to_parquet(ROWS)
    first, second = pq.read_table(io.BytesIO(data)).to_pylist()
    with Image.open(io.BytesIO(first["image"]["bytes"])) as image:
        np.testing.assert_allclose(np.asarray(image)[5, 5], (200, 90, 40), atol=6)
    assert (first["index"], first["key"], first["expression"]) == (7, "a/b.jpg", "fear")
    aus = dict(zip(AU_SLOTS, first["aus"], strict=True))
    assert (aus["AUL12"], aus["AUR12"], aus["AUL1"]) == (4.0, 4.0, 1.0)
    assert aus["AUR1"] is None
    assert first["au_occurrence"] is None
    assert second["au_occurrence"] == [0.25] * len(OPENGRAPHAU)
    assert set(second["aus"]) == {None}
    assert (first["beard"], first["glasses"], first["split"]) == ("none", None, None)
    assert first["roll"] == 3.0


def test_a_tar_file_holds_the_same_as_webdataset_groups_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(to_tar(ROWS))) as tar:
        assert tar.getnames()[:3] == ["000000007.webp", "000000007.txt", "000000007.json"]
        members = [tar.extractfile(name) for name in tar.getnames()]
        assert all(info.mtime == info.uid == info.gid == 0 for info in tar.getmembers())
        webp, text, rest = (member.read() for member in members[:3] if member)
    assert webp == ROWS[0]["image"]["bytes"]
    assert text == b"a person"
    assert json.loads(rest) == {k: v for k, v in ROWS[0].items() if k != "image"}


@pytest.mark.parametrize("container", sorted(WRITERS))
def test_the_same_records_are_the_same_bytes_and_none_are_a_file_too(container: str) -> None:
    write = WRITERS[container][1]
    assert write(ROWS) == write([RECORD.row(95), BY_FILE.row(95)])
    assert write([])
    assert file_name(3, container) in {"shard-000003.parquet", "shard-000003.tar"}


def test_every_column_is_described() -> None:
    assert list(COLUMNS) == SCHEMA.names == list(ROWS[0])
