"""The command ``edit``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import (
    action_units,
    add_marking,
    add_models,
    add_target,
    check_targets,
    follow,
    json_bytes,
    load,
    print_summary,
    source_of,
    wanted_marking,
)
from synfer_core.errors import RequestError, about
from synfer_core.files import write_whole
from synfer_core.request import SAMPLE, Recipe

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EDIT_OPTIONS = {
    "text": "--text",
    "negative_text": "--negative-text",
    "facs": "--facs",
    "expression": "--expression",
    "identity_seed": "--identity-seed",
    "steps": "--steps",
    "inversion_depth": "--depth",
    "keep": "--keep",
}
"""Recipe fields that ``synfer edit`` has options for."""

EDIT_EXAMPLES = """examples:
  synfer edit photo.jpg --au AU12=4 --au AU6=3 --out smile.png
  synfer edit smile.png --relative --au AU12=-2 --out fainter.png --report fainter.json
  synfer edit sample:ada --facs 4D+7C+23C --expression anger --out angry.png"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "edit",
        help="give a face another expression",
        description="Give a face another expression; person, hair, pose and light stay.",
        epilog=EDIT_EXAMPLES,
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="a picture of any usual kind, or sample:NAME; one made here says itself what it shows",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="F.png", help="where to write")
    parser.add_argument("--report", type=Path, metavar="F.json", help="also write the report here")
    parser.add_argument(
        "--relative",
        action="store_true",
        help="--au adds to what the face shows, -5 to 5; without it all other units are absent",
    )
    add_target(parser)
    parser.add_argument("--text", help="what the words say")
    parser.add_argument("--negative-text", metavar="TEXT", help="what to steer away from")
    parser.add_argument("--identity-seed", type=int, metavar="SEED", help="the person it shows")
    parser.add_argument("--steps", type=int, help="steps from pure noise to the image")
    parser.add_argument(
        "--depth",
        dest="inversion_depth",
        type=float,
        metavar="N",
        help="share of the way back to noise, above 0, at most 1: more changes more",
    )
    parser.add_argument(
        "--keep",
        type=float,
        metavar="N",
        help="how firmly to hold what the units do not move, 0 to 1 (1)",
    )
    add_models(parser)
    add_marking(parser)
    parser.set_defaults(run=_edit)


def _edit(args: argparse.Namespace) -> int:
    if args.relative and not args.au:
        raise RequestError("changes nothing", field="--relative", allowed="with --au")
    aus = action_units(args.au) if args.au else {}
    check_targets(args)
    source, made_by, notes = source_of(args.image)
    fields = {f: getattr(args, f) for f in EDIT_OPTIONS if getattr(args, f) is not None}
    # Whatever the face, the fields are right or wrong; the face itself takes the model's size.
    any_face = f"{SAMPLE}ada"
    Recipe.parse({"reference": any_face, "aus": {} if args.relative else aus, **fields})
    synthesizer = load(args.models)
    with about(args.image):
        edit = synthesizer.edit(source, aus, relative=args.relative, made_by=made_by, **fields)
    edit = replace(edit, notes=(*edit.notes, *notes))
    result = follow(synthesizer, edit.recipe)
    result.save_png(args.out, wanted_marking(args))
    if args.report:
        write_whole(args.report, json_bytes({**result.to_dict(), "edit": edit.to_dict()}))
    print_summary(args.out, result)
    print(f"  round trip of the source: {result.reconstruction_psnr:.1f} dB")
    for note in edit.notes:
        print(f"  note: {note}")
    return 0
