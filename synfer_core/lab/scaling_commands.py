"""``lab scaling``: options, and what is done before and after the cells are made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.errors import CancelledError, RequestError
from synfer_core.lab import options

if TYPE_CHECKING:
    from synfer_core.lab.images import Faces
    from synfer_core.lab.scaling import Bench, Plan

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

PICTURE, TABLE, NUMBERS = (f"scaling.{suffix}" for suffix in ("png", "csv", "json"))


def add_parser(parts: Subparsers) -> None:
    """Add the part."""
    parser = parts.add_parser(
        "scaling",
        help="accuracy against the size of the data set",
        description="Train on growing parts of one or more sources and draw how accuracy rises. "
        "An interrupted run goes on where it was.",
        epilog="example:\n  synfer lab scaling --train generated=faces/ renders=renders/ "
        "--test held-out/ --out runs/scaling",
    )
    faces = parser.add_argument_group("faces")
    faces.add_argument(
        "--train", nargs="+", required=True, metavar="[NAME=]DIR", help="each becomes a curve"
    )
    faces.add_argument("--real", metavar="[NAME=]DIR", help="draws the reference line")
    faces.add_argument("--test", type=Path, required=True, metavar="DIR", help="to be tested on")
    for name in ("train", "real", "test"):
        faces.add_argument(f"--{name}-split", metavar="S", help="train, val or test of it (all)")
    options.add_reading(faces)
    options.add_alignment(parser.add_argument_group("alignment: a further curve of each source"))
    _add_plan(parser)
    options.add_augment(parser)
    options.add_out(parser)
    parser.set_defaults(run=_run)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("plan")
    group.add_argument(
        "--factors",
        type=float,
        nargs="+",
        default=[0.25, 0.5, 1.0, 2.0, 5.0],
        metavar="X",
        help="sizes, as multiples of --unit (0.25 0.5 1 2 5)",
    )
    group.add_argument("--unit", type=int, default=1000, metavar="N", help="1x (%(default)s)")
    group.add_argument(
        "--methods",
        nargs="+",
        default=["supervised", "simclr"],
        choices=("supervised", "simclr", "byol", "moco"),
        help="(supervised simclr)",
    )
    group.add_argument("--seeds", type=int, default=3, metavar="N", help="(%(default)s)")
    group.add_argument("--net", default="resnet", choices=("resnet", "cbam", "vit"))
    group.add_argument("--batch", type=int, default=64, metavar="N", help="(%(default)s)")
    for name, default in (("samples", 10_000), ("pretrain-samples", 8_000)):
        group.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help="seen (%(default)s)"
        )


def _run(args: argparse.Namespace) -> int:
    from synfer_core.lab.curves import Curves
    from synfer_core.lab.runs import Run

    plan = _plan(args)
    names = [_named(text) for text in args.train]
    title = args.title or f"scaling: {', '.join(name for name, _ in names)} on {args.test.name}"
    run = Run.begin(args.out, "scaling", title, options.settings(args), again=True)
    bench = _bench(args, plan, names)
    try:
        outcomes = bench.run(options.Progress("images seen"))
    except KeyboardInterrupt as error:
        raise CancelledError(
            f"what is made is kept in {args.out}; the same command goes on"
        ) from error
    curves = Curves(plan, outcomes, 1 / len(bench.test.counts), bench.real)
    sources = {name: faces.to_dict() for name, faces in bench.sources.items()}
    run.write_json(NUMBERS, {**curves.to_dict(), "sources": sources, "test": bench.test.to_dict()})
    run.write(TABLE, curves.to_csv())
    run.write(PICTURE, curves.picture(title))
    run.end((PICTURE, TABLE, NUMBERS))
    print("\n".join(curves.lines()))
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from synfer_core.lab.scaling import Plan
    from synfer_core.lab.steps import Budget

    aligned = ("aligned",) if args.align else ()
    return Plan(
        sizes=tuple(round(factor * args.unit) for factor in args.factors),
        methods=(*args.methods, *aligned),
        seeds=args.seeds,
        reference=args.unit,
        net=options.net_config(args),
        augment=args.augment,
        supervised=Budget(args.samples, args.batch),
        pretraining=Budget(args.pretrain_samples, args.batch),
    )


def _named(text: str) -> tuple[str, Path]:
    """``NAME=DIR``, or a folder that gives its own name."""
    name, equals, folder = text.partition("=")
    path = Path(folder if equals else text)
    return (name if equals else path.resolve().name), path


def _bench(args: argparse.Namespace, plan: Plan, names: list[tuple[str, Path]]) -> Bench:
    from synfer_core.lab.images import refuse_shared
    from synfer_core.lab.scaling import Bench

    real = _named(args.real) if args.real else None
    every = [*names, *([real] if real else [])]
    if len({name for name, _ in every}) < len(every):
        raise RequestError("two sources have one name", field="--train", allowed="NAME=DIR")
    test = options.faces(args, args.test, args.test_split).labelled()
    sources: dict[str, Faces] = {}
    for name, folder in every:
        split = args.real_split if real and name == real[0] else args.train_split
        sources[name] = options.faces(args, folder, split).labelled()
        refuse_shared(sources[name], test)
        short = [size for size in plan.sizes if size > len(sources[name])]
        if short and (real is None or name != real[0]):
            had = f"{name} has {len(sources[name]):,} images"
            print(f"{had}; left out: {', '.join(map(str, short))}", file=sys.stderr)
    return Bench(plan, sources, test, args.out, real[0] if real else None, options.target(args))
