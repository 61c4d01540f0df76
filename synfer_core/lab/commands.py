"""The command ``lab``; each part imports what it needs when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.errors import RequestError
from synfer_core.lab import options, scaling_commands

if TYPE_CHECKING:
    from synfer_core.lab.figures import Figures
    from synfer_core.lab.images import Faces
    from synfer_core.lab.runs import Run
    from synfer_core.lab.supervised import Weights
    from synfer_core.lab.target import Target

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  synfer lab supervised --train faces/ --test photos/ --out runs/supervised
  synfer lab supervised --train faces/ --test affectnet/val --labels affectnet --out runs/affectnet
  synfer lab supervised --train faces/ --align some-photos/ --test photos/ --out runs/aligned
  synfer lab supervised --train faces/ --real rafdb/ --mix 0.5 --test photos/ --out runs/mixed
  synfer lab pretrain --method simclr --train faces/ --test renders/ --out runs/simclr
  synfer lab zero-shot --train renders/ --test photos/ --out runs/zero-shot
  synfer lab few-shot --weights runs/simclr/recogniser.safetensors --test photos/ --out runs/few
  synfer lab test --weights runs/supervised/recogniser.safetensors --test others/ --out runs/test
  synfer lab scaling --train generated=faces/ renders/ --test held-out/ --out runs/scaling

a source is a folder of class folders with images, renders of `facekit render`, a set of `data
build` or its ImageFolder, or Parquet files of `fetext build` (docs/lab.md)"""

RECOGNISER, IMAGE_TEXT = "recogniser.safetensors", "image-text.safetensors"
CONFUSION = "confusion.png"


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "lab",
        help="train recognisers on faces and test them on others",
        description="Train small recognisers on synthetic or real faces and test them on others: "
        "supervised, self-supervised with a linear probe, zero-shot, few-shot.",
        epilog=EXAMPLES,
    )
    parts = parser.add_subparsers(metavar="PART", dest="lab_part", required=True)
    _add_supervised(parts)
    _add_pretrain(parts)
    _add_zero_shot(parts)
    _add_few_shot(parts)
    _add_test(parts)
    scaling_commands.add_parser(parts)


def _add_supervised(parts: Subparsers) -> None:
    parser = parts.add_parser("supervised", help="learn from labels, then be tested")
    options.add_sources(parser)
    options.add_training(parser, samples=16_000, batch=64)
    options.add_augment(parser)
    _add_real(parser)
    options.add_out(parser)
    parser.set_defaults(run=_supervised)


