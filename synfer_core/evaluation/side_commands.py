"""``eval side-by-side``: the model around a reference, side by side with exact renders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.evaluation import options
from synfer_core.files import write_whole

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parsers(parts: Subparsers) -> None:
    """Add this command."""
    parser = parts.add_parser(
        "side-by-side",
        help="the model around a reference, in decibels against exact renders",
        description="How near pictures made around a neutral reference come to exact renders of "
        "the same units, over the face, the mouth, and eyes and brows, beside baselines.",
        epilog=options.EXAMPLES,
    )
    parser.add_argument("--data", type=Path, required=True, help="groups of unseen people")
    parser.add_argument("--models", type=Path, required=True, help="folder with reference-*")
    parser.add_argument("--groups", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a sheet here")
    parser.add_argument("--first", type=int, default=0, help="first group of the sheet")
    parser.add_argument("--people", type=int, default=4, help="groups of the sheet (%(default)s)")
    options.add_json(parser)
    parser.set_defaults(run=_side_by_side)


def _side_by_side(args: argparse.Namespace) -> int:
    """Measure, and draw the sheet.

    Raises:
        RequestError: There are no groups to measure, or a file cannot be written.
    """
    options.require(args.groups >= 0, "--groups", "0 or more")
    options.require(args.people >= 1, "--people", "1 or more")
    options.check_targets(args.sheet, args.json)
    from synfer_core.evaluation import side_by_side
    from synfer_core.reference.model import ReferenceModel

    model = ReferenceModel.load(args.models)
    if args.sheet is not None:
        write_whole(args.sheet, side_by_side.sheet(model, args.data, args.first, args.people))
    if args.groups:
        figures = side_by_side.measure(model, args.data, args.groups)
        for name, row in figures.items():
            print(f"{name:22}" + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
        options.write_json(args.json, figures)
    return 0
