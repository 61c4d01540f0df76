"""The command ``fetext``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.errors import CancelledError
from synfer_core.terminal import control

if TYPE_CHECKING:
    from synfer_core.fetext.build import Built, Progress
    from synfer_core.fetext.gate import Gate

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer fetext build photos/ --out set/ --licence "CC BY 4.0"
  synfer fetext build RAF-DB/ --layout rafdb --split train --out set/ --format webdataset
  synfer fetext build AffectNet/ --layout affectnet8 --out set/ --captioner models/ShareGPT4V

Run again, an interrupted build goes on where it was. docs/fetext.md has layouts and columns."""

_EVERY = 25
_THRESHOLDS = {
    "min_contrast": "grey levels' deviation below which a picture is blank",
    "min_face": "pixels on a side of the aligned crop",
    "max_bystander": "area of the second face as a share of the first",
    "max_cut": "share of the face's landmarks beyond the picture's edge",
    "max_yaw": "degrees",
    "max_pitch": "degrees",
    "max_roll": "degrees",
    "min_sharpness": "detail as a share of contrast",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "fetext",
        help="make a captioned, AU-labelled data set of face photos",
        description="Make data sets as SynFER's FEText: faces found, aligned, checked, enlarged, "
        "captioned and labelled with action units.",
        epilog=EXAMPLES,
    )
    commands = parser.add_subparsers(dest="fetext_command", required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="build a data set from a folder, a manifest or a known data set",
        description="Build a data set from a folder, a manifest or a known data set. One bad "
        "image never ends a run; it is listed with its reason.",
        epilog=EXAMPLES,
    )
    _add_source(build)
    _add_writing(build)
    _add_models(build)
    _add_gate(build)
    build.set_defaults(run=_build)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder or a manifest")
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help="folder, csv, parquet, affectnet, affectnet8, rafdb, sfew, celebahq or ffhq "
        "(by the suffix of a manifest, else folder)",
    )
    parser.add_argument("--split", choices=("train", "val", "test"), help="only this split")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images")


def _add_writing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the data set")
    parser.add_argument(
        "--format", default="parquet", metavar="F", help="parquet or webdataset (%(default)s)"
    )
    parser.add_argument("--size", type=int, default=256, help="pixels on a side (%(default)s)")
    parser.add_argument(
        "--per-shard", type=int, default=256, metavar="N", help="images to a shard (%(default)s)"
    )
    parser.add_argument("--quality", type=int, default=95, help="of WebP (%(default)s)")
    parser.add_argument("--title", default="", help="of the data sheet (the source's name)")
    parser.add_argument("--licence", default="", help="what the data sheet says of the licence")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--captioner",
        metavar="MODEL",
        help="folder or id of a multimodal model (the built-in wording)",
    )
    parser.add_argument(
        "--upscaler",
        default="lanczos",
        metavar="MODEL",
        help="folder or id of a Swin2SR, spandrel:FILE or lanczos (%(default)s)",
    )
    parser.add_argument(
        "--aus",
        default="reader",
        metavar="SOURCE",
        help="reader, mediapipe, or a CSV file with OpenGraphAU's 41 (%(default)s)",
    )
    add_models(parser)
    parser.add_argument("--device", default="cpu", help="of captioner and upscaler (%(default)s)")


def _add_gate(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("quality gate", "what is not given keeps its default")
    for name, what in _THRESHOLDS.items():
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, dest=name, type=float, metavar="X", help=what)


def _build(args: argparse.Namespace) -> int:
    from synfer_core.fetext.build import build
    from synfer_core.fetext.config import Config, Options
    from synfer_core.fetext.layouts import layout_of
    from synfer_core.fetext.records import Tools
    from synfer_core.fetext.sources import Source
    from synfer_core.files import check_writable
    from synfer_core.synthesizer import DEFAULT_FOLDER

    check_writable(args.out.absolute().with_name(f"{args.out.name}.part"), "--out")
    options = Options(
        args.size, args.per_shard, args.format, args.quality, args.title, args.licence
    )
    gate = _gate(args)
    source = Source(layout_of(args.source, args.layout), args.source, args.split, args.limit)
    print("listing the source", file=sys.stderr, flush=True)
    listing = source.listing()
    print(f"{listing.count:,} images; loading models", file=sys.stderr, flush=True)
    tools = Tools.load(
        args.models or DEFAULT_FOLDER,
        gate,
        options.size,
        upscaler=args.upscaler,
        aus=args.aus,
        captioner=args.captioner,
        device=args.device,
    )
    config = Config.of(options, source, listing, tools)
    try:
        built = build(source, tools, config, args.out, _teller())
    except KeyboardInterrupt as error:
        raise CancelledError(f"the same command goes on in {args.out}") from error
    return _tell(built, args.out)


def _gate(args: argparse.Namespace) -> Gate:
    from synfer_core.fetext.gate import Gate

    given = {name: getattr(args, name) for name in _THRESHOLDS}
    return Gate(**{name: value for name, value in given.items() if value is not None})


def _teller() -> Callable[[Progress], None]:
    """Tells on standard error how far it is: always on a terminal, else every 25 images."""

    def tell(step: Progress) -> None:
        left = "" if step.seconds_left is None else f", {_in_words(step.seconds_left)} left"
        line = f"{step.done:,}/{step.total:,} images{left}"
        if sys.stderr.isatty():
            end = "\n" if step.done == step.total else ""
            control(f"\r{line}\x1b[K{end}")
        elif step.done % _EVERY == 0 or step.done == step.total:
            print(line, file=sys.stderr, flush=True)

    return tell


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _tell(built: Built, out: Path) -> int:
    from synfer_core.fetext.build import REJECTED

    tally = built.tally
    print(f"{tally.records:,} records of {tally.images:,} images: {out}")
    for reason, count in sorted(tally.reasons.items()):
        print(f"  {count:,} left out: {reason}")
    if tally.rejected:
        print(f"  each with its reason: {out / REJECTED}")
    print(
        f"  {built.read:,} images read in {built.seconds:.0f} s ({built.rate:.1f} a second, "
        f"{built.rate_of_core:.1f} a second and core), at most {built.peak_mb:,.0f} MB of memory"
    )
    return 0