def _add_real(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("real faces")
    group.add_argument("--real", type=Path, metavar="DIR", help="labelled, to be mixed in")
    group.add_argument("--mix", type=float, metavar="X", help="share of real ones among those seen")
    options.add_alignment(group)


def _add_pretrain(parts: Subparsers) -> None:
    parser = parts.add_parser(
        "pretrain", help="learn without labels, then a linear probe on the same images"
    )
    parser.add_argument("--method", default="simclr", choices=("simclr", "byol", "moco"))
    options.add_sources(parser)
    options.add_training(parser, samples=16_000, batch=128)
    options.add_out(parser)
    parser.set_defaults(run=_pretrain)


def _add_zero_shot(parts: Subparsers) -> None:
    parser = parts.add_parser("zero-shot", help="learn from captions, be tested by class phrases")
    options.add_sources(parser)
    options.add_training(parser, samples=16_000, batch=128)
    options.add_augment(parser)
    options.add_out(parser)
    parser.set_defaults(run=_zero_shot)


def _add_few_shot(parts: Subparsers) -> None:
    parser = parts.add_parser("few-shot", help="prototypes of a few faces over frozen features")
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="F", help="a recogniser of another run"
    )
    options.add_sources(parser, train=False)
    for name, default, what in (
        ("shots", 5, "faces of each expression that make its prototype"),
        ("queries", 10, "faces of each expression that are read"),
        ("episodes", 600, "draws"),
        ("seed", 0, "of the draws"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{what} (%(default)s)"
        )
    options.add_out(parser)
    parser.set_defaults(run=_few_shot)


def _add_test(parts: Subparsers) -> None:
    parser = parts.add_parser("test", help="test a recogniser on other faces")
    parser.add_argument("--weights", type=Path, required=True, metavar="F", help="a recogniser")
    options.add_sources(parser, train=False)
    options.add_out(parser)
    parser.set_defaults(run=_test)


def _begin(args: argparse.Namespace, kind: str, title: str) -> Run:
    from synfer_core.lab.runs import Run

    return Run.begin(args.out, kind, args.title or title, options.settings(args))


def _finish(run: Run, figures: Figures, **more: Any) -> int:
    from synfer_core.lab.runs import FIGURES

    run.write_json(FIGURES, {**figures.to_dict(), **more})
    run.write(CONFUSION, figures.picture(run.about.title))
    run.end((FIGURES, CONFUSION))
    print("\n".join(figures.lines()))
    return 0


def _supervised(args: argparse.Namespace) -> int:
    from synfer_core.lab import nets, supervised
    from synfer_core.lab.figures import Figures

    if (args.real is None) != (args.mix is None):
        raise RequestError("--real and --mix go together", field="--mix", allowed="0 to 1")
    config, budget = options.net_config(args), options.budget(args)
    run = _begin(args, "supervised", f"{args.net} on {args.train.name}")
    training, test = options.both(args)
    target = options.target(args)
    weights, known = _aligned(training, target, args.seed)
    if args.real:
        training, weights = _mixed(args, training, test, weights)
    tell = options.Progress("faces seen")
    net = supervised.train(training, config, budget, args.augment, weights=weights, tell=tell)
    if target:
        target.adapt(net)
    nets.save(net, config, args.out / RECOGNISER, "recogniser")
    figures = Figures(test, nets.in_batches(net, test.images).argmax(1))
    return _finish(run, figures, train=training.to_dict(), **known)


def _aligned(
    training: Faces, target: Target | None, seed: int
) -> tuple[Weights | None, dict[str, Any]]:
    """Weights that bring the training faces near to the target, if any, and figures of it."""
    if target is None:
        return None, {}
    known: dict[str, Any] = {"norms": target.norms, "real": target.faces.to_dict()}
    made = target.weigh(training, seed)
    if made is None:
        return None, {"align": known}
    print(
        f"discrepancy (MMD) to {target.faces.name}: {made.before:.5f} before, {made.after:.5f} "
        f"after; effective sample size {made.effective:.0f} of {len(training):,}"
    )
    return made.weights, {"align": {**made.to_dict(), **known}}


def _mixed(
    args: argparse.Namespace, training: Faces, test: Faces, weights: Weights | None
) -> tuple[Faces, Weights]:
    from synfer_core.lab import supervised
    from synfer_core.lab.images import refuse_shared

    real = options.faces(args, args.real).labelled()
    refuse_shared(real, test)
    return supervised.mixed(training, real, args.mix, weights)


def _pretrain(args: argparse.Namespace) -> int:
    from synfer_core.lab import nets, probe
    from synfer_core.lab.figures import Figures
    from synfer_core.lab.pretraining import pretrain

    config, budget = options.net_config(args), options.budget(args)
    run = _begin(args, "pretrain", f"{args.method} on {args.train.name}, linear probe")
    training, test = options.both(args, labelled=False)
    tell = options.Progress("faces seen")
    backbone = pretrain(args.method, training, config, budget, tell=tell)
    net = probe.fit(backbone, training.labelled())
    nets.save(net, config, args.out / RECOGNISER, "recogniser")
    figures = Figures(test, nets.in_batches(net, test.images).argmax(1))
    return _finish(run, figures, train=training.to_dict())


def _zero_shot(args: argparse.Namespace) -> int:
    from synfer_core.lab import nets, zero_shot
    from synfer_core.lab.figures import Figures

    config, budget = options.net_config(args), options.budget(args)
    run = _begin(args, "zero-shot", f"zero-shot from captions of {args.train.name}")
    training, test = options.both(args, labelled=False)
    tell = options.Progress("faces seen")
    net = zero_shot.train(training, config, budget, args.augment, tell=tell)
    nets.save(net, config, args.out / IMAGE_TEXT, "image-text")
    return _finish(run, Figures(test, zero_shot.read(net, test)), train=training.to_dict())


def _few_shot(args: argparse.Namespace) -> int:
    from synfer_core.lab import few_shot, nets
    from synfer_core.lab.runs import FIGURES

    episodes = few_shot.Episodes(args.shots, args.queries, args.episodes, args.seed)
    backbone = nets.load_recogniser(args.weights).backbone
    run = _begin(args, "few-shot", f"{args.shots} shots on {args.test.name}")
    test = options.faces(args, args.test, args.test_split).labelled()
    found = few_shot.measure(backbone, test, episodes)
    run.write_json(FIGURES, {**found.to_dict(), "test": test.to_dict()})
    run.end((FIGURES,))
    print(f"accuracy {found.accuracy} over {args.episodes:,} episodes of {args.shots} shots")
    return 0


def _test(args: argparse.Namespace) -> int:
    from synfer_core.lab import nets
    from synfer_core.lab.figures import Figures

    net = nets.load_recogniser(args.weights)
    run = _begin(args, "test", f"{args.weights.parent.name} on {args.test.name}")
    test = options.faces(args, args.test, args.test_split).labelled()
    return _finish(run, Figures(test, nets.in_batches(net, test.images).argmax(1)))
