"""Building, and going on with what was begun."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from synfer_core.errors import BusyError, CancelledError, DataError, RequestError
from synfer_core.evaluation.fetext import digests
from synfer_core.fetext.build import JOURNAL, REJECTED, Built, Progress, Watch, build
from synfer_core.fetext.config import Config, Options
from synfer_core.fetext.gate import REASONS, Gate
from synfer_core.fetext.records import Tools
from synfer_core.fetext.sources import FOLDER, Source
from tests.faces.photo import needs_landmarker, portrait

pytestmark = needs_landmarker
OPTIONS = Options(size=96, per_shard=2, title="Two faces", licence="CC0")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good images and two bad ones."""
    folder = tmp_path_factory.mktemp("photos")
    for place, size, kind in (
        ("train/happy/1.jpg", 160, "smile"),
        ("train/happy/2.png", 80, "smile"),
        ("val/3.webp", 120, "neutral"),
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(portrait(size, kind)).save(folder / place)
    (folder / "train/sad").mkdir()
    (folder / "train/sad/broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    Image.new("RGB", (99, 99), "white").save(folder / "train/sad/blank.png")
    return folder


def ignore(_: Progress) -> None:
    pass


def make(
    photos: Path, out: Path, tools: Tools, options: Options = OPTIONS, watch: Watch = ignore
) -> Built:
    source = Source(FOLDER, photos)
    return build(source, tools, Config.of(options, source, source.listing(), tools), out, watch)


@pytest.fixture(scope="module")
def whole(photos: Path, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "set"
    make(photos, out, tools)
    return out


@pytest.fixture
def again(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "again"))


def test_good_images_come_out_and_bad_ones_are_listed(whole: Path) -> None:
    shards = [pq.read_table(path).to_pylist() for path in sorted(whole.glob("*.parquet"))]
    rows = [row for shard in shards for row in shard]
    assert [(row["index"], row["key"], row["expression"], row["split"]) for row in rows] == [
        (0, "train/happy/1.jpg", "happiness", "train"),
        (1, "train/happy/2.png", "happiness", "train"),
        (4, "val/3.webp", None, "val"),
    ]
    assert "with an expression of happiness" in rows[0]["caption"]
    assert [row["upscaler"] for row in rows] == ["none", "lanczos", "none"]
    listed = [json.loads(line) for line in (whole / REJECTED).read_text().splitlines()]
    assert [(entry["index"], entry["reason"]) for entry in listed] == [
        (2, "blank"),
        (3, "unreadable"),
    ]
    assert str(whole) not in (whole / REJECTED).read_text()


def test_the_data_sheet_tells_counts_rules_models_and_limits(whole: Path) -> None:
    text = (whole / "datasheet.md").read_text()
    assert text.startswith("# Data sheet: Two faces\n")
    for said in (
        "3 faces of 96 x 96 pixels",
        "| happiness | 2 |",
        "| no label | 1 |",
        f"| unreadable | 1 | {REASONS['unreadable']} |",
        "grey levels deviate by less than 4",
        "lanczos 1",
        "## Licence\n\nCC0",
        "must not be used for",
    ):
        assert said in text
    summary = json.loads((whole / "build.json").read_text())
    for model in summary["models"].values():
        assert model["sha256"] in text
    assert len(summary["shards"]) == 3


def test_what_is_whole_is_not_made_again(photos: Path, tools: Tools, again: Path) -> None:
    before = digests(again)
    assert make(photos, again, tools).read == 0
    assert digests(again) == before


def test_what_was_cancelled_or_damaged_is_finished_with_the_same_bytes(
    photos: Path, tools: Tools, whole: Path, tmp_path: Path
) -> None:
    def stop(step: Progress) -> None:
        if step.done == 3:
            raise CancelledError("enough")

    out = tmp_path / "set"
    with pytest.raises(CancelledError):
        make(photos, out, tools, watch=stop)
    assert len(list((out / JOURNAL).iterdir())) == 1
    (out / ".shard-000001.parquet.123.part").write_bytes(b"half")
    steps: list[Progress] = []
    assert make(photos, out, tools, watch=steps.append).read == 3
    assert [step.done for step in steps] == [3, 4, 5]
    assert steps[-1].seconds_left == 0
    assert digests(out) == digests(whole)
    (out / "shard-000000.parquet").write_bytes(b"damaged")
    assert make(photos, out, tools).read == 2
    assert digests(out) == digests(whole)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("options.quality", lambda o, t: (replace(o, quality=50), t)),
        ("options.per_shard", lambda o, t: (replace(o, per_shard=3), t)),
        ("gate.max_yaw", lambda o, t: (o, replace(t, gate=Gate(max_yaw=30)))),
    ],
)
def test_another_configuration_is_refused_with_the_field_that_differs(
    photos: Path,
    tools: Tools,
    again: Path,
    field: str,
    change: Callable[[Options, Tools], tuple[Options, Tools]],
) -> None:
    options, others = change(OPTIONS, tools)
    with pytest.raises(RequestError, match="was begun with") as caught:
        make(photos, again, others, options)
    assert caught.value.field == field


def test_another_input_is_refused(photos: Path, tools: Tools, again: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(photos, tmp_path / photos.name))
    (other / "val/3.webp").unlink()
    with pytest.raises(RequestError) as caught:
        make(other, again, tools)
    assert caught.value.field == "source.count"


def test_a_folder_with_something_else_in_it_is_left_alone(
    photos: Path, tools: Tools, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RequestError, match="something else"):
        make(photos, tmp_path, tools)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_processes_do_not_build_in_one_folder(photos: Path, tools: Tools, again: Path) -> None:
    handle = os.open(again, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(BusyError):
            make(photos, again, tools)
    finally:
        os.close(handle)


def test_a_source_that_changes_while_it_is_read_is_noticed(
    photos: Path, tools: Tools, tmp_path: Path
) -> None:
    source = Source(FOLDER, photos)
    config = Config.of(OPTIONS, source, source.listing(), tools)
    with pytest.raises(DataError, match="changed"):
        build(replace(source, limit=2), tools, config, tmp_path / "set", ignore)


@pytest.mark.parametrize(
    "wrong", [{"size": 32}, {"per_shard": 0}, {"container": "zip"}, {"quality": 101}]
)
def test_options_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(RequestError, match="out of range"):
        Options(**wrong)
