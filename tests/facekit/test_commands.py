from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import pytest

from synfer_core.errors import PackError, RequestError
from synfer_core.facekit.commands import add_parser


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="synfer")
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["facekit", *words])
    return int(arguments.run(arguments))


@pytest.mark.parametrize("command", ["fetch", "pack", "render", "sheet", "samples"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(command, "--help")
    assert stopped.value.code == 0
    assert f"example:\n  synfer facekit {command}" in capsys.readouterr().out


def test_pack_of_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"generic_neutral_mesh\.obj"):
        run("pack", str(tmp_path), str(tmp_path / "out.npz"))
    assert list(tmp_path.iterdir()) == []


def test_wrong_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="distribution"):
        run("render", str(tmp_path / "set"), "--distribution", "wild")
    with pytest.raises(RequestError, match="kind"):
        run("sheet", str(tmp_path / "a.png"), "--kind", "everything")
    assert list(tmp_path.iterdir()) == []


def test_render_and_sheet(
    pack_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    words = ["--count", "2", "--size", "32", "--per-identity", "2", "--per-shard", "2"]
    assert run("render", str(out), *words, "--workers", "1", "--pack", str(pack_path)) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(out)
    assert "2/2 images" in printed.err
    sheet = tmp_path / "random.jpg"
    words = ["--kind", "random", "--size", "32", "--pack", str(pack_path)]
    assert run("sheet", str(sheet), *words) == 0
    assert cv2.imread(str(sheet)).shape == (6 * 32, 8 * 32, 3)
