"""Options that the parts of ``lab`` share, and what they make of them."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.command_parts import add_models
from synfer_core.data.progress import bar, in_words
from synfer_core.terminal import control, plain

if TYPE_CHECKING:
    from synfer_core.lab.images import Faces
    from synfer_core.lab.nets import NetConfig
    from synfer_core.lab.steps import Budget
    from synfer_core.lab.target import Target

_REDRAW = 0.2
_LINES = 15.0


def add_sources(parser: argparse.ArgumentParser, *, train: bool = True) -> None:
    """What is learned from and tested on, and how it is read."""
    group = parser.add_argument_group("faces")
    if train:
        group.add_argument("--train", type=Path, required=True, metavar="DIR", help="to learn from")
        group.add_argument("--train-split", metavar="S", help="train, val or test of it (all)")
        group.add_argument("--images", type=int, metavar="N", help="use so many, classes alike")
    group.add_argument("--test", type=Path, required=True, metavar="DIR", help="to be tested on")
    group.add_argument("--test-split", metavar="S", help="train, val or test of it (all)")
    add_reading(group)


def add_reading(group: Any) -> None:
    """How faces are read."""
    group.add_argument("--size", type=int, default=64, metavar="PX", help="(%(default)s)")
    group.add_argument(
        "--labels",
        default="names",
        metavar="MAP",
        help="of class folders: names, the numbers of affectnet or rafdb, or a JSON file "
        "(%(default)s)",
    )
    group.add_argument(
        "--crop",
        default="auto",
        choices=("auto", "face", "none"),
        help="auto crops photos by MediaPipe, face everything, none nothing (%(default)s)",
    )


def add_training(parser: argparse.ArgumentParser, *, samples: int, batch: int) -> None:
    """Network and budget."""
    group = parser.add_argument_group("training")
    group.add_argument("--net", default="resnet", choices=("resnet", "cbam", "vit"))
    group.add_argument(
        "--samples", type=int, default=samples, metavar="N", help="images seen (%(default)s)"
    )
    group.add_argument("--batch", type=int, default=batch, metavar="N", help="(%(default)s)")
    group.add_argument("--rate", type=float, default=2e-3, metavar="X", help="(%(default)s)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")


def add_augment(parser: argparse.ArgumentParser) -> None:
    """How training images are changed."""
    parser.add_argument(
        "--augment",
        default="wide",
        choices=("none", "mild", "wide"),
        help="wide for tests on photos, mild for pictures like those of the training (%(default)s)",
    )


def add_alignment(group: Any) -> None:
    """Whether and how training on synthetic faces is brought near to real ones."""
    group.add_argument("--align", type=Path, metavar="DIR", help="near to these, unlabelled")
    group.add_argument(
        "--align-by",
        default="norms",
        choices=("norms", "weights", "both"),
        help="norms: the network's normalisation is taken from them; weights: synthetic faces "
        "count as their distribution asks (%(default)s)",
    )
    group.add_argument(
        "--space",
        default="au-reader",
        choices=("au-reader", "attributes"),
        help="of weights: whose features are compared (%(default)s)",
    )
    add_models(group)


def target(args: argparse.Namespace) -> Target | None:
    """What ``--align`` names, read; None where it is not given."""
    if args.align is None:
        return None
    from synfer_core.lab.align import space_of
    from synfer_core.lab.target import Target
    from synfer_core.synthesizer import DEFAULT_FOLDER

    real = faces(args, args.align, labelled=False)
    weighs = args.align_by != "norms"
    space = space_of(args.space, args.models or DEFAULT_FOLDER) if weighs else None
    return Target(real, space, norms=args.align_by != "weights")


def add_out(parser: argparse.ArgumentParser) -> None:
    """Where the run goes."""
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--title", metavar="WORDS", help="what lists of runs call it")


def net_config(args: argparse.Namespace) -> NetConfig:
    """The network that was asked for."""
    from synfer_core.lab.nets import NetConfig

    return NetConfig(args.net, args.size)


def budget(args: argparse.Namespace) -> Budget:
    """The budget that was asked for."""
    from synfer_core.lab.steps import Budget

    return Budget(args.samples, args.batch, args.rate, seed=args.seed)


def faces(
    args: argparse.Namespace, folder: Path, split: str | None = None, *, labelled: bool = True
) -> Faces:
    """The faces of a source, as the options say."""
    from synfer_core.lab import labels
    from synfer_core.lab.images import Reading

    reading = Reading(args.size, args.crop, labels.load(args.labels), split, labelled)
    teller = Progress(f"{folder.name}: images read")
    found = reading.read(folder, lambda done: teller(done, 0))
    teller.end()
    middle = found.cropped.get("middle", 0)
    if middle and args.crop != "none":
        print(
            f"{folder.name}: no face was found in {middle:,} of {len(found):,} "
            "images, or MediaPipe is missing; their middle was taken",
            file=sys.stderr,
        )
    return found


def both(args: argparse.Namespace, *, labelled: bool = True) -> tuple[Faces, Faces]:
    """Faces to learn from and to be tested on, nobody in both.

    Args:
        args: With the options of `add_sources`.
        labelled: Whether only faces with an expression are learned from.
    """
    from synfer_core.lab.images import refuse_shared

    training = faces(args, args.train, args.train_split)
    training = training.labelled() if labelled else training
    test = faces(args, args.test, args.test_split).labelled()
    refuse_shared(training, test)
    if args.images is not None:
        training = training.first(args.images, args.seed)
    return training, test


class Progress:
    """Tells on standard error how far it is: a bar on a terminal, else a line every 15 seconds."""

    def __init__(self, what: str):
        self._what = what
        self._started = self._told = time.monotonic()
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        """So many are done; `total` is 0 where it is not known."""
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        over = total and done >= total
        if now - self._told < (_REDRAW if terminal else _LINES) and not over:
            return
        self._told = now
        left = (now - self._started) / max(done, 1) * (total - done) if total > done else None
        line = f"{bar(done, total)} {self._what} {in_words(left)}".rstrip() if total else ""
        line = line or f"{self._what}: {done:,}"
        self._open = terminal and not over
        end = "" if self._open else "\n"
        control((f"\r{plain(line)}\x1b[K" if terminal else plain(line)) + end)

    def end(self) -> None:
        """Leave the line, where the last one was drawn to be drawn over."""
        if self._open:
            print(file=sys.stderr)
        self._open = False


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """All options as JSON, without what calls the command."""
    skipped = {"run", "command", "lab_part", "out", "title"}
    return {
        name: [str(v) for v in value] if isinstance(value, list) else _plain(value)
        for name, value in sorted(vars(args).items())
        if name not in skipped
    }


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
