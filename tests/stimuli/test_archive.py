from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from synfer_core.errors import RequestError
from synfer_core.stimuli import archive


def write(path: Path) -> None:
    with archive.writing(path) as sink:
        sink.add("images/a.png", b"1" * 1000)
        sink.add("b.csv", b"2" * 1000)


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "set")
    assert (tmp_path / "set" / "images" / "a.png").read_bytes() == b"1" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    archive.check(tmp_path / "set", "--out")
    write(tmp_path / "set")
    assert (tmp_path / "set" / "b.csv").exists()


def test_a_zip_files_bytes_depend_on_its_contents_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.zip")
    write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.testzip() is None
        assert file.read("b.csv") == b"2" * 1000
        sizes = {info.filename: info.compress_size for info in file.infolist()}
    assert sizes["images/a.png"] == 1000 > sizes["b.csv"]


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_run_that_ends_early_leaves_nothing(tmp_path: Path, name: str) -> None:
    def fail() -> None:
        with archive.writing(tmp_path / name) as sink:
            sink.add("images/a.png", b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def fail() -> None:
        with archive.writing(tmp_path / "set") as sink:
            sink.add("images", b"1")
            sink.add("images/a.png", b"1")

    with pytest.raises(RequestError, match="cannot be written"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_targets_are_checked_first(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "dir.zip").mkdir()
    for path in ("full", "full/file", "dir.zip", "absent/set"):
        with pytest.raises(RequestError) as caught:
            archive.check(tmp_path / path, "--out")
        assert caught.value.field == "--out"
    archive.check(tmp_path / "new.zip", "--out")
