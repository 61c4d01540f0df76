"""What the method adds: ``eval semantic``, ``ablation`` and ``inversion``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.evaluation import options
from synfer_core.files import write_whole
from synfer_core.request import USUAL_STRENGTH, SemanticOptions

if TYPE_CHECKING:
    from synfer_core.report import Pixels
    from synfer_core.request import Recipe

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

KINDS = ("words", "slight")
ABLATION_ROWS = ("base", "+prompt", "+aus", "+semantic", "+paper")
SWITCH = {"on": True, "off": False}


def add_parsers(parts: Subparsers) -> None:
    """Add these measurements."""
    _add_semantic(parts)
    _add_ablation(parts)
    _add_inversion(parts)


def _add_semantic(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "semantic",
        help="whether semantic guidance helps where words and units leave a face vague",
        description="A hard set with and without semantic guidance, in the same noise.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    options.add_judges(parser)
    parser.add_argument("--people", type=int, default=20, help="seven images each (%(default)s)")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="by what to ask (all)"
    )
    parser.add_argument(
        "--intensity",
        type=float,
        nargs=2,
        default=[1.0, 2.0],
        metavar=("LOW", "HIGH"),
        help="of the action units in slight expressions (1 2)",
    )
    parser.add_argument("--tune", action="store_true", help="on people of their own, for choosing")
    _add_arms(parser)
    parser.add_argument(
        "--sheet", "--out", type=Path, metavar="F.jpg", help="write a contact sheet here"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="F.png", help="draw accuracy at rising strength here"
    )
    options.add_json(parser)
    parser.set_defaults(run=_semantic)


def _add_ablation(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "ablation",
        help="what prompt, units and semantic guidance add, one after the other",
        description="Eight expressions of the same people, with one part of the method more a row.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    options.add_judges(parser)
    parser.add_argument("--people", type=int, default=50, help="eight images each (%(default)s)")
    parser.add_argument(
        "--steps", type=int, default=options.STEPS, help="denoising steps (%(default)s)"
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=ABLATION_ROWS,
        default=list(ABLATION_ROWS[:-1]),
        help="which rows (all but +paper, which the image classifier guides)",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep images here; a later run goes on from them"
    )
    parser.add_argument("--no-exact", action="store_true", help="leave out the exact renders")
    parser.add_argument(
        "--sheet", "--out", type=Path, metavar="F.jpg", help="write a contact sheet here"
    )
    options.add_json(parser)
    parser.set_defaults(run=_ablation)


def _add_inversion(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "inversion",
        help="whether faces come back from inversion, and edits change what they should",
        description="Round trips of held-out renders, and edits of their action units.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    options.add_judges(parser)
    parser.add_argument("--people", type=int, default=100, help="one render each (%(default)s)")
    parser.add_argument("--edits", type=int, default=2, help="of each render (%(default)s)")
    parser.add_argument("--depth", type=float, metavar="N", help="of the edits (the default)")
    parser.add_argument("--keep", type=float, metavar="N", help="of the edits (the default)")
    parser.add_argument(
        "--known", action="store_true", help="tell edits whom the render shows, and which AUs"
    )
    parser.add_argument(
        "--sheet", "--out", type=Path, metavar="F.jpg", help="write a contact sheet here"
    )
    options.add_json(parser)
    parser.set_defaults(run=_inversion)


def _add_arms(parser: argparse.ArgumentParser) -> None:
    """Settings of semantic guidance; several of one kind are measured in all combinations."""
    usual = SemanticOptions()
    group = parser.add_argument_group("guidance, each in all combinations with the others")
    group.add_argument(
        "--strengths",
        type=float,
        nargs="+",
        default=[USUAL_STRENGTH],
        help="(%(default)s); 0, which is none, is measured in any case",
    )
    group.add_argument(
        "--classifiers",
        nargs="+",
        choices=("image",),
        help="what reads the face (all that there are)",
    )
    group.add_argument(
        "--acts-on",
        nargs="+",
        choices=("text", "aus", "both"),
        default=[usual.acts_on],
        help="what moves (%(default)s); aus only without the kind words",
    )
    group.add_argument(
        "--windows",
        type=_window,
        nargs="+",
        default=[(usual.first, usual.last)],
        metavar="FIRST-LAST",
        help=f"shares of the way between which steps are taken ({usual.first}-{usual.last})",
    )
    group.add_argument(
        "--every", type=int, nargs="+", default=[usual.every], help="at every k-th (%(default)s)"
    )
    group.add_argument(
        "--fade",
        nargs="+",
        choices=tuple(SWITCH),
        default=["on"],
        help="whether steps shorten as the expression is read (on)",
    )


def _window(text: str) -> tuple[float, float]:
    first, _, last = text.partition("-")
    try:
        found = float(first), float(last)
    except ValueError:
        found = 1.0, 0.0
    if not 0 <= found[0] <= found[1] <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIRST-LAST, such as 0.1-0.7")
    return found


def _semantic(args: argparse.Namespace) -> int:
    options.require(args.people >= 2, "--people", "at least 2")
    low, high = args.intensity
    options.require(0 < low <= high <= 5, "--intensity", "above 0, at most 5, the lower first")
    strengths = sorted({s for s in args.strengths if s})
    fits = strengths and all(0 < s <= 10 for s in strengths)
    options.require(fits, "--strengths", "0 to 10, one of them above 0")
    options.require(all(1 <= k <= 100 for k in args.every), "--every", "1 to 100")
    fits = "aus" not in args.acts_on or "words" not in args.kinds
    options.require(fits, "--acts-on", "aus only with --kinds slight")
    options.check_targets(args.json, args.sheet, args.plot)
    from synfer_core.evaluation import overshoot, semantic
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.models.backbone import Guided
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges = Gauges.load(folder, args.judges)
    model = options.backbones(args.models)["builtin"]
    classifiers = args.classifiers or list(model.capabilities.guides)
    options.require(classifiers, "--classifiers", "a folder with classifier weights")
    plan = semantic.Plan(args.people, tuple(args.kinds), low, high, options.STEPS, args.tune)
    fade = [SWITCH[word] for word in args.fade]
    arms = semantic.arms(strengths, classifiers, args.acts_on, args.windows, args.every, fade)
    assert isinstance(model, Guided)
    reads = semantic.by_guide(model)
    seen = semantic.measure(model, gauges, plan, arms, reads, tell=options.progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    curves = overshoot.curves(seen)
    if args.plot:
        write_whole(args.plot, overshoot.picture(curves))
    options.write_json(
        args.json, seen.to_dict() | {"curves": [curve.to_dict() for curve in curves]}
    )
    print("\n".join([*seen.lines(), *map(str, curves)]))
    return 0


def _ablation(args: argparse.Namespace) -> int:
    options.require(args.people >= 2, "--people", "at least 2")
    options.require(1 <= args.steps <= 100, "--steps", "1 to 100")
    options.check_targets(args.json, args.sheet)
    from synfer_core.evaluation import ablation
    from synfer_core.evaluation.ablation_plan import Plan
    from synfer_core.evaluation.ablation_row import Spaces
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges, spaces = Gauges.load(folder, args.judges), Spaces.load(folder, args.judges)
    known = options.backbones(args.models)
    plan = Plan(args.people, args.steps, tuple(n for n in ABLATION_ROWS if n in args.rows))
    exact = None if args.no_exact else known["facekit"]
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    seen = ablation.measure(
        known["builtin"],
        exact,
        gauges,
        spaces,
        plan,
        tell=options.progress(),
        keep=args.keep,
    )
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    options.write_json(args.json, seen.figures)
    print("\n".join(seen.lines()))
    return 0


def _inversion(args: argparse.Namespace) -> int:
    options.require(args.people >= 2, "--people", "at least 2")
    options.require(args.edits >= 1, "--edits", "at least 1")
    options.require(args.depth is None or 0 < args.depth <= 1, "--depth", "above 0, at most 1")
    options.require(args.keep is None or 0 <= args.keep <= 1, "--keep", "0 to 1")
    options.check_targets(args.json, args.sheet)
    from synfer_core.evaluation import inversion
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.evaluation.pictures import maker
    from synfer_core.facekit import Renderer
    from synfer_core.faces.align import READ_SIZE
    from synfer_core.models.exact import ExactBackbone
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges = Gauges.load(folder, args.judges)
    synthesizer = options.load(args.models)
    model = synthesizer.backbones["builtin"]
    exact = maker(ExactBackbone(Renderer.load(), READ_SIZE))
    plan = inversion.Plan(
        args.people,
        args.edits,
        steps=options.STEPS,
        depth=args.depth,
        keep=args.keep,
        known=args.known,
    )
    make = maker(model)

    def informed(recipe: Recipe) -> Pixels:
        return make(synthesizer.informed(recipe))

    seen = inversion.measure(model, informed, exact, gauges, plan, tell=options.progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0
