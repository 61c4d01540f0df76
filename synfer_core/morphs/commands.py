"""The command ``morph``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.command_parts import action_units, add_marking, add_models, wanted_marking
from synfer_core.errors import RequestError

if TYPE_CHECKING:
    from synfer_core.morphs.spec import Continuum

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer morph --facs 6C+12D+25B --identity-seed 7 --even --out smile/
  synfer morph --au AU4=3.5 --text "an old man" --frames 31 --course whole --out frown.zip
  synfer morph smile.yaml --out smile.zip

a specification (docs/morphs.md has all fields):
  apex: 6C+12D+25B
  recipe: {text: plain background, identity_seed: 7, seed: 1}
  frames: 21
  curves: {AU12: {onset: 0.2, easing: smooth}}"""

SHARED = {
    "text": "--text",
    "identity_seed": "--identity-seed",
    "seed": "--seed",
    "steps": "--steps",
    "backbone": "--backbone",
}
"""Recipe fields that have an option here."""

OWN = {
    "start": "--start",
    "frames": "--frames",
    "fps": "--fps",
    "course": "--course",
    "even": "--even",
}
"""Fields of a specification that have an option and go as they are."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "morph",
        help="a face from neutral to apex, frame by frame",
        description="Make one face from neutral to apex, or there and back, as frames, GIF, WebP "
        "and MP4, with a table of what was asked and measured. The largest jump between "
        "neighbouring frames is reported, and so are frames whose person drifts. An interrupted "
        "run goes on where it was.",
        epilog=EXAMPLES,
    )
    parser.add_argument("spec", type=Path, nargs="?", metavar="SPEC.yaml", help="what to make")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR|F.zip", help="a new folder, or a ZIP file"
    )
    add_models(parser)
    add_marking(parser)
    _add_options(parser.add_argument_group("in place of a specification"))
    parser.set_defaults(run=_morph)


def _add_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--facs", help="action units at the apex, such as 6C+12D")
    group.add_argument(
        "--au", action="append", metavar="AU12=4", help="one of them, 0 to 5; may be repeated"
    )
    group.add_argument("--start", metavar="FACS", help="action units at the start (none)")
    group.add_argument("--text", help="who it is, and what the picture looks like")
    group.add_argument("--identity-seed", type=int, metavar="SEED", help="draws the person")
    group.add_argument("--seed", type=int, help="draws the noise")
    group.add_argument("--steps", type=int, help="denoising steps")
    group.add_argument("--backbone", metavar="NAME", help="which model makes it (builtin)")
    group.add_argument("--frames", type=int, help="first and last included (21)")
    group.add_argument("--fps", type=float, help="frames a second (20)")
    group.add_argument(
        "--course", choices=("rise", "whole"), help="end at the apex (rise), or come back (whole)"
    )
    group.add_argument(
        "--easing", choices=("linear", "smooth"), help="how action units grow (linear)"
    )
    group.add_argument(
        "--even",
        action="store_true",
        default=None,
        help="shift the frames' moments so that neighbours differ evenly; takes twice as long",
    )


def _continuum(args: argparse.Namespace) -> Continuum:
    from synfer_core.morphs.spec import Continuum

    names = {**SHARED, **OWN, "facs": "--facs", "au": "--au", "easing": "--easing"}
    given = {field for field in names if getattr(args, field) is not None}
    if args.spec is not None:
        if given:
            name = names[min(given)]
            raise RequestError("does not go with a specification", field=name, allowed="either")
        return Continuum.load(args.spec)
    if (args.facs is None) == (args.au is None):
        raise RequestError("say once what to show", field="--facs", allowed="SPEC, --facs or --au")
    values: dict[str, Any] = {field: getattr(args, field) for field in OWN if field in given}
    values["recipe"] = {field: getattr(args, field) for field in SHARED if field in given}
    values["apex"] = args.facs if args.au is None else action_units(args.au)
    if args.easing:
        values["curve"] = {"easing": args.easing}
    return Continuum.parse(values)


def _morph(args: argparse.Namespace) -> int:
    from synfer_core.morphs.export import export, lines
    from synfer_core.morphs.making import Making
    from synfer_core.stimuli import archive
    from synfer_core.stimuli.commands import kept, store_of, tell_step, tools_of

    archive.check(args.out, "--out")
    continuum = _continuum(args)
    tools = tools_of(args, "none")
    store = store_of(args, tools)
    with kept(store), archive.writing(args.out) as sink:
        morph = Making(continuum, tools, store).make(tell_step)
        export(morph, sink, wanted_marking(args))
    store.clear()
    print(f"{len(morph.frames)} frames, {continuum.seconds:g} s: {args.out}")
    print("\n".join(f"  {line}" for line in lines(morph)))
    return 0
