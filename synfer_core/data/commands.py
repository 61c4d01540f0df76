"""The command ``data``; each part imports what it needs when it runs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.command_parts import add_models
from synfer_core.errors import CancelledError, RequestError
from synfer_core.terminal import control

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synfer_core.data.building import Checked, Outcome
    from synfer_core.data.engines import Engine, Event
    from synfer_core.data.making import Maker
    from synfer_core.data.plan import Plan
    from synfer_core.data.progress import Tally

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer data build faces.yaml --out faces/
  synfer data build faces.yaml --out faces/ --workers 4
  synfer data build faces.yaml --out faces/ --engine ray --workers 64
  synfer data verify faces/
  synfer data export faces/ --to parquet --out faces-parquet/
  synfer data estimate --images 1000000 --seconds 0.5 --price 2 --workers 1 8 64

a recipe (docs/data.md has all fields):
  counts: {happiness: 500, anger: 500, neutral: 500}
  people: {balance: [sex, age, skin_tone]}
  verdicts: {by: feranno, attempts: 3}"""

FORMS = ("imagefolder", "parquet", "webdataset")
ENGINES = ("local", "ray")
_EVERY = 25
_REDRAW = 0.2


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "data",
        help="build, check and export labelled data sets",
        description="Build labelled data sets from a recipe. An interrupted run goes on where it "
        "was; the same recipe, seed and model give the same images whoever makes them.",
        epilog=EXAMPLES,
    )
    parts = parser.add_subparsers(metavar="PART", dest="part", required=True)
    _add_build(parts)
    _add_verify(parts)
    _add_export(parts)
    _add_estimate(parts)


def _add_build(parts: Subparsers) -> None:
    parser = parts.add_parser("build", help="build a set, or go on with one")
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what to build")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the set's folder")
    add_models(parser)
    parser.add_argument(
        "--engine", choices=ENGINES, default="local", help="who works (%(default)s)"
    )
    parser.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="how many, one thread each"
    )
    parser.add_argument("--json", type=Path, metavar="F.json", help="write the outcome")
    parser.set_defaults(run=_build)


def _add_verify(parts: Subparsers) -> None:
    parser = parts.add_parser("verify", help="compare a set with its manifest")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the set")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_verify)


def _add_export(parts: Subparsers) -> None:
    parser = parts.add_parser("export", help="write a set in a form that loaders take")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the set")
    parser.add_argument("--to", choices=FORMS, required=True, help="the form")
    parser.add_argument("--out", type=Path, required=True, metavar="D", help="a new folder")
    parser.add_argument(
        "--splits", action="store_true", help="train, validation and test, nobody in two of them"
    )
    parser.set_defaults(run=_export)


def _add_estimate(parts: Subparsers) -> None:
    parser = parts.add_parser("estimate", help="time and cost of a large set")
    parser.add_argument("--images", type=_count, default=1_000_000, metavar="N")
    parser.add_argument(
        "--seconds", type=_positive, required=True, metavar="S", help="one worker's for one image"
    )
    parser.add_argument("--acceptance", type=_positive, default=1.0, metavar="A", help="0 to 1")
    parser.add_argument("--duplicates", type=float, default=0.0, metavar="D", help="0 to 1")
    parser.add_argument("--efficiency", type=_positive, default=0.95, metavar="E", help="0 to 1")
    parser.add_argument("--price", type=float, default=0.0, metavar="P", help="a worker's hour")
    parser.add_argument("--workers", type=_count, nargs="+", default=[1, 8, 64], metavar="N")
    parser.set_defaults(run=_estimate)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _build(args: argparse.Namespace) -> int:
    from synfer_core.data.building import Build, made_by
    from synfer_core.data.plan import Plan
    from synfer_core.data.spec import DataSet
    from synfer_core.data.workshop import ModelWorkshop
    from synfer_core.files import write_whole
    from synfer_core.synthesizer import DEFAULT_FOLDER

    plan = Plan.of(DataSet.load(args.recipe))
    print(f"{plan.total:,} samples in {plan.shards:,} shards", file=sys.stderr)
    for note in plan.table.notes if plan.table else ():
        print(f"note: {note}", file=sys.stderr)
    maker = ModelWorkshop(plan, args.models).open()
    known = made_by(maker, args.models or DEFAULT_FOLDER, threads=1)
    with _resumable(args.out), _engine(args, plan, maker) as engine:
        outcome = Build(plan, args.out, known, engine, Teller().tell).run()
    if args.json:
        write_whole(args.json, json.dumps(vars(outcome), indent=1).encode() + b"\n")
    return _tell_outcome(outcome, args.out)


