"""What is read off faces: ``eval feranno`` and ``experts``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from synfer_core.command_parts import add_models
from synfer_core.errors import WeightsError
from synfer_core.evaluation import options
from synfer_core.files import write_whole

if TYPE_CHECKING:
    from synfer_core.evaluation.experts import Made
    from synfer_core.evaluation.feranno import Generated, Reader
    from synfer_core.panel import Panel
    from synfer_core.synthesizer import Synthesizer
    from synfer_core.training import rivals

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parsers(parts: Subparsers) -> None:
    """Add these measurements."""
    _add_feranno(parts)
    _add_experts(parts)


def _add_feranno(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "feranno",
        help="whether FERAnno reads right, knows how sure it is, and finds wrong labels",
        description="Accuracy, calibration and wrong labels found, on people not seen.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
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
    options.add_judges(parser)
    parser.add_argument(
        "--identities", type=int, default=12, help="people to generate, 0 for none (%(default)s)"
    )
    parser.add_argument(
        "--rivals", type=Path, metavar="DIR", help="what `synfer train feranno --rival` wrote"
    )
    parser.add_argument("--diagram", type=Path, metavar="F.png", help="draw reliability here")
    options.add_json(parser)
    parser.set_defaults(run=_feranno)


def _add_experts(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "experts",
        help="whether FERAnno with experts reads better than each alone, and mends wrong labels",
        description="FERAnno with experts beside FERAnno and each expert alone, on people not seen "
        "and on generated images.",
        epilog=options.EXAMPLES,
    )
    add_models(parser)
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
    options.add_judges(parser)
    parser.add_argument(
        "--identities", type=int, default=25, help="people to generate, 0 for none (%(default)s)"
    )
    options.add_json(parser)
    parser.set_defaults(run=_experts)


def _feranno(args: argparse.Namespace) -> int:
    options.require(args.images >= 10, "--images", "at least 10")
    options.require(args.identities >= 0, "--identities", "at least 0")
    options.check_targets(args.json, args.diagram)
    from synfer_core.evaluation import feranno, first_light
    from synfer_core.training.rivals import parameters

    synthesizer = options.load(args.models)
    readers = _readers(args)
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
    options.write_json(args.json, seen.to_dict())
    print("\n".join(seen.lines()))
    return 0


def _experts(args: argparse.Namespace) -> int:
    options.require(args.images >= 10, "--images", "at least 10")
    options.require(args.identities >= 0, "--identities", "at least 0")
    options.check_targets(args.json)
    from synfer_core.evaluation import experts, feranno, first_light
    from synfer_core.training.reading import refuse_shared_identities

    synthesizer = options.load(args.models)
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
    options.write_json(args.json, trial.figures)
    print("\n".join(trial.lines()))
    return 0


def _readers(args: argparse.Namespace) -> dict[str, rivals.Reader]:
    """FERAnno and its rivals by name."""
    from synfer_core.calibration import FERAnnoReader
    from synfer_core.evaluation.feranno import OURS
    from synfer_core.synthesizer import DEFAULT_FOLDER
    from synfer_core.training import rivals
    from synfer_core.training.feranno import readable

    folder = args.models or DEFAULT_FOLDER
    model = readable(folder)
    ours = FERAnnoReader.load(folder / "feranno.safetensors", model)
    return {OURS: ours, **(rivals.load(args.rivals, model) if args.rivals else {})}


def _generated(args: argparse.Namespace, synthesizer: Synthesizer, reader: Reader) -> Generated:
    from synfer_core.evaluation import feranno, first_light
    from synfer_core.models import classifier
    from synfer_core.synthesizer import DEFAULT_FOLDER

    nets = first_light.load_judges(args.judges or args.models or DEFAULT_FOLDER)
    judges = {name: partial(classifier.probabilities, net) for name, net in nets.items()}
    wanted = first_light.recipes(identities=args.identities)
    return feranno.generate(synthesizer, reader, judges, wanted, tell=options.progress())


def _made(args: argparse.Namespace, synthesizer: Synthesizer, panel: Panel) -> Made:
    from synfer_core.evaluation import experts, first_light
    from synfer_core.models import classifier
    from synfer_core.synthesizer import DEFAULT_FOLDER

    nets = first_light.load_judges(args.judges or args.models or DEFAULT_FOLDER)
    judges = {name: partial(classifier.probabilities, net) for name, net in nets.items()}
    wanted = experts.recipes(args.identities)
    return experts.generate(synthesizer, panel, judges, wanted, tell=options.progress())
