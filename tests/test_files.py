from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from synfer_core.errors import CancelledError, RequestError
from synfer_core.files import check_writable, growing, read_text_bytes, write_whole


def test_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        write_whole(target, b"data")
    assert list(tmp_path.iterdir()) == [target]


def test_write_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        write_whole(tmp_path / "none" / "a.png", b"data")


def test_read_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"x" * 11)
    assert read_text_bytes(path, "--recipe", limit=11) == b"x" * 11
    with pytest.raises(RequestError, match="too large") as caught:
        read_text_bytes(path, "--recipe", limit=10)
    assert caught.value.field == "--recipe"


@pytest.mark.parametrize("name", ["absent", "."])
def test_read_of_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="cannot read"):
        read_text_bytes(tmp_path / name, "--recipe")


@pytest.mark.parametrize("name", ["absent/a.png", "."])
def test_targets_are_checked_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_writable(tmp_path / name, "--out")
    assert caught.value.field == "--out"


def test_a_file_that_stops_growing_says_where_its_part_is(tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    with pytest.raises(RequestError, match=r"No space left on device$"), growing(part, "rows"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    part.write_text("1")
    with (
        pytest.raises(RequestError, match="No space left on device; the rows so far are kept"),
        growing(part, "rows"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for stop in (KeyboardInterrupt, CancelledError("x")):
        with pytest.raises(CancelledError, match="kept in"), growing(part, "rows"):
            raise stop


def test_nothing_is_left_beside_a_file_whose_writing_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.png", b"1")
    assert not list(tmp_path.iterdir())


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    link.symlink_to(real.name)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"real.json", "link.json"}


def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_writable(pipe, "--csv")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"1,2\n")
    reader.join()
    assert read == [b"1,2\n"]
    assert list(tmp_path.iterdir()) == [pipe]
    assert pipe.is_fifo()


def test_a_full_device_is_one_error_and_stays_a_device() -> None:
    full = Path("/dev/full")
    with pytest.raises(RequestError, match="No space left on device"):
        write_whole(full, b"1")
    assert full.is_char_device()


def test_a_device_without_an_end_is_too_large() -> None:
    with pytest.raises(RequestError, match="/dev/zero is too large"):
        read_text_bytes(Path("/dev/zero"), "aus.file", limit=1000)