def _engine(args: argparse.Namespace, plan: Plan, maker: Maker) -> Engine:
    from synfer_core.data.engines import LocalEngine, ProcessEngine
    from synfer_core.data.workshop import ModelWorkshop

    workshop = ModelWorkshop(plan, args.models.absolute() if args.models else None)
    if args.engine == "ray":
        from synfer_core.data.ray_engine import RayEngine

        return RayEngine(workshop, args.workers)
    return LocalEngine(maker) if args.workers == 1 else ProcessEngine(workshop, args.workers)


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Says on Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise CancelledError(f"what is made is kept in {out}; the same command goes on") from error


class Teller:
    """Tells on standard error how far a build is: a bar on a terminal, else every 25 images."""

    def __init__(self) -> None:
        self._last = 0.0
        self._drawn = False

    def tell(self, event: Event | Checked, tally: Tally) -> None:
        """See `building.Watch`."""
        from synfer_core.data.building import Checked
        from synfer_core.data.engines import Fault
        from synfer_core.data.manifest import Record

        if isinstance(event, Fault):
            self._line(f"shard {event.shard} was not made: {event.why}")
        if isinstance(event, Checked):
            self._checked(event)
        elif sys.stderr.isatty():
            self._draw(tally)
        elif isinstance(event, Record) and (tally.done % _EVERY == 0 or tally.done == tally.total):
            self._line(_told(tally, ", "))

    def _checked(self, event: Checked) -> None:
        if event.total > _EVERY and event.done % _EVERY == 0:
            self._line(f"checked {event.done:,} of {event.total:,} shards")

    def _draw(self, tally: Tally) -> None:
        """Two lines, drawn over the last two."""
        now = time.monotonic()
        if now - self._last < _REDRAW and tally.done != tally.total:
            return
        self._last = now
        up = "\x1b[2F" if self._drawn else ""
        control(f"{up}{_told(tally, chr(27) + '[K' + chr(10))}\x1b[K\n")
        self._drawn = True

    def _line(self, text: str) -> None:
        self._drawn = False
        print(text, file=sys.stderr, flush=True)


def _told(tally: Tally, between: str) -> str:
    from synfer_core.data.progress import bar, in_words, rates

    left = in_words(tally.seconds_left) if tally.done < tally.total else ""
    head = " ".join(part for part in (bar(tally.done, tally.total), left) if part)
    return f"{head}{between}{rates(tally)}"


def _tell_outcome(outcome: Outcome, out: Path) -> int:
    for why, count in outcome.faults.items():
        print(f"met {count} times: {why}", file=sys.stderr)
    print(
        f"{outcome.made:,} images, {outcome.rejected:,} rejected, {outcome.duplicates:,} "
        f"near-duplicates, {outcome.failed:,} failed: {out}"
    )
    return 1 if outcome.failed else 0


def _verify(args: argparse.Namespace) -> int:
    from synfer_core.data.manifest import verify

    found = verify(args.folder, _tell_every("checked"))
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        for what in ("missing", "extra", "changed"):
            for name in getattr(found, what):
                print(f"{what}: {name}")
        print(f"{found.images:,} images: {'as they were made' if found.good else 'not all well'}")
    return 0 if found.good else 1


def _tell_every(what: str) -> Any:
    def tell(done: int, total: int | None = None) -> None:
        if done % 1000 == 0:
            of = f" of {total:,}" if total else ""
            print(f"{what} {done:,}{of} images", file=sys.stderr, flush=True)

    return tell


def _export(args: argparse.Namespace) -> int:
    from synfer_core.data.export import export

    done = export(args.folder, args.to, args.out, splits=args.splits, tell=_tell_every("written"))
    print(f"{done:,} images: {args.out}")
    return 0


def _estimate(args: argparse.Namespace) -> int:
    from synfer_core.data.cost import Estimate

    for name in ("acceptance", "efficiency"):
        if getattr(args, name) > 1:
            raise RequestError("is a share", field=f"--{name}", allowed="above 0, at most 1")
    if not 0 <= args.duplicates < 1:
        raise RequestError("is a share", field="--duplicates", allowed="from 0, below 1")
    names = ("images", "seconds", "acceptance", "duplicates", "efficiency", "price")
    estimate = Estimate(**{name: getattr(args, name) for name in names})
    print("\n".join(estimate.lines(tuple(args.workers))))
    return 0
