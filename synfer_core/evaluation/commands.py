"""The commands ``eval`` and ``bench``; each imports what it needs when it runs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.errors import RequestError, WeightsError
from synfer_core.files import check_writable, write_whole
from synfer_core.request import USUAL_STRENGTH, SemanticOptions

if TYPE_CHECKING:
    from synfer_core.evaluation import provenance
    from synfer_core.evaluation.experts import Made
    from synfer_core.evaluation.feranno import Generated, Reader
    from synfer_core.models.backbone import Backbone
    from synfer_core.models.builtin import BuiltinModel
    from synfer_core.panel import Panel
    from synfer_core.synthesizer import Synthesizer
    from synfer_core.training import rivals

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EVAL_EXAMPLES = """examples:
  synfer eval first-light --sheet first-light.jpg --json first-light.json
  synfer eval first-light --backbone facekit --sheet exact.jpg
  synfer eval attention --sheet attention.jpg
  synfer eval feranno --data renders --rivals runs/rivals --diagram reliability.png
  synfer eval experts --data others --apart-from renders --json experts.json
  synfer eval control --json control.json --crosstalk crosstalk.png
  synfer eval control --parts words identity
  synfer eval semantic --json semantic.json --sheet semantic.jpg
  synfer eval semantic --tune --people 6 --acts-on text both --strengths 1 2 4
  synfer eval semantic --tune --strengths 0 1 2 4 8 --plot over-optimisation.png
  synfer eval ablation --keep ablation --json ablation.json --sheet ablation.jpg
  synfer eval inversion --json inversion.json --out inversion.jpg
  synfer eval drift --json drift-figures.json
  synfer eval provenance --json provenance.json --sheet watermark.jpg
  synfer eval fetext trial/ --json fetext.json --sheet fetext.jpg
  synfer eval sheets sheets/"""

BENCH_EXAMPLES = """examples:
  synfer bench latency --json latency.json
  synfer bench latency --no-peer
  synfer bench render --seconds 20"""

CONTROL_PARTS = ("aus", "one-sided", "words", "identity", "presets")
KINDS = ("words", "slight")
ABLATION_ROWS = ("base", "+prompt", "+aus", "+semantic", "+paper")
SWITCH = {"on": True, "off": False}
SHEETS = ("random", "expressions", "aus")
RENDER_SIZES = (128, 256)
_STEPS = 20


def add_parser(subparsers: Subparsers) -> None:
    """Add both commands."""
    _add_eval(subparsers)
    _add_bench(subparsers)


def _add_eval(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "eval", help="measure", description="Measure the built-in model.", epilog=EVAL_EXAMPLES
    )
    parts = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    light = parts.add_parser(
        "first-light",
        help="84 images by preset: faces found, expressions read",
        description="Seven expressions by preset, twelve people: faces found, expressions read.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(light)
    _add_judges(light)
    _add_backbone(light)
    light.add_argument("--identities", type=int, default=12, help="people (%(default)s)")
    light.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a contact sheet here")
    _add_json(light)
    light.set_defaults(run=_first_light)
    _add_attention(parts)
    _add_feranno(parts)
    _add_experts(parts)
    _add_control(parts)
    _add_semantic(parts)
    _add_ablation(parts)
    _add_inversion(parts)
    _add_drift(parts)
    _add_provenance(parts)
    _add_fetext(parts)
    _add_sheets(parts)


def _add_fetext(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "fetext",
        help="FEText: bad images listed, a killed run taken up again, throughput and memory",
        description="FEText on renders with broken, blank, faceless and multi-face files among "
        "them, once in one go and once killed at half.",
        epilog=EVAL_EXAMPLES,
    )
    parser.add_argument("out", type=Path, metavar="DIR", help="a new folder for source and results")
    parser.add_argument("--images", type=int, default=300, help="files in all (%(default)s)")
    parser.add_argument("--bad", type=int, default=15, help="bad ones among them (%(default)s)")
    parser.add_argument("--per-shard", type=int, default=20, help="images a shard (%(default)s)")
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a contact sheet here")
    _add_json(parser)
    parser.set_defaults(run=_fetext)


def _add_control(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "control",
        help="whether units, sides, presets, words and the person come out as asked",
        description="Whether AUs, sides, presets, words and the person come out as asked.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    _add_judges(parser)
    _add_backbone(parser)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=CONTROL_PARTS,
        default=list(CONTROL_PARTS),
        help="what to measure (all); identity is read on the images of the presets",
    )
    parser.add_argument(
        "--images", type=int, default=300, help="with independent AUs, five a person (%(default)s)"
    )
    parser.add_argument(
        "--active", type=float, default=0.5, help="chance of each of DISFA's AUs (%(default)s)"
    )
    parser.add_argument(
        "--active-others", type=float, default=0.1, help="chance of each other AU (%(default)s)"
    )
    parser.add_argument("--no-exact", action="store_true", help="leave out the exact renders")
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a contact sheet here")
    parser.add_argument("--crosstalk", type=Path, metavar="F.png", help="draw the cross-talk here")
    _add_json(parser)
    parser.set_defaults(run=_control)


def _add_semantic(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "semantic",
        help="whether semantic guidance helps where words and units leave a face vague",
        description="A hard set with and without semantic guidance, in the same noise.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    _add_judges(parser)
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
    _add_json(parser)
    parser.set_defaults(run=_semantic)


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
        choices=("latent", "image"),
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


def _add_ablation(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "ablation",
        help="what prompt, units and semantic guidance add, one after the other",
        description="Eight expressions of the same people, with one part of the method more a row.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    _add_judges(parser)
    parser.add_argument("--people", type=int, default=50, help="eight images each (%(default)s)")
    parser.add_argument("--steps", type=int, default=_STEPS, help="denoising steps (%(default)s)")
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
    _add_json(parser)
    parser.set_defaults(run=_ablation)


def _add_inversion(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "inversion",
        help="whether faces come back from inversion, and edits change what they should",
        description="Round trips of held-out renders, and edits of their action units.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    _add_judges(parser)
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
    _add_json(parser)
    parser.set_defaults(run=_inversion)


def _add_drift(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "drift",
        help="below which identity similarity another person is shown",
        description="Renders pairs of one person and of different people, and writes the threshold "
        "of identity similarity, drift.json, beside the weights; stimulus sets are flagged by it.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    parser.add_argument("--people", type=int, default=60, help="five renders each (%(default)s)")
    _add_json(parser)
    parser.set_defaults(run=_drift)


def _add_provenance(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "provenance",
        help="what the watermark outlives, whether it shows, and whether it is found unput",
        description="Marked and unmarked pictures through compression, resizing and the like.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    parser.add_argument(
        "--renders", type=int, default=100, help="exact, at 128 and at 256 px (%(default)s)"
    )
    parser.add_argument(
        "--generated", type=int, default=30, help="by the built-in model (%(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="show marks here, enlarged")
    _add_json(parser)
    parser.set_defaults(run=_provenance)


def _add_sheets(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "sheets",
        help="contact sheets: random faces, people by expressions, each AU in five steps",
        description="Contact sheets of the same recipes for any backbone.",
        epilog=EVAL_EXAMPLES,
    )
    parser.add_argument("out", type=Path, metavar="DIR", help="gets random.jpg and so on")
    _add_models(parser)
    _add_backbone(parser)
    parser.add_argument(
        "--kinds", nargs="+", choices=SHEETS, default=list(SHEETS), help="which sheets (all)"
    )
    parser.set_defaults(run=_sheets)


def _add_attention(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "attention",
        help="whether an AU's attention lies where it moves the face",
        description="Share of each AU's attention inside the region that FaceKit moves for it.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    parser.add_argument(
        "--images", type=int, default=264, help="22 a person, in whole people (%(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="draw maps and regions here")
    _add_json(parser)
    parser.set_defaults(run=_attention)


def _add_feranno(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "feranno",
        help="whether FERAnno reads right, knows how sure it is, and finds wrong labels",
        description="Accuracy, calibration and wrong labels found, on people not seen.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="renders; val and test are used"
    )
    parser.add_argument(
        "--apart-from",
        type=Path,
        metavar="DIR",
        help="what FERAnno learned from, if not --data; its people are refused",
    )
    parser.add_argument("--images", type=int, default=800, help="at most (%(default)s)")
    _add_judges(parser)
    parser.add_argument(
        "--identities", type=int, default=12, help="people to generate, 0 for none (%(default)s)"
    )
    parser.add_argument(
        "--rivals", type=Path, metavar="DIR", help="what `synfer train feranno --rival` wrote"
    )
    parser.add_argument("--diagram", type=Path, metavar="F.png", help="draw reliability here")
    _add_json(parser)
    parser.set_defaults(run=_feranno)


def _add_experts(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "experts",
        help="whether FERAnno with experts reads better than each alone, and mends wrong labels",
        description="FERAnno with experts beside FERAnno and each expert alone, on people not seen "
        "and on generated images.",
        epilog=EVAL_EXAMPLES,
    )
    _add_models(parser)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="renders; test is used"
    )
    parser.add_argument(
        "--apart-from",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="what the experts learned from, if not --data: people refused, train is used too",
    )
    parser.add_argument("--images", type=int, default=2000, help="at most (%(default)s)")
    _add_judges(parser)
    parser.add_argument(
        "--identities", type=int, default=25, help="people to generate, 0 for none (%(default)s)"
    )
    _add_json(parser)
    parser.set_defaults(run=_experts)


def _add_bench(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "bench", help="time", description="Time this machine.", epilog=BENCH_EXAMPLES
    )
    parts = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    latency = parts.add_parser(
        "latency",
        help="seconds from recipe to image and report",
        description="Seconds from a recipe to its image and to the full report.",
        epilog=BENCH_EXAMPLES,
    )
    _add_models(latency)
    latency.add_argument("--runs", type=int, default=7, help="images to time (%(default)s)")
    latency.add_argument(
        "--no-peer", action="store_true", help="skip the Stable Diffusion-sized peer (4 GB, 1 min)"
    )
    _add_json(latency)
    latency.set_defaults(run=_latency)
    render = parts.add_parser(
        "render",
        help="renders a second and core",
        description="Images that FaceKit renders a second on one core.",
        epilog=BENCH_EXAMPLES,
    )
    render.add_argument(
        "--sizes", type=int, nargs="+", default=[128, 256], metavar="N", help="pixels on a side"
    )
    render.add_argument("--seconds", type=float, default=20.0, help="for each size (%(default)s)")
    _add_json(render)
    render.set_defaults(run=_render)


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, metavar="DIR", help="weights (the ones that ship)")


def _add_judges(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judges", type=Path, metavar="DIR", help="judge-*.safetensors (beside the weights)"
    )


def _add_backbone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", default="builtin", help="which model (%(default)s)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="F.json", help="also write the figures here")


def _first_light(args: argparse.Namespace) -> int:
    _require(args.identities > 0, "--identities", "at least 1")
    _check_targets(args.json, args.sheet)
    from synfer_core.evaluation import first_light
    from synfer_core.faces.landmarks import shared_landmarker
    from synfer_core.synthesizer import DEFAULT_FOLDER

    judges = first_light.load_judges(args.judges or args.models or DEFAULT_FOLDER)
    recipes = first_light.recipes(args.backbone, args.identities)
    synthesizer = _load(args.models)
    detect = shared_landmarker().detect
    seen = first_light.measure(synthesizer, judges, detect, recipes, tell=_progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    figures = seen.to_dict()
    _write_json(args.json, figures)
    print(f"faces found: {seen.face_found()}")
    for name in judges:
        print(f"expressions read by judge {name}: {seen.accuracy(name)}")
    agreement = seen.agreement()
    print(f"expressions read by FERAnno: {agreement or 'no labels'}")
    return 0


def _control(args: argparse.Namespace) -> int:
    _require(args.images >= 5, "--images", "at least 5")
    _require(0 < args.active <= 1, "--active", "above 0, at most 1")
    _require(0 <= args.active_others <= 1, "--active-others", "0 to 1")
    _check_targets(args.json, args.sheet, args.crosstalk)
    if "aus" not in args.parts:
        _require(not args.sheet, "--sheet", "only with the part aus")
        _require(not args.crosstalk, "--crosstalk", "only with the part aus")
    from synfer_core.evaluation import control, control_report
    from synfer_core.evaluation.control_plan import Plan
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges = Gauges.load(folder, args.judges)
    synthesizer = _load(args.models)
    backbone = _backbone(synthesizer, args.backbone)
    exact = None if args.no_exact else synthesizer.backbones.get("facekit")
    plan = Plan(images=args.images, active=args.active, active_others=args.active_others)
    seen = control.measure(backbone, exact, gauges, plan, args.parts, tell=_progress())
    sheet = seen.sheet()
    if args.sheet and sheet:
        write_whole(args.sheet, sheet)
    if args.crosstalk and seen.model.mixes:
        title = f"Cross-talk, {args.backbone}"
        picture = control_report.crosstalk_picture(seen.model.mixes.crosstalk(), title)
        write_whole(args.crosstalk, picture)
    figures = seen.to_dict()
    _write_json(args.json, figures)
    print("\n".join(control_report.lines(figures)))
    return 0


def _semantic(args: argparse.Namespace) -> int:
    _require(args.people >= 2, "--people", "at least 2")
    low, high = args.intensity
    _require(0 < low <= high <= 5, "--intensity", "above 0, at most 5, the lower first")
    strengths = sorted({s for s in args.strengths if s})
    fits = strengths and all(0 < s <= 10 for s in strengths)
    _require(fits, "--strengths", "0 to 10, one of them above 0")
    _require(all(1 <= k <= 100 for k in args.every), "--every", "1 to 100")
    fits = "aus" not in args.acts_on or "words" not in args.kinds
    _require(fits, "--acts-on", "aus only with --kinds slight")
    _check_targets(args.json, args.sheet, args.plot)
    from synfer_core.evaluation import overshoot, semantic
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges = Gauges.load(folder, args.judges)
    model = _builtin(folder)
    classifiers = args.classifiers or list(model.readers)
    _require(classifiers, "--classifiers", "a folder with latent-classifier or classifier weights")
    plan = semantic.Plan(args.people, tuple(args.kinds), low, high, _STEPS, args.tune)
    fade = [SWITCH[word] for word in args.fade]
    arms = semantic.arms(strengths, classifiers, args.acts_on, args.windows, args.every, fade)
    reads = semantic.by_guide(model)
    seen = semantic.measure(model, gauges, plan, arms, reads, tell=_progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    curves = overshoot.curves(seen)
    if args.plot:
        write_whole(args.plot, overshoot.picture(curves))
    _write_json(args.json, seen.to_dict() | {"curves": [curve.to_dict() for curve in curves]})
    print("\n".join([*seen.lines(), *map(str, curves)]))
    return 0


def _ablation(args: argparse.Namespace) -> int:
    _require(args.people >= 2, "--people", "at least 2")
    _require(1 <= args.steps <= 100, "--steps", "1 to 100")
    _check_targets(args.json, args.sheet)
    from synfer_core.evaluation import ablation
    from synfer_core.evaluation.ablation_plan import Plan
    from synfer_core.evaluation.ablation_row import Spaces
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges, spaces = Gauges.load(folder, args.judges), Spaces.load(folder, args.judges)
    synthesizer = _load(args.models)
    plan = Plan(args.people, args.steps, tuple(n for n in ABLATION_ROWS if n in args.rows))
    exact = None if args.no_exact else synthesizer.backbones.get("facekit")
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    seen = ablation.measure(
        synthesizer.backbones["builtin"],
        exact,
        gauges,
        spaces,
        plan,
        tell=_progress(),
        keep=args.keep,
    )
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    _write_json(args.json, seen.figures)
    print("\n".join(seen.lines()))
    return 0


def _inversion(args: argparse.Namespace) -> int:
    _require(args.people >= 2, "--people", "at least 2")
    _require(args.edits >= 1, "--edits", "at least 1")
    _require(args.depth is None or 0 < args.depth <= 1, "--depth", "above 0, at most 1")
    _require(args.keep is None or 0 <= args.keep <= 1, "--keep", "0 to 1")
    _check_targets(args.json, args.sheet)
    from synfer_core.evaluation import inversion
    from synfer_core.evaluation.control import maker
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.facekit import Renderer
    from synfer_core.models.exact import ExactBackbone
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges = Gauges.load(folder, args.judges)
    model = _builtin(folder)
    exact = maker(ExactBackbone(Renderer.load(), model.codec.config.image_size))
    plan = inversion.Plan(
        args.people, args.edits, steps=_STEPS, depth=args.depth, keep=args.keep, known=args.known
    )
    seen = inversion.measure(model, maker(model), exact, gauges, plan, tell=_progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    _write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _drift(args: argparse.Namespace) -> int:
    _require(args.people >= 6, "--people", "at least 6")
    from synfer_core.evaluation import drift
    from synfer_core.evaluation.control import maker
    from synfer_core.evaluation.gauges import codes
    from synfer_core.facekit import Renderer
    from synfer_core.models import checkpoints, codec
    from synfer_core.models.exact import ExactBackbone
    from synfer_core.models.identity_reader import IdentityReader
    from synfer_core.stimuli.drift import FILE, READER
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    _check_targets(args.json, folder / FILE)
    read = partial(codes, IdentityReader.load(folder / READER))
    sha256 = checkpoints.file_sha256(folder / READER)
    size = codec.load(folder / "codec.safetensors")[0].config.image_size
    make = maker(ExactBackbone(Renderer.load(), size))
    seen = drift.measure(make, read, sha256, drift.Plan(args.people), tell=_progress())
    seen.threshold.save(folder / FILE)
    _write_json(args.json, seen.to_dict())
    print("\n".join([*seen.lines(), str(folder / FILE)]))
    return 0


def _fetext(args: argparse.Namespace) -> int:
    _check_targets(args.json, args.sheet)
    _require(not args.out.exists() or not any(args.out.iterdir()), "DIR", "a new or empty folder")
    from synfer_core.evaluation import fetext

    plan = fetext.Plan(args.images, args.bad, args.per_shard)
    args.out.mkdir(parents=True, exist_ok=True)
    seen = fetext.measure(args.out, fetext.renders(plan.images, _progress()), plan)
    if args.sheet:
        write_whole(args.sheet, fetext.sheet(args.out / fetext.WHOLE))
    _write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _provenance(args: argparse.Namespace) -> int:
    _require(args.renders >= 0, "--renders", "at least 0")
    _require(args.generated >= 0, "--generated", "at least 0")
    _check_targets(args.json, args.sheet)
    from synfer_core.evaluation import provenance

    trials = [provenance.trial("samples", provenance.built_in())]
    trials += _render_trials(args) if args.renders else []
    trials += _generated_trials(args) if args.generated else []
    seen = provenance.Survival(tuple(trials))
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    _write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _generated_trials(args: argparse.Namespace) -> list[provenance.Trial]:
    from synfer_core.evaluation import inversion, provenance
    from synfer_core.evaluation.control import maker
    from synfer_core.synthesizer import DEFAULT_FOLDER

    plan = inversion.Plan(people=args.generated)
    recipes = [inversion.plain_of(plan, source) for source in inversion.sources(plan)]
    make = maker(_builtin(args.models or DEFAULT_FOLDER))
    return [provenance.trial("generated", provenance.collect(make, recipes, _progress()))]


def _render_trials(args: argparse.Namespace) -> list[provenance.Trial]:
    from synfer_core.evaluation import inversion, provenance
    from synfer_core.evaluation.control import maker
    from synfer_core.facekit import Renderer
    from synfer_core.models.exact import ExactBackbone

    recipes = inversion.sources(inversion.Plan(people=args.renders))
    renderer = Renderer.load()
    makers = [maker(ExactBackbone(renderer, size)) for size in RENDER_SIZES]
    return [
        provenance.trial("renders", provenance.collect(make, recipes, _progress()))
        for make in makers
    ]


def _builtin(folder: Path) -> BuiltinModel:
    from synfer_core.models.builtin import BuiltinModel

    return BuiltinModel.load(folder)


def _sheets(args: argparse.Namespace) -> int:
    args.out.mkdir(parents=True, exist_ok=True)
    targets = {kind: args.out / f"{kind}.jpg" for kind in args.kinds}
    _check_targets(*targets.values())
    from synfer_core.evaluation.control import maker
    from synfer_core.evaluation.galleries import GALLERIES

    make = maker(_backbone(_load(args.models), args.backbone))
    for kind, target in targets.items():
        gallery = GALLERIES[kind](args.backbone, _STEPS)
        write_whole(target, gallery.draw(make, _progress()))
        print(target)
    return 0


def _progress() -> Callable[[int, int], None]:
    """Tells on standard error how far it is: always on a terminal, else every 25 images."""
    start = time.perf_counter()

    def tell(done: int, total: int) -> None:
        line = f"{done}/{total} images, {time.perf_counter() - start:.0f} s"
        if sys.stderr.isatty():
            print(f"\r{line}", end="\n" if done == total else "", file=sys.stderr)
        elif done % 25 == 0 or done == total:
            print(line, file=sys.stderr, flush=True)

    return tell


def _attention(args: argparse.Namespace) -> int:
    _require(args.images > 0, "--images", "at least 1")
    _check_targets(args.json, args.sheet)
    from synfer_core.evaluation import attention
    from synfer_core.facekit.renderer import Renderer

    people = -(-args.images // len(attention.KEYS))
    backbone = _load(args.models).backbones["builtin"]
    region = attention.regions(Renderer.load().head, backbone.capabilities.image_size)
    seen = attention.measure(backbone, region, attention.recipes(people), tell=_progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    _write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _feranno(args: argparse.Namespace) -> int:
    _require(args.images >= 10, "--images", "at least 10")
    _require(args.identities >= 0, "--identities", "at least 0")
    _check_targets(args.json, args.diagram)
    from synfer_core.evaluation import feranno, first_light
    from synfer_core.training.rivals import parameters

    synthesizer = _load(args.models)
    readers = _readers(args, synthesizer)
    validation = feranno.faces(args.data, "val")
    held_out = feranno.held_out(args.data, args.images, args.apart_from)
    reads: dict[str, Reader] = {name: r.probabilities for name, r in readers.items()}
    answers = {n: feranno.answer(r, validation, held_out) for n, r in reads.items()}
    generated = _generated(args, synthesizer, reads[feranno.OURS]) if args.identities else None
    weights = synthesizer.check(first_light.recipes()[0]).weights_sha256
    sizes = {name: parameters(r.net) for name, r in readers.items()}
    seen = feranno.Calibration(answers, len(validation.labels), generated, weights or "", sizes)
    if args.diagram:
        write_whole(args.diagram, seen.diagram())
    _write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _readers(args: argparse.Namespace, synthesizer: Synthesizer) -> dict[str, rivals.Reader]:
    """FERAnno and its rivals by name."""
    from synfer_core.calibration import FERAnnoReader
    from synfer_core.evaluation.feranno import OURS
    from synfer_core.models.builtin import BuiltinModel
    from synfer_core.synthesizer import DEFAULT_FOLDER
    from synfer_core.training import rivals

    folder = args.models or DEFAULT_FOLDER
    model = synthesizer.backbones["builtin"]
    assert isinstance(model, BuiltinModel)
    ours = FERAnnoReader.load(folder / "feranno.safetensors", model)
    return {OURS: ours, **(rivals.load(args.rivals, model) if args.rivals else {})}


def _generated(args: argparse.Namespace, synthesizer: Synthesizer, reader: Reader) -> Generated:
    from synfer_core.evaluation import feranno, first_light
    from synfer_core.models import classifier
    from synfer_core.synthesizer import DEFAULT_FOLDER

    nets = first_light.load_judges(args.judges or args.models or DEFAULT_FOLDER)
    judges = {name: partial(classifier.probabilities, net) for name, net in nets.items()}
    wanted = first_light.recipes(identities=args.identities)
    return feranno.generate(synthesizer, reader, judges, wanted, tell=_progress())


def _experts(args: argparse.Namespace) -> int:
    _require(args.images >= 10, "--images", "at least 10")
    _require(args.identities >= 0, "--identities", "at least 0")
    _check_targets(args.json)
    from synfer_core.evaluation import experts, feranno, first_light
    from synfer_core.training.reading import refuse_shared_identities

    synthesizer = _load(args.models)
    panel = synthesizer.annotator.panel
    if panel is None:
        raise WeightsError(synthesizer.annotator.no_panel, field="experts.json")
    for other in args.apart_from:
        refuse_shared_identities(args.data, other)
    held_out = feranno.held_out(args.data, args.images, *args.apart_from[:1])
    heard = experts.Hearing.of(panel, held_out, experts.ask(panel, held_out))
    made = _made(args, synthesizer, panel) if args.identities else None
    weights = synthesizer.check(first_light.recipes()[0]).weights_sha256
    trial = experts.Trial(panel, heard, made, weights or "")
    _write_json(args.json, trial.figures)
    print("\n".join(trial.lines()))
    return 0


def _made(args: argparse.Namespace, synthesizer: Synthesizer, panel: Panel) -> Made:
    from synfer_core.evaluation import experts, first_light
    from synfer_core.models import classifier
    from synfer_core.synthesizer import DEFAULT_FOLDER

    nets = first_light.load_judges(args.judges or args.models or DEFAULT_FOLDER)
    judges = {name: partial(classifier.probabilities, net) for name, net in nets.items()}
    wanted = experts.recipes(args.identities)
    return experts.generate(synthesizer, panel, judges, wanted, tell=_progress())


def _latency(args: argparse.Namespace) -> int:
    _require(args.runs > 0, "--runs", "at least 1")
    _check_targets(args.json)
    from synfer_core.evaluation import latency

    peer = None if args.no_peer else latency.PeerSizes()
    figures = latency.measure(_load(args.models), runs=args.runs, peer=peer).to_dict()
    _write_json(args.json, figures)
    print(f"image: {figures['image_seconds_median']:.2f} s ({figures['steps']} steps)")
    print(f"report: {figures['report_seconds_median']:.2f} s")
    for name, stage in figures["stages"].items():
        print(f"  {name}: {stage['seconds']:.3f} s, {stage['share']:.0%}")
    if figures["peer"]:
        print(f"Stable Diffusion 1.5-sized peer: {figures['peer_image_seconds']:.0f} s")
    return 0


def _render(args: argparse.Namespace) -> int:
    _require(args.seconds > 0, "--seconds", "above 0")
    _require(all(16 <= size <= 1024 for size in args.sizes), "--sizes", "16 to 1024")
    _check_targets(args.json)
    from synfer_core.evaluation import render_speed
    from synfer_core.facekit.renderer import Renderer

    renderer = Renderer.load()
    speeds = [render_speed.measure(renderer, s, seconds=args.seconds) for s in args.sizes]
    for speed in speeds:
        print(f"{speed.size} px: {speed.rate:.1f} images a second and core")
    _write_json(args.json, {"sizes": [speed.to_dict() for speed in speeds]})
    return 0


def _require(fine: object, field: str, allowed: str) -> None:
    if not fine:
        raise RequestError("is out of range", field=field, allowed=allowed)


def _check_targets(*paths: Path | None) -> None:
    for path in paths:
        if path:
            check_writable(path, str(path))


def _load(folder: Path | None) -> Synthesizer:
    from synfer_core.synthesizer import Synthesizer

    return Synthesizer.load(folder)


def _backbone(synthesizer: Synthesizer, name: str) -> Backbone:
    from synfer_core.request import Recipe

    synthesizer.check(Recipe.parse({"backbone": name}))
    return synthesizer.backbones[name]


def _write_json(path: Path | None, figures: dict[str, Any]) -> None:
    if path:
        write_whole(path, json.dumps(figures, indent=2, allow_nan=False).encode() + b"\n")
