from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from synfer_core.cli import main


def without_palette() -> bytes:
    """A PNG that Pillow trips on with an AssertionError."""
    buffer = io.BytesIO()
    Image.new("P", (64, 64)).save(buffer, "PNG")
    png = buffer.getvalue()
    start = png.index(b"PLTE") - 4
    return png[:start] + png[start + 12 + int.from_bytes(png[start : start + 4]) :]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder with two faces of the readers' size, a broken file, and files that are none."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("b.png", "a.JPG"):
        Image.new("RGB", (128, 128), (150, 120, 100)).save(folder / name)
    (folder / "c.webp").write_text("I am a text\n")
    (folder / "d.png").write_bytes(without_palette())
    (folder / "notes.txt").write_text("left out")
    (folder / ".hidden.png").write_text("left out")
    (folder / "within").mkdir()
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_becomes_a_table(
    faces: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = faces.parent / "t.csv"
    given = [str(faces), "--csv", str(out), "--style", "openface"]
    assert main(["annotate", *given, "--models", str(tiny_model_folder)]) == 1
    found = rows(out)
    assert [Path(row["file"]).name for row in found] == ["a.JPG", "b.png", "c.webp", "d.png"]
    assert [row["success"] for row in found] == ["1", "1", "0", "0"]
    assert "not an image of a kind known here" in found[2]["error"]
    captured = capsys.readouterr()
    assert "2 images read, 2 failed" in captured.out
    assert f"error: {faces / 'd.png'}: is damaged" in captured.err
    assert "1 files with other endings left out" in captured.err
    assert f"error: {faces / 'c.webp'}: is not an image" in captured.err
    assert f"4/4 {faces / 'd.png'}" in captured.err
    assert not list(out.parent.glob("*.part"))


def test_all_read_is_success_and_the_own_style_is_the_usual_one(
    faces: Path, tiny_model_folder: Path
) -> None:
    out = faces.parent / "t.csv"
    given = [str(faces / "b.png"), "--csv", str(out), "--models", str(tiny_model_folder)]
    assert main(["annotate", *given]) == 0
    assert rows(out)[0]["ok"] == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("faces/b.png", "--style", "pyfeat"), "--style: says how a table is laid out"),
        (("faces/b.png", "--csv", "absent/t.csv"), "there is no folder absent"),
        (("faces/within", "--csv", "t.csv"), "faces/within: holds no image"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    faces: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(faces.parent)
    assert main(["annotate", *arguments, "--models", "nowhere"]) == 2
    assert message in capsys.readouterr().err


def test_an_interrupted_table_keeps_the_rows_it_has(
    faces: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synfer_core.annotations import commands

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_tell", interrupted)
    shutil.copy(faces / "b.png", faces / "a.png")
    out = faces.parent / "t.csv"
    given = [str(faces), "--csv", str(out), "--models", str(tiny_model_folder)]
    assert main(["annotate", *given]) == 130
    assert not out.exists()
    assert len(rows(out.with_name("t.csv.part"))) == 1
