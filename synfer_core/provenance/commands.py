"""The command ``provenance``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import for_each

if TYPE_CHECKING:
    from synfer_core.provenance.reading import Provenance

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer provenance smile.png
  synfer provenance faces/*.png --json > origins.jsonl"""

_ACCORD = {True: ", as the metadata says", False: ", NOT what the metadata says", None: ""}
_TAG = {True: "; its tag is the recipe's", False: "; its tag is of ANOTHER recipe", None: ""}


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "provenance",
        help="read where an image comes from",
        description="Read where images come from: recipe, metadata, hashes and watermark.",
        epilog=EXAMPLES,
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="FILE", help="pictures of any kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each file")
    parser.set_defaults(run=_provenance)


def _provenance(args: argparse.Namespace) -> int:
    return for_each(
        args.images, lambda path: _print_one(path, as_json=args.json), as_json=args.json
    )


def _print_one(path: Path, *, as_json: bool) -> None:
    from synfer_core.faces.images import read_bytes
    from synfer_core.provenance.reading import read

    found = read(read_bytes(path), str(path))
    if as_json:
        print(json.dumps({"file": str(path), "ok": True, **found.to_dict()}, allow_nan=False))
    else:
        print(f"{path}: {_summary(found)}", *_lines(found), sep="\n  ")


def _summary(found: Provenance) -> str:
    words = [word for word in (found.said.tool, found.said.term) if word]
    if words:
        return "says it is from " + ", ".join(words)
    if found.watermark.found or found.recipe_sha256:
        return "its metadata does not say where it is from"
    return "nothing says where it is from"


def _lines(found: Provenance) -> Iterator[str]:
    yield f"recipe: {_recipe_line(found)}"
    yield f"pixels: SHA-256 {found.pixels_sha256}{_ACCORD[found.pixels_agree]}"
    said = {
        "before marking: SHA-256": found.said.image_sha256,
        "weights: SHA-256": found.said.weights_sha256,
        "visible label:": found.said.label,
    }
    yield from (f"{what} {value}, by the metadata" for what, value in said.items() if value)
    yield f"watermark: {_mark_line(found)}"


def _recipe_line(found: Provenance) -> str:
    if found.recipe_sha256 is None:
        return "none"
    kind = "found" if found.recipe else f"cannot be read here: {found.recipe_error}"
    return f"{kind}; SHA-256 {found.recipe_sha256}{_ACCORD[found.recipe_agrees]}"


def _mark_line(found: Provenance) -> str:
    mark = found.watermark
    if mark.found:
        return f"found, {mark.agreeing} of 48 bits agree{_TAG[found.tag_agrees]}"
    named = found.said.watermark
    said = f"; the metadata says {named}" if named else ""
    return f"none, {mark.agreeing} of 48 bits agree by chance{said}"
