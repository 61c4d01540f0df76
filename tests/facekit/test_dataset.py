from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from synfer_core.errors import DataError, RequestError
from synfer_core.facekit.dataset import (
    METADATA_KEY,
    SCHEMA,
    DatasetConfig,
    identity_of,
    render_dataset,
    scene_of,
)
from synfer_core.facekit.identity import CODE_SIZE, sample_code, split_of
from synfer_core.facs import AU_SLOTS

SMALL = DatasetConfig(count=6, size=32, seed=3, per_identity=2, per_shard=2)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"count": 0}, "count"),
        ({"size": 8}, "size"),
        ({"seed": -1}, "seed"),
        ({"distribution": "wild"}, "distribution"),
        ({"split": "holdout"}, "split"),
        ({"per_identity": 3}, "per_shard"),
        ({"quality": 101}, "quality"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        DatasetConfig(**{"count": 10, "per_shard": 500, "per_identity": 5, **wrong})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_scenes_depend_on_seed_and_index_alone() -> None:
    larger = DatasetConfig(count=99, size=64, seed=3, per_identity=2, per_shard=8)
    first, again = scene_of(SMALL, 4), scene_of(larger, 4)
    assert first[1] == again[1]
    assert first[0].aus == again[0].aus
    other = scene_of(DatasetConfig(count=6, seed=4, per_identity=2, per_shard=2), 4)
    assert first[1] != other[1]


def test_images_of_a_person_come_in_runs() -> None:
    people = [identity_of(SMALL, i) for i in range(6)]
    assert people[0] == people[1] != people[2] == people[3]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_draws_its_own_identities(split: str) -> None:
    config = DatasetConfig(count=50, split=split)
    assert {split_of(identity_of(config, i)) for i in range(50)} == {split}


def test_rendered_rows_hold_what_the_scene_says(pack_path: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = render_dataset(
        SMALL, tmp_path / "set", pack=pack_path, progress=lambda *p: seen.append(p)
    )
    assert seen == [(2, 6), (4, 6), (6, 6)]
    assert [p.name for p in sorted(folder.iterdir())] == [
        f"shard-{number:06d}.parquet" for number in range(3)
    ]
    table = pq.read_table(folder)
    assert table.schema.equals(SCHEMA)
    rows = table.to_pylist()
    assert [row["index"] for row in rows] == list(range(6))
    for row in rows:
        scene, words = scene_of(SMALL, row["index"])
        data = np.frombuffer(row["image"]["bytes"], np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (32, 32, 3)
        assert row["caption"] == words
        assert row["expression"] == scene.expression
        assert len(row["aus"]) == len(AU_SLOTS)
        assert all(0 <= v <= 5 for v in row["aus"])
        np.testing.assert_array_equal(
            np.float32(row["identity_code"]), sample_code(row["identity"])
        )
        assert len(row["identity_code"]) == CODE_SIZE
        assert row["split"] == split_of(row["identity"])
        assert row["yaw"] == pytest.approx(scene.pose.yaw, abs=1e-5)
    kept = json.loads(pq.read_schema(folder / "shard-000000.parquet").metadata[METADATA_KEY])
    assert (kept["seed"], kept["size"], kept["distribution"]) == (3, 32, "calm")


def test_resumed_and_parallel_runs_give_the_same_bytes(pack_path: Path, tmp_path: Path) -> None:
    alone = render_dataset(SMALL, tmp_path / "alone", pack=pack_path)
    shards = {p.name: p.read_bytes() for p in alone.iterdir()}
    (alone / "shard-000001.parquet").unlink()
    untouched = (alone / "shard-000000.parquet").stat().st_mtime_ns
    render_dataset(SMALL, alone, pack=pack_path)
    assert (alone / "shard-000000.parquet").stat().st_mtime_ns == untouched
    assert {p.name: p.read_bytes() for p in alone.iterdir()} == shards
    together = render_dataset(SMALL, tmp_path / "together", pack=pack_path, workers=2)
    assert {p.name: p.read_bytes() for p in together.iterdir()} == shards


def test_folders_of_other_settings_are_refused(pack_path: Path, tmp_path: Path) -> None:
    one = DatasetConfig(count=1, size=32, per_identity=1, per_shard=2)
    render_dataset(one, tmp_path, pack=pack_path)
    with pytest.raises(DataError, match="other settings"):
        render_dataset(
            DatasetConfig(count=1, size=32, seed=1, per_identity=1, per_shard=2), tmp_path
        )
    more = DatasetConfig(count=2, size=32, per_identity=1, per_shard=2)
    render_dataset(more, tmp_path, pack=pack_path)
    assert pq.read_metadata(tmp_path / "shard-000000.parquet").num_rows == 2
    (tmp_path / "shard-000000.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="damaged"):
        render_dataset(more, tmp_path, pack=pack_path)
