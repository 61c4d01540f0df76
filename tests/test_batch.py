from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synfer_core import batch
from synfer_core.errors import CancelledError, RequestError, UnsupportedError
from synfer_core.report import AttentionMaps, Result, read_recipe
from synfer_core.request import Recipe


def plain_colour(recipe: Recipe) -> Result:
    """The smallest thing that makes an image from a recipe: its seed as a grey."""
    if recipe.backbone == "other":
        raise UnsupportedError("is not here", field="backbone", allowed="builtin")
    image = np.full((8, 8, 3), recipe.seed, np.uint8)
    return Result(recipe, image, None, (), AttentionMaps(), {"denoising": 0.1})


def run(tmp_path: Path, text: str) -> tuple[batch.Summary, list[dict[str, Any]]]:
    source = tmp_path / "recipes.jsonl"
    source.write_text(text)
    summary = batch.run(batch.read_lines(source), tmp_path / "out", plain_colour)
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text()
    return summary, [json.loads(line) for line in manifest.splitlines()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_line_becomes_an_image_of_its_number(tmp_path: Path) -> None:
    summary, entries = run(tmp_path, '{"seed": 3}\n{"seed": 4}\n')
    assert summary == batch.Summary(made=2, failed=0)
    assert [e["file"] for e in entries] == ["000000.png", "000001.png"]
    assert names(tmp_path / "out") == {"000000.png", "000001.png", "manifest.jsonl"}
    assert read_recipe((tmp_path / "out" / "000001.png").read_bytes()).seed == 4
    assert entries[1]["recipe"]["seed"] == 4


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", "recipe"),
        ('{"aus": {"AU12": 9}}', "aus.AU12"),
        ('{"backbone": "other"}', "backbone"),
        ('"\\ud800"', "recipe"),
        ("\x00", "recipe"),
    ],
)
def test_a_bad_line_does_not_end_the_run(tmp_path: Path, line: str, field: str) -> None:
    summary, entries = run(tmp_path, f'{{"seed": 1}}\n{line}\n{{"seed": 2}}')
    assert summary == batch.Summary(made=2, failed=1)
    assert [e["ok"] for e in entries] == [True, False, True]
    assert entries[1]["index"] == 1
    assert entries[1]["error"]["field"] == field
    assert names(tmp_path / "out") == {"000000.png", "000002.png", "manifest.jsonl"}


def test_blank_lines_count_but_make_nothing(tmp_path: Path) -> None:
    _, entries = run(tmp_path, '\n{"seed": 1}\n\n{"seed": 2}\n\n')
    assert [e["index"] for e in entries] == [1, 3]


def test_bytes_that_are_no_text_are_a_bad_line(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"\xff\xfe\xfa\n{}\n")
    summary = batch.run(batch.read_lines(tmp_path / "r.jsonl"), tmp_path / "out", plain_colour)
    assert summary == batch.Summary(made=1, failed=1)


def test_a_line_that_fails_now_leaves_no_older_image(tmp_path: Path) -> None:
    run(tmp_path, '{"seed": 1}\n{"seed": 2}\n')
    run(tmp_path, '{"seed": 1}\n{"seed": -2}\n')
    assert names(tmp_path / "out") == {"000000.png", "manifest.jsonl"}


def test_cancel_ends_the_run_and_keeps_what_was_made(tmp_path: Path) -> None:
    def second_is_cancelled(recipe: Recipe) -> Result:
        if recipe.seed == 2:
            raise CancelledError("by the user")
        return plain_colour(recipe)

    lines = ((0, b'{"seed": 1}'), (1, b'{"seed": 2}'), (2, b'{"seed": 3}'))
    with pytest.raises(CancelledError):
        batch.run(lines, tmp_path, second_is_cancelled)
    assert names(tmp_path) == {"000000.png", "manifest.jsonl.part"}


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_recipes(tmp_path: Path, text: str) -> None:
    with pytest.raises(RequestError, match="holds no recipe"):
        run(tmp_path, text)


def test_out_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RequestError) as caught:
        batch.run(((0, b"{}"),), tmp_path / "out", plain_colour)
    assert caught.value.field == "--out"
    assert (tmp_path / "out").read_text() == "mine"


def test_a_json_array_is_a_batch_too(tmp_path: Path) -> None:
    summary, entries = run(tmp_path, '[{"seed": 3},\n {"seed": 4, "steps": true}]\n')
    assert summary == batch.Summary(made=1, failed=1)
    assert [(e["index"], e["ok"]) for e in entries] == [(0, True), (1, False)]
    with pytest.raises(RequestError, match="no JSON array"):
        run(tmp_path, '[{"seed": 3}')


def test_a_full_disk_ends_the_run_and_keeps_what_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> None:
        if "000001" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    lines = tuple((index, b"{}") for index in range(3))
    with pytest.raises(RequestError, match=r"000001.png: cannot be written: No space left"):
        batch.run(lines, tmp_path / "out", plain_colour)
    assert names(tmp_path / "out") == {"000000.png", "manifest.jsonl.part"}
