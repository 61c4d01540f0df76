"""The command ``bench``; it imports what it needs when it runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.evaluation import options
from synfer_core.facs import MAX_INTENSITY, canonical_key

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer bench latency --json latency.json
  synfer bench latency --no-peer
  synfer bench live --json live.json
  synfer bench render --seconds 20
  synfer bench sd --json sd.json"""


GROUP_SIZE, DRAG_SIZE = 128, 512
"""Pixels on a side of the groups and drags of ``bench render``."""
MOVES = 47
"""Most moves of a slider: those of `live.Plan` for one person but the first."""


def add_parser(subparsers: Subparsers) -> None:
    """Add ``bench``."""
    parser = subparsers.add_parser(
        "bench", help="time", description="Time this machine.", epilog=EXAMPLES
    )
    parts = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    for add in (_add_latency, _add_live, _add_render, _add_sd):
        add(parts)


def _add_latency(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "latency",
        help="seconds from recipe to image and report",
        description="Seconds from a recipe to its image and to the full report.",
        epilog=EXAMPLES,
    )
    add_models(parser)
    parser.add_argument("--runs", type=int, default=7, help="images to time (%(default)s)")
    parser.add_argument(
        "--no-peer", action="store_true", help="skip the Stable Diffusion-sized peer (4 GB, 1 min)"
    )
    options.add_json(parser)
    parser.set_defaults(run=_latency)


def _add_live(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "live",
        help="seconds from a slider's move to its draft, and what the draft shows of it",
        description="Seconds from a slider's move to its draft, and what the draft shows of it.",
        epilog=EXAMPLES,
    )
    add_models(parser)
    parser.add_argument("--people", type=int, default=3, help="how many (%(default)s)")
    parser.add_argument(
        "--units", nargs="+", metavar="AU12", help="action units to move (DISFA's twelve)"
    )
    parser.add_argument(
        "--intensities",
        nargs="+",
        type=float,
        metavar="X",
        help="where each goes, 0 to 5 (1 2.25 3.5 5)",
    )
    options.add_json(parser)
    parser.set_defaults(run=_live)


def _add_render(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "render",
        help="renders a second and core, single, in groups, and as a slider moves",
        description="What FaceKit renders on one core: single pictures, four expressions of a "
        "scene in a row, and the answer to a slider's move.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[128, 256, 512],
        metavar="N",
        help="of single pictures",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="for each size (%(default)s)")
    parser.add_argument(
        "--moves", type=int, default=40, help="of a slider, at most 48 (%(default)s)"
    )
    options.add_json(parser)
    parser.set_defaults(run=_render)


def _add_sd(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "sd",
        help="one guided step of a Stable Diffusion 1.5-sized U-Net with random weights",
        description="Seconds and memory of one guided step at Stable Diffusion 1.5's size, with an "
        "AU adapter, on random weights (4 GB, 2 min).",
        epilog=EXAMPLES,
    )
    parser.add_argument("--steps", type=int, default=1, help="guided steps (%(default)s)")
    options.add_json(parser)
    parser.set_defaults(run=_sd)


def _latency(args: argparse.Namespace) -> int:
    options.require(args.runs > 0, "--runs", "at least 1")
    options.check_targets(args.json)
    from synfer_core.evaluation import latency

    peer = None if args.no_peer else latency.PeerSizes()
    figures = latency.measure(options.load(args.models), runs=args.runs, peer=peer).to_dict()
    options.write_json(args.json, figures)
    print(f"image: {figures['image_seconds_median']:.2f} s ({figures['steps']} steps)")
    print(f"  of a new person and scene: {figures['new_image_seconds_median']:.2f} s")
    print(f"report: {figures['report_seconds_median']:.2f} s")
    for name, stage in figures["stages"].items():
        print(f"  {name}: {stage['seconds']:.3f} s, {stage['share']:.0%}")
    if figures["peer"]:
        print(f"Stable Diffusion 1.5-sized peer: {figures['peer_image_seconds']:.0f} s")
    return 0


def _live(args: argparse.Namespace) -> int:
    options.require(args.people > 0, "--people", "at least 1")
    options.check_targets(args.json)
    from synfer_core.evaluation import live

    given = {name: getattr(args, name) for name in ("units", "intensities") if getattr(args, name)}
    plan = live.Plan(args.people, **given)
    for value in plan.intensities:
        options.require(0 <= value <= MAX_INTENSITY, "--intensities", "0 to 5")
    for unit in plan.units:
        canonical_key(unit)
    figures = live.measure(options.load(args.models), plan, tell=options.progress()).to_dict()
    options.write_json(args.json, figures)
    print("\n".join(live.lines(figures)))
    return 0


def _sd(args: argparse.Namespace) -> int:
    options.require(args.steps > 0, "--steps", "at least 1")
    options.check_targets(args.json)
    from synfer_core.evaluation import sd_speed
    from synfer_core.evaluation.latency import PeerSizes

    figures = sd_speed.measure(PeerSizes(), steps=args.steps).to_dict()
    options.write_json(args.json, figures)
    print("\n".join(sd_speed.lines(figures)))
    return 0


def _render(args: argparse.Namespace) -> int:
    options.require(args.seconds > 0, "--seconds", "above 0")
    options.require(all(32 <= size <= 1024 for size in args.sizes), "--sizes", "32 to 1024")
    options.require(1 <= args.moves <= MOVES, "--moves", f"1 to {MOVES}")
    options.check_targets(args.json)
    from synfer_core.evaluation import render_speed
    from synfer_core.evaluation.latency import machine
    from synfer_core.models import exact
    from synfer_core.training.run_record import source

    render_speed.hold_to_one_core()
    backbone, code = exact.find(DRAG_SIZE), source()
    renderer = backbone.renderer
    speeds = [render_speed.measure(renderer, s, seconds=args.seconds) for s in args.sizes]
    speeds.append(render_speed.measure_groups(renderer, GROUP_SIZE, seconds=args.seconds))
    speeds.append(render_speed.measure_drags(backbone, DRAG_SIZE, moves=args.moves))
    print("\n".join(speed.line() for speed in speeds))
    figures = {
        "commit": code.revision if code else None,
        "changes_in_no_commit": code.dirty if code else None,
        "pack_sha256": renderer.sha256,
        "machine": machine(),
        "speeds": [speed.to_dict() for speed in speeds],
    }
    options.write_json(args.json, figures)
    return 0
