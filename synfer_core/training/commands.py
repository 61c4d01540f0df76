"""The commands ``synfer train STAGE`` and ``synfer experts fit``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from synfer_core.command_parts import add_models
from synfer_core.errors import RequestError
from synfer_core.training import launching
from synfer_core.training.launching import SD_STAGES

if TYPE_CHECKING:
    from synfer_core.training.loop import Schedule

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer train reference-prior --data groups --out runs/models
  synfer train reference --data groups --checked groups-val --models runs/models --out runs/ref
  synfer train classifier --data groups --out runs/classifier --minutes 45
  synfer train sd-adapter --data fetext --backbone models/stable-diffusion-v1-5 --out runs/units
  accelerate launch --multi_gpu --num_processes 4 -m synfer_core.cli train sd-adapter \\
      --data fetext --backbone models/stable-diffusion-v1-5 --out runs/units --tensorboard
  synfer train feranno --rival pixels --data groups --models runs/models --out runs/rivals

Stages in order: reference-prior (closed form, no budget), then reference, from groups with flow
(these make pixels), then feranno; classifier, judge, au-reader, identity and attributes read images
and can be trained at any time; sd-adapter, sd-lora and sd-feranno train on a Stable Diffusion model
that --backbone names. --models names the folder that holds the weights of earlier stages."""

EXPERTS_EXAMPLES = """examples:
  synfer experts fit --data renders others
  synfer experts fit --data renders --expert vit=models/vit --labels vit=vit-labels.json
  synfer experts fit --data renders --mediapipe --out runs/experts.json"""

RIVAL_NAMES = ("pixels", "random-unet")


@dataclass(frozen=True)
class Stage:
    """One stage: how it runs, its usual learning rate and average, and what it needs."""

    run: Callable[[argparse.Namespace, Schedule], object]
    rate: float
    average: float
    needs_models: bool


def add_parser(subparsers: Subparsers) -> None:
    """Add ``train`` and ``experts``."""
    _add_experts(subparsers)
    parser = subparsers.add_parser(
        "train",
        help="train one stage of the built-in model",
        description="Train one stage within a time budget; it can be resumed.",
        epilog=EXAMPLES,
    )
    parser.add_argument("stage", choices=list(STAGES), help="what to train")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="a rendered data set; with sd-* also FEText, or pictures with metadata.jsonl",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, state and log")
    parser.add_argument("--minutes", type=_minutes, default=10.0, help="time budget (%(default)s)")
    parser.add_argument("--models", type=Path, help="folder with the weights of earlier stages")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--batch", type=int, help="samples a step")
    parser.add_argument("--limit", type=int, help="use at most this many training images")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed (%(default)s)")
    parser.add_argument(
        "--judge", choices=("resnet", "convnextv2"), default="resnet", help="which judge"
    )
    parser.add_argument(
        "--rival",
        choices=RIVAL_NAMES,
        help="with feranno: train what it is compared with, into a folder of that name in --out",
    )
    parser.add_argument("--apart-from", type=Path, help="data set whose people are refused")
    parser.add_argument(
        "--backbone",
        metavar="WHERE",
        help="with sd-*: a Stable Diffusion folder, or hub:ORG/MODEL; ,adapter=FILE and ,lora=FILE "
        "may follow",
    )
    parser.add_argument(
        "--checked", type=Path, metavar="DIR", help="with reference: groups of other people"
    )
    parser.add_argument("--rank", type=int, default=4, help="with sd-lora (%(default)s)")
    launching.add_arguments(parser)
    parser.set_defaults(run=train)


def _add_experts(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "experts",
        help="weigh experts",
        description="Weigh FERAnno and the experts that vote on labels.",
        epilog=EXPERTS_EXAMPLES,
    )
    parts = parser.add_subparsers(metavar="WHAT", dest="what", required=True)
    fit = parts.add_parser(
        "fit",
        help="fit weights and thresholds on validation people",
        description="Fit weights and thresholds on validation people, and store them.",
        epilog=EXPERTS_EXAMPLES,
    )
    fit.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="DIR", help="renders; val is used"
    )
    add_models(fit)
    fit.add_argument("--out", type=Path, metavar="F.json", help="(experts.json in --models)")
    fit.add_argument(
        "--expert",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="an image classifier: a folder with an ONNX file, or a transformers folder or hub id",
    )
    fit.add_argument(
        "--labels",
        action="append",
        default=[],
        metavar="NAME=F.json",
        help="the meaning of its classes, where their names do not say it",
    )
    fit.add_argument("--mediapipe", action="store_true", help="MediaPipe's action units vote too")
    fit.add_argument(
        "--apart-from", type=Path, nargs="+", default=[], metavar="DIR", help="people refused"
    )
    fit.add_argument("--limit", type=int, help="images at most of each data set")
    fit.set_defaults(run=fit_experts)


def fit_experts(args: argparse.Namespace) -> int:
    """Fit weights and thresholds of the experts and store them.

    Raises:
        RequestError: An option cannot be read, or the file cannot be written.
    """
    outsiders = _pairs(args.expert, "--expert")
    labels = _pairs(args.labels, "--labels")
    from synfer_core.files import check_writable
    from synfer_core.synthesizer import DEFAULT_FOLDER

    folder = args.models or DEFAULT_FOLDER
    target = args.out or folder / "experts.json"
    check_writable(target, "--out")
    from synfer_core.training import experts

    ballot = experts.fit_folder(
        folder,
        experts.invited(outsiders, labels, mediapipe=args.mediapipe),
        args.data,
        apart_from=args.apart_from,
        limit=args.limit,
    )
    ballot.save(target)
    print("\n".join(experts.lines(ballot)))
    print(target)
    return 0


