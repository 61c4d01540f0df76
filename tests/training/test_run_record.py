"""``run.json``: what a run was, and that it does not go on as another one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from synfer_core.errors import DataError, RequestError
from synfer_core.training import run_record
from synfer_core.training.run_record import FILE, Record, Stretch

ROOT = Path(__file__).parents[2]


def record(data: Path, **changes: object) -> Record:
    stretch = Stretch(
        command=("synfer", "train"),
        source=None,
        versions={},
        devices=("cpu",),
        minutes=1.0,
        steps=None,
        started=run_record.now(),
    )
    values = {
        "stage": "sd-adapter",
        "config": {"batch": 4, "gradient_checkpointing": False},
        "data": run_record.data_of(data),
        "weights": {"model": "0" * 64},
        "stretches": (stretch,),
    }
    return Record.model_validate(values | changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("shard-000000.parquet", "shard-000001.parquet", "notes.txt"):
        (folder / name).write_text(name)
    return folder


def test_a_run_that_goes_on_keeps_its_beginning(data: Path, tmp_path: Path) -> None:
    run_record.begin(tmp_path / "run", record(data), resume=False)
    run_record.begin(tmp_path / "run", record(data), resume=True).ended().write(tmp_path / "run")
    first, second = run_record.read(tmp_path / "run").stretches
    assert first.ended is None
    assert second.ended is not None
    run_record.begin(tmp_path / "run", record(data, stage="sd-lora"), resume=False)
    assert len(run_record.read(tmp_path / "run").stretches) == 1, "it begins anew"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": "sd-lora"}, "stage: is sd-lora now and was sd-adapter"),
        ({"config": {"batch": 2, "gradient_checkpointing": False}}, "--batch: is 2 now and was 4"),
        ({"config": {"batch": 4}}, "--gradient-checkpointing: is None now and was False"),
        ({"weights": {"model": "1" * 64}}, "--backbone: is model 1111"),
        ({"weights": {"model": "0" * 64, "lora": "2" * 64}}, "--backbone: is lora 2222"),
    ],
)
def test_it_does_not_go_on_as_another(
    changes: dict[str, object], message: str, data: Path, tmp_path: Path
) -> None:
    run_record.begin(tmp_path / "run", record(data), resume=False)
    before = (tmp_path / "run" / FILE).read_bytes()
    with pytest.raises(RequestError, match=message):
        run_record.begin(tmp_path / "run", record(data, **changes), resume=True)
    assert (tmp_path / "run" / FILE).read_bytes() == before


def test_it_does_not_go_on_with_other_data(data: Path, tmp_path: Path) -> None:
    run_record.begin(tmp_path / "run", record(data), resume=False)
    (data / "notes.txt").write_text("what is no shard does not count")
    run_record.begin(tmp_path / "run", record(data), resume=True)
    (data / "shard-000001.parquet").write_text("other faces")
    with pytest.raises(RequestError, match="--data: is"):
        run_record.begin(tmp_path / "run", record(data), resume=True)
    (tmp_path / "run" / FILE).write_text("{}")
    with pytest.raises(DataError, match="is damaged"):
        run_record.begin(tmp_path / "run", record(data), resume=True)


def test_a_folder_of_pictures_counts_whole_and_an_empty_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    with pytest.raises(DataError, match="--data: has no data"):
        run_record.data_of(tmp_path / "faces")
    (tmp_path / "faces" / "a.png").write_bytes(b"a")
    one = run_record.data_of(tmp_path / "faces")
    (tmp_path / "faces" / "metadata.jsonl").write_text("{}")
    assert (one.files, run_record.data_of(tmp_path / "faces").files) == (1, 2)
    assert run_record.data_of(tmp_path / "faces").sha256 != one.sha256


def test_the_source_is_the_commit_that_is_checked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    package = tmp_path / "synfer_core"
    package.mkdir()
    module = package / "__init__.py"
    module.touch()
    monkeypatch.setattr("synfer_core.__file__", str(module))
    assert run_record.source() is None, "installed from a package"
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "a")
    (tmp_path / "notes.txt").touch()
    assert run_record.source() == run_record.Source(revision=git("rev-parse", "HEAD"), dirty=False)
    module.write_text("changed = True\n")
    found = run_record.source()
    assert found is not None
    assert found.dirty
