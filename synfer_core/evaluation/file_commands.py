"""What sets and files keep: ``eval drift``, ``provenance`` and ``fetext``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.evaluation import options
from synfer_core.files import write_whole

if TYPE_CHECKING:
    from synfer_core.evaluation import provenance

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

RENDER_SIZES = (128, 256)


def add_parsers(parts: Subparsers) -> None:
    """Add these measurements."""
    _add_drift(parts)
    _add_provenance(parts)
    _add_fetext(parts)


def _add_drift(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "drift",
        help="below which identity similarity another person is shown",
        description="Renders pairs of one person and of different people, and writes the threshold "
        "of identity similarity, drift.json, beside the weights; stimulus sets are flagged by it.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    parser.add_argument("--people", type=int, default=60, help="five renders each (%(default)s)")
    options.add_json(parser)
    parser.set_defaults(run=_drift)


def _add_provenance(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "provenance",
        help="what the watermark outlives, whether it shows, and whether it is found unput",
        description="Marked and unmarked pictures through compression, resizing and the like.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    parser.add_argument(
        "--renders", type=int, default=100, help="exact, at 128 and at 256 px (%(default)s)"
    )
    parser.add_argument(
        "--generated", type=int, default=30, help="by the built-in model (%(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="show marks here, enlarged")
    options.add_json(parser)
    parser.set_defaults(run=_provenance)


def _add_fetext(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "fetext",
        help="FEText: bad images listed, a killed run taken up again, throughput and memory",
        description="FEText on renders with broken, blank, faceless and multi-face files among "
        "them, once in one go and once killed at half.",
        epilog=options.EXAMPLES,
    )
    parser.add_argument("out", type=Path, metavar="DIR", help="a new folder for source and results")
    parser.add_argument("--images", type=int, default=300, help="files in all (%(default)s)")
    parser.add_argument("--bad", type=int, default=15, help="bad ones among them (%(default)s)")
    parser.add_argument("--per-shard", type=int, default=20, help="images a shard (%(default)s)")
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a contact sheet here")
    options.add_json(parser)
    parser.set_defaults(run=_fetext)


def _drift(args: argparse.Namespace) -> int:
    options.require(args.people >= 6, "--people", "at least 6")
    from synfer_core.evaluation import drift
    from synfer_core.evaluation.gauges import codes
    from synfer_core.evaluation.pictures import maker
    from synfer_core.facekit import Renderer
    from synfer_core.faces.align import READ_SIZE
    from synfer_core.models import checkpoints
    from synfer_core.models.exact import ExactBackbone
    from synfer_core.models.identity_reader import IdentityReader
    from synfer_core.stimuli.drift import FILE, READER
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    options.check_targets(args.json, folder / FILE)
    read = partial(codes, IdentityReader.load(folder / READER))
    sha256 = checkpoints.file_sha256(folder / READER)
    make = maker(ExactBackbone(Renderer.load(), READ_SIZE))
    seen = drift.measure(make, read, sha256, drift.Plan(args.people), tell=options.progress())
    seen.threshold.save(folder / FILE)
    options.write_json(args.json, seen.to_dict())
    print("\n".join([*seen.lines(), str(folder / FILE)]))
    return 0


def _fetext(args: argparse.Namespace) -> int:
    options.check_targets(args.json, args.sheet)
    empty = not args.out.exists() or not any(args.out.iterdir())
    options.require(empty, "DIR", "a new or empty folder")
    from synfer_core.evaluation import fetext

    plan = fetext.Plan(args.images, args.bad, args.per_shard)
    args.out.mkdir(parents=True, exist_ok=True)
    seen = fetext.measure(args.out, fetext.renders(plan.images, options.progress()), plan)
    if args.sheet:
        write_whole(args.sheet, fetext.sheet(args.out / fetext.WHOLE))
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _provenance(args: argparse.Namespace) -> int:
    options.require(args.renders >= 0, "--renders", "at least 0")
    options.require(args.generated >= 0, "--generated", "at least 0")
    options.check_targets(args.json, args.sheet)
    from synfer_core.evaluation import provenance

    trials = [provenance.trial("samples", provenance.built_in())]
    trials += _render_trials(args) if args.renders else []
    trials += _generated_trials(args) if args.generated else []
    seen = provenance.Survival(tuple(trials))
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _generated_trials(args: argparse.Namespace) -> list[provenance.Trial]:
    from synfer_core.evaluation import inversion, provenance
    from synfer_core.evaluation.pictures import maker

    plan = inversion.Plan(people=args.generated)
    recipes = [inversion.plain_of(plan, source) for source in inversion.sources(plan)]
    make = maker(options.backbones(args.models)["builtin"])
    return [provenance.trial("generated", provenance.collect(make, recipes, options.progress()))]


def _render_trials(args: argparse.Namespace) -> list[provenance.Trial]:
    from synfer_core.evaluation import inversion, provenance
    from synfer_core.evaluation.pictures import maker
    from synfer_core.facekit import Renderer
    from synfer_core.models.exact import ExactBackbone

    recipes = inversion.sources(inversion.Plan(people=args.renders))
    exact = ExactBackbone(Renderer.load(), RENDER_SIZES[0])
    makers = [maker(exact, size) for size in RENDER_SIZES]
    return [
        provenance.trial("renders", provenance.collect(make, recipes, options.progress()))
        for make in makers
    ]
