"""The command ``grid``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_marking, add_models, check_png, wanted_marking
from synfer_core.errors import RequestError
from synfer_core.files import read_text_bytes, write_whole
from synfer_core.terminal import control

if TYPE_CHECKING:
    from synfer_core.grids.making import Made
    from synfer_core.grids.sheet import Face
    from synfer_core.grids.spec import Grid
    from synfer_core.provenance.marking import Marking

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer grid grid.yaml --out sheet.png
  synfer grid grid.json --out sheet.png --cells faces/
  synfer grid sheet.png --out again.png

a specification (docs/grids.md has all kinds of axes):
  base: {text: plain background, identity_seed: 7}
  rows: {kind: units, values: [AU1, AU4, AU12]}
  columns: {kind: intensity, values: [0, 1, 2, 3, 4, 5]}"""

RECIPES = "recipes.jsonl"
"""One recipe a line, as ``synfer generate --batch`` takes them."""

MAX_SHEET_BYTES = 1 << 28


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "grid",
        help="make faces in rows and columns",
        description="Make faces in rows and columns, two things changed, as one picture; or make "
        "one again from its picture.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "spec", type=Path, metavar="SPEC", help="a .yaml or .json file, or a sheet made here"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="F.png", help="the sheet")
    parser.add_argument(
        "--cells", type=Path, metavar="DIR", help="also write each face and its recipe here"
    )
    add_models(parser)
    add_marking(parser)
    parser.set_defaults(run=_grid)


def _grid(args: argparse.Namespace) -> int:
    from synfer_core.grids import making
    from synfer_core.grids.sheet import png_of
    from synfer_core.synthesizer import Synthesizer

    grid = _load(args.spec)
    check_png(args.out)
    if args.cells:
        _make_folder(args.cells)
    synthesizer = Synthesizer.load(args.models)
    making.check(grid, synthesizer.check)
    marking, faces, failed = wanted_marking(args), {}, 0
    for made in making.make(grid, synthesizer.generate):
        face = _keep(made, args.cells, marking)
        if face is None:
            failed += 1
            print(f"error: {grid.name(made.cell)}: {made.error}", file=sys.stderr)
        else:
            faces[made.cell.index] = face
        _tell(made.cell.index + 1, len(grid.cells))
    if args.cells:
        lines = [face.recipe.to_json() for face in faces.values()]
        write_whole(args.cells / RECIPES, "".join(f"{line}\n" for line in lines).encode())
    write_whole(args.out, png_of(grid, faces, marking))
    print(f"{len(faces)} faces, {failed} failed: {args.out}")
    return 1 if failed else 0


def _load(path: Path) -> Grid:
    from synfer_core.grids.sheet import read_grid
    from synfer_core.grids.spec import Grid

    if path.suffix.lower() != ".png":
        return Grid.load(path)
    grid = read_grid(read_text_bytes(path, "SPEC", limit=MAX_SHEET_BYTES))
    if grid is None:
        raise RequestError(f"{path} carries no grid", field="SPEC", allowed="a sheet made here")
    return grid


def _keep(made: Made, folder: Path | None, marking: Marking) -> Face | None:
    """The face of a cell, also written where that is asked for."""
    from synfer_core.grids.sheet import Face

    if made.result is None:
        return None
    if folder:
        name = f"r{made.cell.row + 1:02d}_c{made.cell.column + 1:02d}.png"
        made.result.save_png(folder / name, marking)
    return Face(made.result.image, made.result.recipe)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            f"cannot write to {folder}: {error.strerror}", field="--cells", allowed="a folder"
        ) from error


def _tell(done: int, total: int) -> None:
    """Tells how far it is, on a terminal."""
    if sys.stderr.isatty():
        end = "\r\x1b[K" if done == total else ""
        control(f"\rface {done}/{total}\x1b[K{end}")
