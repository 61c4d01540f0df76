"""The command ``enrich``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from synfer_core.command_parts import action_units, add_target
from synfer_core.request import Recipe

if TYPE_CHECKING:
    from synfer_core.enrichment import Writer

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

ENRICH_EXAMPLES = """examples:
  synfer enrich "a man" --expression happiness
  synfer enrich "an old woman" --au AU12=4 --au AUL2=1.5
  synfer enrich "a man" --facs 4D+7C+23C --expression anger --model models/instruct"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "enrich",
        help="write a prompt",
        description="Write a detailed prompt from a coarse description, an expression and AUs.",
        epilog=ENRICH_EXAMPLES,
    )
    parser.add_argument("text", metavar="TEXT", help='a description, such as "a man"')
    add_target(parser)
    parser.add_argument(
        "--model",
        metavar="PATH",
        help="an instruction-tuned text model, as a folder or an id on the hub, that writes it "
        "(a built-in grammar)",
    )
    parser.set_defaults(run=_enrich)


def _enrich(args: argparse.Namespace) -> int:
    from synfer_core.enrichment import enrich_recipe

    values = {name: getattr(args, name) for name in ("text", "facs", "expression")}
    values |= {"aus": action_units(args.au)} if args.au else {}
    recipe = Recipe.parse({name: value for name, value in values.items() if value is not None})
    _, made = enrich_recipe(recipe, _writer(args.model))
    print(made.text)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _writer(source: str | None) -> Writer | None:
    """The text model that is asked for.

    Raises:
        WeightsError: It cannot be loaded.
    """
    if source is None:
        return None
    from synfer_core.models.language import LanguageModel

    return LanguageModel.load(source)
