"""Many recipes, one after another: one bad line never ends the run.

Each line of a recipe file (JSON Lines) becomes ``000000.png`` by its line number, counted from 0,
and one line of ``manifest.jsonl`` says what became of it. The manifest grows as
``manifest.jsonl.part`` and takes its name when the run is through, so an interrupted run still
tells what it has made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.errors import CancelledError, RequestError, SynferError
from synfer_core.files import growing, read_text_bytes
from synfer_core.provenance.marking import Marking
from synfer_core.request import Recipe

if TYPE_CHECKING:
    from synfer_core.report import Result

MANIFEST = "manifest.jsonl"
MAX_BATCH_BYTES = 1 << 28
_MARKED = Marking()


@dataclass(frozen=True)
class Summary:
    """How a batch went: lines made and lines failed."""

    made: int
    failed: int


def read_lines(path: Path) -> tuple[tuple[int, bytes], ...]:
    """The lines of a recipe file that are not blank, or the recipes of a JSON array, numbered.

    Numbers count from 0, blank lines included.

    Raises:
        RequestError: The file cannot be read, is larger than 256 MiB, or holds no recipe.
    """
    data = read_text_bytes(path, "--batch", limit=MAX_BATCH_BYTES)
    lines = _listed(data) if data.lstrip()[:1] == b"[" else data.split(b"\n")
    numbered = tuple((index, line) for index, line in enumerate(lines) if line.strip())
    if not numbered:
        raise RequestError("holds no recipe", field="--batch", allowed="one JSON object a line")
    return numbered


def _listed(data: bytes) -> list[bytes]:
    """The recipes of a JSON array, a line each.

    Raises:
        RequestError: It is no JSON.
    """
    try:
        return [json.dumps(recipe).encode() for recipe in json.loads(data)]
    except (ValueError, RecursionError) as error:
        raise RequestError(f"is no JSON array: {error}", field="--batch") from error


def run(
    lines: tuple[tuple[int, bytes], ...],
    folder: Path,
    generate: Callable[[Recipe], Result],
    on_entry: Callable[[dict[str, Any]], None] = lambda entry: None,
    marking: Marking = _MARKED,
) -> Summary:
    """Generate every line into `folder` and write its manifest.

    Args:
        lines: From `read_lines`.
        folder: Made if absent. Files of the same names are replaced.
        generate: Makes one result, such as ``Synthesizer.generate``.
        on_entry: Called with each manifest entry as it is written.
        marking: What is put onto the images.

    Raises:
        CancelledError: From `generate`; ends the run.
        RequestError: The folder cannot be written to, or no longer.
    """
    _make_folder(folder)
    part = folder / f"{MANIFEST}.part"
    failed = 0
    with growing(part, "lines"), part.open("w", encoding="utf-8") as manifest:
        for entry in _entries(lines, folder, generate, marking):
            print(json.dumps(entry, allow_nan=False), file=manifest, flush=True)
            failed += not entry["ok"]
            on_entry(entry)
    part.replace(folder / MANIFEST)
    return Summary(made=len(lines) - failed, failed=failed)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        (folder / f"{MANIFEST}.part").touch()
    except OSError as error:
        raise RequestError(
            f"cannot write to {folder}: {error.strerror}", field="--out", allowed="a folder"
        ) from error


def _entries(
    lines: tuple[tuple[int, bytes], ...],
    folder: Path,
    generate: Callable[[Recipe], Result],
    marking: Marking,
) -> Iterator[dict[str, Any]]:
    for index, line in lines:
        path = folder / f"{index:06d}.png"
        try:
            result = generate(Recipe.parse_json(line))
        except CancelledError:
            raise
        except SynferError as error:
            path.unlink(missing_ok=True)  # of an earlier run; the manifest says there is none
            yield {"index": index, "ok": False, "error": error.to_dict()}
        else:
            result.save_png(path, marking)  # what a disk refuses of one line it refuses of all
            yield {"index": index, "file": path.name, "ok": True, **result.to_dict()}