def _pairs(terms: list[str], field: str) -> dict[str, str]:
    """``NAME=VALUE`` options by name."""
    pairs: dict[str, str] = {}
    for term in terms:
        name, _, value = term.partition("=")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name) or not value:
            raise RequestError(
                f"cannot read {term[:40]!r}", field=field, allowed="NAME=PATH, NAME in lower case"
            )
        if name in pairs:
            raise RequestError(f"{name} comes twice", field=field, allowed="each name once")
        pairs[name] = value
    return pairs


def train(args: argparse.Namespace) -> int:
    """Run one stage.

    Raises:
        RequestError: The stage needs weights of earlier stages and --models is not given, or has no
            rivals and --rival is.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from synfer_core.training.loop import Schedule

    stage = STAGES[args.stage]
    if stage.needs_models and args.models is None:
        raise RequestError("is needed by this stage", field="--models", allowed="a folder")
    if args.stage in SD_STAGES and args.backbone is None:
        raise RequestError("is needed by this stage", field="--backbone", allowed="a folder")
    if args.rival is not None and args.stage != "feranno":
        raise RequestError("has no rivals", field="--rival", allowed="the stage feranno")
    if args.stage == "reference" and args.checked is None:
        raise RequestError("is needed by this stage", field="--checked", allowed="a folder")
    launching.check(args)
    placement, precision = launching.place(args)
    rate = args.rate if args.rate is not None else stage.rate
    schedule = Schedule(
        args.minutes,
        args.steps,
        learning_rate=rate,
        average=stage.average,
        seed=args.seed,
        precision=precision,
        device=placement.device,
        accumulate=args.accumulate,
        tensorboard=args.tensorboard,
    )
    with launching.recorded(args, placement, precision, rate):
        args.placement = placement
        stage.run(args, schedule)
    placement.close()
    return 0


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return value


def _feranno(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training import feranno, rivals

    options = {"resume": args.resume, "limit": args.limit}
    settings = (_batched(feranno.AROUND, args), schedule, args.data, args.models, args.out)
    if args.rival is not None:
        return rivals.train(args.rival, *settings, **options)
    return feranno.train(*settings, start=args.start, **options)


def _sd(args: argparse.Namespace, schedule: Schedule) -> object:
    """A stage on a Stable Diffusion model."""
    from synfer_core.training import stable_diffusion

    added = launching.backbone(args.backbone)
    stage = {
        "sd-adapter": stable_diffusion.train_adapter,
        "sd-lora": stable_diffusion.train_lora,
        "sd-feranno": stable_diffusion.train_feranno,
    }[args.stage]
    settings = _batched(stable_diffusion.SDTraining(rank=args.rank), args)
    options = {
        "resume": args.resume,
        "limit": args.limit,
        "placement": args.placement,
        "gradient_checkpointing": args.gradient_checkpointing,
    }
    return stage(stable_diffusion.Run(settings, schedule, args.data, added, args.out, **options))


def _reference_prior(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training.reference_fit import FitSettings, fit

    return fit(FitSettings(), args.data, args.out, limit=args.limit)


def _reference(args: argparse.Namespace, schedule: Schedule) -> None:
    from synfer_core.training import reference

    config = _batched(reference.ReferenceTraining(), args)
    folders = (args.data, args.checked, args.models, args.out)
    reference.train(
        config, schedule, *folders, resume=args.resume, start=args.start, limit=args.limit
    )


def _classifier(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training.classifier import MINI

    return _reader(MINI, args, schedule)


def _judge(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training.judge import JUDGES

    return _reader(JUDGES[args.judge], args, schedule)


def _au_reader(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training.au_reader import MINI

    return _reader(MINI, args, schedule)


def _identity(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training import identity

    config = _batched(identity.IdentityTraining(), args)
    options = {
        "resume": args.resume,
        "limit": args.limit,
        "apart_from": args.apart_from,
    }
    return identity.train(config, schedule, args.data, args.out, **options)


def _attributes(args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training import attributes

    config = _batched(attributes.AttributeTraining(), args)
    options = {"resume": args.resume, "limit": args.limit}
    return attributes.train(
        config, schedule, args.data, args.out, apart_from=args.apart_from, **options
    )


def _reader(config: Any, args: argparse.Namespace, schedule: Schedule) -> object:
    from synfer_core.training.reading import train_reader

    return train_reader(
        _batched(config, args),
        schedule,
        args.data,
        args.out,
        resume=args.resume,
        start=args.start,
        limit=args.limit,
        apart_from=args.apart_from,
    )


def _batched(config: Any, args: argparse.Namespace) -> Any:
    """The stage's settings, with the batch size asked for."""
    return config if args.batch is None else replace(config, batch=args.batch)


STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        "reference-prior": Stage(_reference_prior, 0.0, 0.0, needs_models=False),
        "reference": Stage(_reference, 1.5e-3, 0.99, needs_models=True),
        "feranno": Stage(_feranno, 1e-3, 0.995, needs_models=True),
        "sd-adapter": Stage(_sd, 1e-4, 0.995, needs_models=False),
        "sd-lora": Stage(_sd, 1e-4, 0.995, needs_models=False),
        "sd-feranno": Stage(_sd, 1e-3, 0.995, needs_models=False),
        "identity": Stage(_identity, 1e-3, 0.995, needs_models=False),
        "attributes": Stage(_attributes, 1e-3, 0.995, needs_models=False),
        "classifier": Stage(_classifier, 1e-3, 0.995, needs_models=False),
        "judge": Stage(_judge, 1e-3, 0.995, needs_models=False),
        "au-reader": Stage(_au_reader, 1e-3, 0.995, needs_models=False),
    }
)
