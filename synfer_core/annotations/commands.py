"""The command ``annotate``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models, for_each, print_summary
from synfer_core.errors import RequestError
from synfer_core.facs import EXPRESSIONS, Expression
from synfer_core.files import check_writable, growing, is_stream
from synfer_core.terminal import control, one_line

if TYPE_CHECKING:
    from synfer_core.annotations.reading import Outcome
    from synfer_core.synthesizer import Synthesizer

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer annotate smile.png
  synfer annotate --label happiness smile.png
  synfer annotate faces/*.png --json > labels.jsonl
  synfer annotate faces/ --csv faces.csv
  synfer annotate faces/ --csv faces.csv --style openface"""

STYLES = ("synfer", "openface", "pyfeat")
_EVERY = 25


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "annotate",
        help="read images",
        description="Read the expression, its confidence and the action units off face images. "
        "An image that cannot be read is named with its reason and ends nothing.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGE|DIR",
        help="PNG, JPEG, WebP, BMP, TIFF or AVIF, or a folder of them (not those within)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object for each image")
    form.add_argument("--csv", type=Path, metavar="F.csv", help="write a table, row by row")
    parser.add_argument(
        "--style",
        choices=STYLES,
        metavar="NAME",
        help="the table's columns: synfer (all that is read), openface (AU12_r, AU12_c) or pyfeat "
        "(AU12 from 0 to 1) (synfer)",
    )
    parser.add_argument(
        "--label",
        choices=EXPRESSIONS,
        metavar="NAME",
        help="what the images are said to show; FERAnno and the experts vote on it",
    )
    add_models(parser)
    parser.set_defaults(run=_annotate)


def _annotate(args: argparse.Namespace) -> int:
    from synfer_core.synthesizer import Synthesizer

    if args.style and not args.csv:
        raise RequestError("says how a table is laid out", field="--style", allowed="with --csv")
    if args.csv:
        check_writable(args.csv, "--csv")
    paths = tuple(_files(args.images))
    synthesizer = Synthesizer.load(args.models)
    if args.csv:
        return _tabulate(synthesizer, paths, args)
    show = partial(_print_one, synthesizer, args.label, args.json)
    return for_each(paths, show, as_json=args.json)


def _files(given: Iterable[Path]) -> Iterator[Path]:
    """The images that were named, and those in the folders that were, by name.

    Raises:
        RequestError: A folder holds no image.
    """
    from synfer_core.faces.images import ENDINGS

    for path in given:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        images = [p for p in inside if p.suffix.lower() in ENDINGS]
        if not images:
            names = ", ".join(sorted(ENDINGS))
            raise RequestError("holds no image", field=str(path), allowed=f"files named {names}")
        if len(images) < len(inside):
            left = len(inside) - len(images)
            print(f"{path}: {left} files with other endings left out", file=sys.stderr)
        yield from images


def _print_one(
    synthesizer: Synthesizer, label: Expression | None, as_json: bool, path: Path
) -> None:
    from synfer_core.faces.images import read_image

    annotation = synthesizer.annotate(read_image(path), label)
    if as_json:
        print(json.dumps({"file": str(path), "ok": True, **annotation.to_dict()}, allow_nan=False))
    else:
        print_summary(path, annotation)


def _tabulate(synthesizer: Synthesizer, paths: tuple[Path, ...], args: argparse.Namespace) -> int:
    """Write the table beside its place, row by row, and rename it into place at the end."""
    from synfer_core.annotations.reading import Failed, Source, read_all
    from synfer_core.annotations.table import STYLES as KNOWN
    from synfer_core.annotations.table import Writer
    from synfer_core.faces.images import read_bytes

    sources = (Source(str(path), partial(read_bytes, path)) for path in paths)
    stream = is_stream(args.csv)
    part = args.csv if stream else args.csv.with_name(f"{args.csv.name}.part")
    failed = 0
    with growing(part, "rows"), part.open("w", encoding="utf-8", newline="") as file:
        writer = Writer(file, KNOWN[args.style or STYLES[0]])
        for done, outcome in enumerate(read_all(synthesizer, sources, args.label), 1):
            writer.write(outcome)
            file.flush()
            _tell(done, len(paths), outcome)
            failed += isinstance(outcome, Failed)
    if not stream:
        part.replace(args.csv.resolve())
    read = f"{len(paths) - failed:,} images read, {failed} failed: {args.csv}"
    print(read, file=sys.stderr if stream else sys.stdout)
    return 1 if failed else 0


def _tell(done: int, total: int, outcome: Outcome) -> None:
    """Tells on standard error how far it is: always on a terminal, else every 25 images."""
    from synfer_core.annotations.reading import Failed

    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    if isinstance(outcome, Failed):
        control(f"{clear}error: {one_line(str(outcome.error))}\n")
    if clear:
        end = clear if done == total else ""
        control(f"{clear}{done}/{total} {one_line(outcome.file)}{end}")
    elif done % _EVERY == 0 or done == total:
        print(f"{done}/{total} {one_line(outcome.file)}", file=sys.stderr, flush=True)
