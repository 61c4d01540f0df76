"""What the generator does: control, nearness to exact renders, attention, sheets and morphs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.evaluation import options
from synfer_core.files import write_whole

if TYPE_CHECKING:
    from synfer_core.models.backbone import Backbone

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

CONTROL_PARTS = ("aus", "one-sided", "words", "identity", "presets", "ramps")
USUAL_PARTS = CONTROL_PARTS[:-1]
SHEETS = ("random", "expressions", "aus")


def add_parsers(parts: Subparsers) -> None:
    """Add these measurements."""
    _add_first_light(parts)
    _add_control(parts)
    _add_reference(parts)
    _add_attention(parts)
    _add_sheets(parts)
    _add_morphs(parts)


def _add_first_light(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "first-light",
        help="84 images by preset: faces found, expressions read",
        description="Seven expressions by preset, twelve people: faces found, expressions read.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    options.add_judges(parser)
    options.add_backbone(parser)
    parser.add_argument("--identities", type=int, default=12, help="people (%(default)s)")
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a contact sheet here")
    options.add_json(parser)
    parser.set_defaults(run=_first_light)


def _add_control(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "control",
        help="whether units, sides, presets, words and the person come out as asked",
        description="Whether AUs, sides, presets, words and the person come out as asked.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    options.add_judges(parser)
    options.add_backbone(parser)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=CONTROL_PARTS,
        default=list(USUAL_PARTS),
        help="what to measure (all but ramps); identity is read on the images of the presets",
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
    parser.add_argument(
        "--au-reader",
        type=Path,
        metavar="F.safetensors",
        help="another AU reader",
    )
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="write a contact sheet here")
    parser.add_argument("--crosstalk", type=Path, metavar="F.png", help="draw the cross-talk here")
    options.add_json(parser)
    parser.set_defaults(run=_control)


def _add_reference(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "reference",
        help="how near pictures come to exact renders of the same recipes",
        description="Full prototypes of unseen people beside their exact renders: decibels over "
        "face, mouth, and brows and eyes, structural similarity, a distance in features trained on "
        "photographs; against copying the neutral render and moving it by the exact flow.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    parser.add_argument(
        "--backbone",
        nargs="+",
        default=["builtin"],
        metavar="NAME",
        help="which models (builtin, which brings its closed form, one-step mean and four steps)",
    )
    parser.add_argument(
        "--people", type=int, default=200, help="one recipe each; 0 draws the sheet alone"
    )
    parser.add_argument("--size", type=int, default=128, help="pixels on a side (%(default)s)")
    parser.add_argument(
        "--steps", type=int, default=options.STEPS, help="denoising steps (%(default)s)"
    )
    parser.add_argument("--baselines", action="store_true", help="measure no model")
    parser.add_argument(
        "--changed",
        type=int,
        default=40,
        help="of these people also with another seed, no words, no units, more guidance "
        "(%(default)s)",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="F.jpg",
        help="draw twelve people by eight expressions here, exact above diffused",
    )
    parser.add_argument(
        "--cell", type=int, choices=(128, 256, 512), default=128, help="pixels a picture of these"
    )
    parser.add_argument(
        "--ways", type=Path, metavar="F.jpg", help="draw twelve people as each way makes them here"
    )
    options.add_json(parser)
    parser.set_defaults(run=_reference)


def _add_attention(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "attention",
        help="whether an AU's attention lies where it moves the face",
        description="Share of each AU's attention inside the region that FaceKit moves for it.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    parser.add_argument(
        "--images", type=int, default=264, help="22 a person, in whole people (%(default)s)"
    )
    parser.add_argument("--sheet", type=Path, metavar="F.jpg", help="draw maps and regions here")
    options.add_json(parser)
    parser.set_defaults(run=_attention)


def _add_sheets(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "sheets",
        help="contact sheets: random faces, people by expressions, each AU in five steps",
        description="Contact sheets of the same recipes for any backbone.",
        epilog=options.EXAMPLES,
    )
    parser.add_argument("out", type=Path, metavar="DIR", help="gets random.jpg and so on")
    add_models(parser)
    options.add_backbone(parser)
    parser.add_argument(
        "--kinds", nargs="+", choices=SHEETS, default=list(SHEETS), help="which sheets (all)"
    )
    parser.set_defaults(run=_sheets)


def _add_morphs(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "morphs",
        help="how evenly the frames of morphs differ, and whether the person stays",
        description="Makes continua from neutral to the prototypes, at equal moments and with "
        "moments shifted, and measures the jumps between frames and the person's similarity.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
    parser.add_argument("--continua", type=int, default=8, help="one person each (%(default)s)")
    parser.add_argument("--frames", type=int, default=21, help="of each (%(default)s)")
    options.add_json(parser)
    parser.set_defaults(run=_morphs)


def _first_light(args: argparse.Namespace) -> int:
    options.require(args.identities > 0, "--identities", "at least 1")
    options.check_targets(args.json, args.sheet)
    from synfer_core.evaluation import first_light
    from synfer_core.faces.landmarks import shared_landmarker
    from synfer_core.synthesizer import DEFAULT_FOLDER

    judges = first_light.load_judges(args.judges or args.models or DEFAULT_FOLDER)
    recipes = first_light.recipes(args.backbone, args.identities)
    synthesizer = options.load(args.models)
    detect = shared_landmarker().detect
    seen = first_light.measure(synthesizer, judges, detect, recipes, tell=options.progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    figures = seen.to_dict()
    options.write_json(args.json, figures)
    print(f"faces found: {seen.face_found()}")
    for name in judges:
        print(f"expressions read by judge {name}: {seen.accuracy(name)}")
    agreement = seen.agreement()
    print(f"expressions read by FERAnno: {agreement or 'no labels'}")
    return 0


def _control(args: argparse.Namespace) -> int:
    options.require(args.images >= 5, "--images", "at least 5")
    options.require(0 < args.active <= 1, "--active", "above 0, at most 1")
    options.require(0 <= args.active_others <= 1, "--active-others", "0 to 1")
    options.check_targets(args.json, args.sheet, args.crosstalk)
    if "aus" not in args.parts:
        options.require(not args.sheet, "--sheet", "only with the part aus")
        options.require(not args.crosstalk, "--crosstalk", "only with the part aus")
    from synfer_core.evaluation import control, control_report
    from synfer_core.evaluation.control_plan import Plan
    from synfer_core.evaluation.gauges import Gauges
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    gauges = Gauges.load(folder, args.judges, args.au_reader)
    known = options.backbones(args.models)
    backbone = options.chosen(known, args.backbone)
    exact = None if args.no_exact else known["facekit"]
    plan = Plan(images=args.images, active=args.active, active_others=args.active_others)
    seen = control.measure(backbone, exact, gauges, plan, args.parts, tell=options.progress())
    sheet = seen.sheet()
    if args.sheet and sheet:
        write_whole(args.sheet, sheet)
    if args.crosstalk and seen.model.mixes:
        title = f"Cross-talk, {args.backbone}"
        picture = control_report.crosstalk_picture(seen.model.mixes.crosstalk(), title)
        write_whole(args.crosstalk, picture)
    figures = seen.to_dict()
    options.write_json(args.json, figures)
    print("\n".join(control_report.lines(figures)))
    return 0


def _reference(args: argparse.Namespace) -> int:
    fits = args.people >= 2 or (args.people == 0 and args.sheet)
    options.require(fits, "--people", "at least 2, or 0 with --sheet")
    options.require(64 <= args.size <= 1024, "--size", "64 to 1024")
    options.require(args.steps >= 1, "--steps", "at least 1")
    options.require(args.changed >= 0, "--changed", "at least 0")
    options.require(not (args.baselines and args.sheet), "--sheet", "without --baselines")
    options.check_targets(args.json, args.sheet, args.ways)
    backbones = []
    if not args.baselines:
        known = options.backbones(args.models)
        backbones = [options.chosen(known, name) for name in args.backbone]
    if args.sheet:
        write_whole(args.sheet, _side_by_side(args, backbones[0]))
    if args.people:
        _compare(args, backbones)
    return 0


def _side_by_side(args: argparse.Namespace, backbone: Backbone) -> bytes:
    from synfer_core.evaluation import reference_sheet
    from synfer_core.models import exact

    return reference_sheet.draw(
        exact.find(args.cell), backbone, size=args.cell, steps=args.steps, tell=options.progress()
    )


def _compare(args: argparse.Namespace, backbones: list[Backbone]) -> None:
    from synfer_core.evaluation import reference
    from synfer_core.evaluation.photo_reader import PhotoReader
    from synfer_core.evaluation.reference_ways import Making
    from synfer_core.facekit.renderer import Renderer
    from synfer_core.models.attributes import AttributeReader
    from synfer_core.synthesizer import DEFAULT_FOLDER

    looks = AttributeReader.load((args.models or DEFAULT_FOLDER) / "attributes.safetensors")
    ways = [Making(backbone) for backbone in backbones]
    seen = reference.measure(
        Renderer.load(),
        ways,
        reference.Plan(args.people, min(args.changed, args.people), args.size, args.steps),
        PhotoReader.load().distance,
        lambda image: float(looks.read(image[None])["glasses"][0, 1]),
        changes=ways[0].changes if ways and args.changed else None,
        tell=options.progress(),
    )
    if args.ways:
        write_whole(args.ways, seen.sheet())
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))


def _attention(args: argparse.Namespace) -> int:
    options.require(args.images > 0, "--images", "at least 1")
    options.check_targets(args.json, args.sheet)
    from synfer_core.evaluation import attention
    from synfer_core.facekit.renderer import Renderer
    from synfer_core.faces.align import READ_SIZE

    people = -(-args.images // len(attention.KEYS))
    backbone = options.backbones(args.models)["builtin"]
    region = attention.regions(Renderer.load().head, READ_SIZE)
    seen = attention.measure(backbone, region, attention.recipes(people), tell=options.progress())
    if args.sheet:
        write_whole(args.sheet, seen.sheet())
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _sheets(args: argparse.Namespace) -> int:
    args.out.mkdir(parents=True, exist_ok=True)
    targets = {kind: args.out / f"{kind}.jpg" for kind in args.kinds}
    options.check_targets(*targets.values())
    from synfer_core.evaluation.galleries import GALLERIES
    from synfer_core.evaluation.pictures import maker

    make = maker(options.chosen(options.backbones(args.models), args.backbone))
    for kind, target in targets.items():
        gallery = GALLERIES[kind](args.backbone, options.STEPS)
        write_whole(target, gallery.draw(make, options.progress()))
        print(target)
    return 0


def _morphs(args: argparse.Namespace) -> int:
    options.require(args.continua >= 1, "--continua", "at least 1")
    options.require(args.frames >= 2, "--frames", "at least 2")
    options.check_targets(args.json)
    from synfer_core.evaluation import morphs
    from synfer_core.stimuli.tools import Tools
    from synfer_core.synthesizer import DEFAULT_FOLDER

    tools = Tools.of(options.load(args.models), args.models or DEFAULT_FOLDER, "none")
    plan = morphs.Plan(args.continua, args.frames)
    seen = morphs.measure(tools, plan, tell=options.progress())
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0
