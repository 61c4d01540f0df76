"""The parts of ``eval`` about data sets; each imports what it needs when it runs."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.command_parts import add_models

if TYPE_CHECKING:
    from synfer_core.data.engines import Engine
    from synfer_core.data.making import Workshop

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parsers(parts: Subparsers) -> None:
    """Add all of them."""
    labels = parts.add_parser(
        "data-labels", help="whether verdicts mend a data set whose labels are partly wrong"
    )
    labels.add_argument("folder", type=Path, metavar="DIR", help="of backbone facekit, unjudged")
    labels.add_argument("--confirm", type=float, metavar="P", help="(the default of a recipe)")
    labels.add_argument("--relabel", type=float, metavar="P", help="(the default of a recipe)")
    labels.add_argument(
        "--tune", action="store_true", help="choose both on this set; then measure on another"
    )
    labels.add_argument("--json", type=Path, metavar="F.json", help="write figures here")
    labels.set_defaults(run=_labels)
    distances = parts.add_parser(
        "data-distances", help="how far apart the perceptual hashes of a data set's images are"
    )
    distances.add_argument("folder", type=Path, metavar="DIR", help="the set")
    distances.add_argument("--json", type=Path, metavar="F.json", help="write figures here")
    distances.set_defaults(run=_distances)
    faults = parts.add_parser(
        "data-faults", help="whether a build ends with everything made or listed, whatever fails"
    )
    faults.add_argument("--faults", type=int, default=100, metavar="N", help="(%(default)s)")
    faults.set_defaults(run=_faults)
    speed = parts.add_parser("data-speed", help="what several workers make in the time of one")
    speed.set_defaults(run=_speed)
    for parser in (faults, speed):
        _add_workers(parser)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what to build")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    add_models(parser)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="F.json", help="write figures here")


def _labels(args: argparse.Namespace) -> int:
    from synfer_core.data.spec import Verdicts
    from synfer_core.evaluation.data_labels import LabelTrial, Set

    images = Set.read(args.folder)
    usual = Verdicts()
    confirm = usual.confirm if args.confirm is None else args.confirm
    relabel = usual.relabel if args.relabel is None else args.relabel
    if args.tune:
        confirm, relabel = images.tune()
    trial = LabelTrial(images, Verdicts(confirm=confirm, relabel=relabel))
    print("\n".join(trial.lines()))
    _write(args.json, trial.to_dict())
    return 0


def _distances(args: argparse.Namespace) -> int:
    from synfer_core.evaluation.data_distances import distances

    found = distances(args.folder)
    print(json.dumps(found, indent=1))
    _write(args.json, found)
    return 0


def _faults(args: argparse.Namespace) -> int:
    from synfer_core.data.plan import Plan
    from synfer_core.data.spec import DataSet
    from synfer_core.data.workshop import ModelWorkshop
    from synfer_core.evaluation import data_faults
    from synfer_core.stimuli import archive
    from synfer_core.synthesizer import DEFAULT_FOLDER

    archive.check(args.out, "--out")
    plan = Plan.of(DataSet.load(args.recipe))
    faults = data_faults.draw(plan, args.faults)
    models = ModelWorkshop(plan, args.models.absolute() if args.models else None)
    with tempfile.TemporaryDirectory() as marks:
        workshop = data_faults.FaultyWorkshop(plan, models, faults, Path(marks))
        engine = _engine(args.engine, workshop, args.workers)
        place = args.models or DEFAULT_FOLDER
        trial = data_faults.run(plan, args.out, place, faults, models.open(), engine)
    print(json.dumps(trial.to_dict(), indent=1))
    _write(args.json, trial.to_dict())
    return 0 if trial.good else 1


def _speed(args: argparse.Namespace) -> int:
    from synfer_core.data.plan import Plan
    from synfer_core.data.spec import DataSet
    from synfer_core.data.workshop import ModelWorkshop
    from synfer_core.evaluation import data_speed
    from synfer_core.stimuli import archive

    archive.check(args.out, "--out")
    plan = Plan.of(DataSet.load(args.recipe))
    workshop = ModelWorkshop(plan, args.models.absolute() if args.models else None)
    found = data_speed.compare(
        plan, args.out, lambda count: _engine(args.engine, workshop, count), args.workers
    )
    print(json.dumps(found, indent=1))
    _write(args.json, found)
    return 0


def _engine(name: str, workshop: Workshop, workers: int) -> Engine:
    from synfer_core.data.engines import ProcessEngine

    if name == "local":
        return ProcessEngine(workshop, workers)
    from synfer_core.data.ray_engine import RayEngine

    return RayEngine(workshop, workers)


def _write(path: Path | None, figures: dict[str, Any]) -> None:
    from synfer_core.files import write_whole

    if path is not None:
        write_whole(path, json.dumps(figures, indent=1).encode() + b"\n")
