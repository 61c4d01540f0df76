"""The command ``stimuli``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.errors import CancelledError
from synfer_core.terminal import control, one_line, plain

if TYPE_CHECKING:
    from synfer_core.stimuli.making import Step
    from synfer_core.stimuli.record import Record
    from synfer_core.stimuli.remaking import Remade
    from synfer_core.stimuli.spec import Align
    from synfer_core.stimuli.store import FolderStore
    from synfer_core.stimuli.tools import Tools

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer stimuli faces.yaml --out faces.zip
  synfer stimuli faces.yaml --out faces/
  synfer stimuli --from-csv stimuli.csv --out remade/

a specification (docs/stimuli.md has all fields):
  identities: [1, 2, 3]
  expressions: [happiness, anger]
  step: 25
  recipe: {backbone: facekit, size: 512}   # exact faces; without, diffusion
  treatment: {crop: oval, greyscale: true, match: mean_sd}"""

_EVERY = 25


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stimuli",
        help="build a set of images for an experiment",
        description="Build a matched and documented set of images for an experiment, or make one "
        "again from its table and compare every pixel. An interrupted run goes on where it was.",
        epilog=EXAMPLES,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("spec", type=Path, nargs="?", metavar="SPEC.yaml", help="what to build")
    source.add_argument(
        "--from-csv", type=Path, metavar="F.csv", help="the table of a set, to make it again"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR|F.zip", help="a new folder, or a ZIP file"
    )
    add_models(parser)
    parser.set_defaults(run=_stimuli)


def _stimuli(args: argparse.Namespace) -> int:
    from synfer_core.stimuli import archive

    archive.check(args.out, "--out")
    return _remake(args) if args.from_csv else _build(args)


def _build(args: argparse.Namespace) -> int:
    from synfer_core.stimuli import archive
    from synfer_core.stimuli.export import export
    from synfer_core.stimuli.making import Making
    from synfer_core.stimuli.plan import Plan
    from synfer_core.stimuli.spec import StimulusSet

    plan = Plan.of(StimulusSet.load(args.spec))
    tools = tools_of(args, plan.spec.treatment.align)
    store = store_of(args, tools)
    print(f"{len(plan.stimuli):,} images", file=sys.stderr)
    with kept(store), archive.writing(args.out) as sink:
        record = export(Making(plan, tools, store), sink, tell_step)
    store.clear()
    return _tell(record, args.out)


def _remake(args: argparse.Namespace) -> int:
    from synfer_core.stimuli import archive, table
    from synfer_core.stimuli.exports import IMAGES
    from synfer_core.stimuli.making import png_of
    from synfer_core.stimuli.remaking import remake

    wanted = table.read(args.from_csv)
    tools = tools_of(args, "none")
    store = store_of(args, tools)
    unlike: list[Remade] = []
    with kept(store), archive.writing(args.out) as sink:
        for made in remake(wanted, tools, store, tell_step):
            one = made.wanted
            if made.image is not None:
                png = png_of(made.image, one.applied.greyscale, one.recipe)
                sink.add(f"{IMAGES}/{one.file}", png)
            if not made.agrees:
                unlike.append(made)
    store.clear()
    return _compare(unlike, len(wanted), args.out)


def tools_of(args: argparse.Namespace, align: Align) -> Tools:
    """The weights of ``--models`` as tools."""
    from synfer_core.stimuli.tools import Tools
    from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer

    synthesizer = Synthesizer.load(args.models)
    return Tools.of(synthesizer, args.models or DEFAULT_FOLDER, align)


def store_of(args: argparse.Namespace, tools: Tools) -> FolderStore:
    """Where images wait until the target of ``--out`` is whole."""
    from synfer_core.stimuli.store import FolderStore

    return FolderStore.beside(args.out.absolute(), tools.maker)


@contextmanager
def kept(store: FolderStore) -> Iterator[None]:
    """Says on Ctrl-C what is kept."""
    try:
        yield
    except (KeyboardInterrupt, CancelledError) as error:
        if not store.count():
            raise
        raise CancelledError(
            f"{store.count()} images are kept in {store.folder}; the same command goes on"
        ) from error


def tell_step(step: Step) -> None:
    """Tells on standard error how far it is: always on a terminal, else every 25 images."""
    line = f"{step.stage} {step.done}/{step.total} {step.file}, {step.left}".rstrip(", ")
    if sys.stderr.isatty():
        end = "\r\x1b[K" if step.done == step.total else ""
        control(f"\r{plain(line)}\x1b[K{end}")
    elif step.done % _EVERY == 0 or step.done == step.total:
        print(line, file=sys.stderr, flush=True)


def _tell(record: Record, out: Path) -> int:
    for failure in record.failures:
        print(f"error: {one_line(f'{failure.stimulus.file}: {failure.error}')}", file=sys.stderr)
    print(f"{len(record.rows):,} images, {len(record.failures)} failed: {out}")
    if record.values("identity_drift"):
        print(f"  {len(record.flagged)} flagged: the person drifts {' '.join(record.flagged)}")
    if record.note:
        print(f"  note: {record.note}")
    return 1 if record.failures else 0


def _compare(unlike: list[Remade], total: int, out: Path) -> int:
    for made in unlike:
        why = str(made.error) if made.error else f"has {made.pixels_sha256}"
        print(f"differs: {made.wanted.file}: {why}", file=sys.stderr)
    print(f"{total - len(unlike):,} of {total:,} images have the pixels of the table: {out}")
    return 1 if unlike else 0
