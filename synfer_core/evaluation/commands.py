"""The commands ``eval`` and ``bench``; each imports what it needs when it runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from synfer_core.evaluation import (
    bench_commands,
    data_commands,
    facekit_commands,
    file_commands,
    generator_commands,
    method_commands,
    options,
    reader_commands,
)

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_GROUPS = (
    generator_commands,
    reader_commands,
    method_commands,
    file_commands,
    data_commands,
    facekit_commands,
)


def add_parser(subparsers: Subparsers) -> None:
    """Add both commands."""
    parser = subparsers.add_parser(
        "eval", help="measure", description="Measure the built-in model.", epilog=options.EXAMPLES
    )
    parts = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    for group in _GROUPS:
        group.add_parsers(parts)
    bench_commands.add_parser(subparsers)
