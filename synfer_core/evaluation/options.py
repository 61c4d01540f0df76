"""Options that measurements share, and what they do before and after the work."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synfer_core.errors import RequestError, UnsupportedError
from synfer_core.files import check_writable, write_whole
from synfer_core.terminal import control

if TYPE_CHECKING:
    from synfer_core.models.backbone import Backbone
    from synfer_core.synthesizer import Synthesizer

EXAMPLES = """examples:
  synfer eval first-light --sheet first-light.jpg --json first-light.json
  synfer eval first-light --backbone facekit --sheet exact.jpg
  synfer eval attention --sheet attention.jpg
  synfer eval feranno --data renders --rivals runs/rivals --diagram reliability.png
  synfer eval experts --data others --apart-from renders --json experts.json
  synfer eval control --json control.json --crosstalk crosstalk.png
  synfer eval control --parts words identity
  synfer eval reference --json reference.json --sheet reference.jpg
  synfer eval semantic --json semantic.json --sheet semantic.jpg
  synfer eval semantic --tune --people 6 --acts-on text both --strengths 1 2 4
  synfer eval semantic --tune --strengths 0 1 2 4 8 --plot over-optimisation.png
  synfer eval ablation --keep ablation --json ablation.json --sheet ablation.jpg
  synfer eval inversion --json inversion.json --out inversion.jpg
  synfer eval drift --json drift-figures.json
  synfer eval morphs --continua 8 --json morphs.json
  synfer eval provenance --json provenance.json --sheet watermark.jpg
  synfer eval facekit --json facekit.json --sheet people.jpg
  synfer eval fetext trial/ --json fetext.json --sheet fetext.jpg
  synfer eval sheets sheets/"""
"""Below the help of every measurement."""

STEPS = 20
"""Denoising steps of the images that are measured."""


def add_judges(parser: argparse.ArgumentParser) -> None:
    """Where the judges are."""
    parser.add_argument(
        "--judges", type=Path, metavar="DIR", help="judge-*.safetensors (beside the weights)"
    )


def add_backbone(parser: argparse.ArgumentParser) -> None:
    """Which backbone is measured."""
    parser.add_argument("--backbone", default="builtin", help="which model (%(default)s)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Where figures are written."""
    parser.add_argument("--json", type=Path, metavar="F.json", help="also write the figures here")


def require(fine: object, field: str, allowed: str) -> None:
    """Refuse an option out of its range.

    Raises:
        RequestError: It is not fine.
    """
    if not fine:
        raise RequestError("is out of range", field=field, allowed=allowed)


def check_targets(*paths: Path | None) -> None:
    """Find out before the work whether its results can be written.

    Raises:
        RequestError: A path cannot be written to.
    """
    for path in paths:
        if path:
            check_writable(path, str(path))


def progress() -> Callable[[int, int], None]:
    """Tells on standard error how far it is: always on a terminal, else every 25 images."""
    start = time.perf_counter()

    def tell(done: int, total: int) -> None:
        line = f"{done}/{total} images, {time.perf_counter() - start:.0f} s"
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            control(f"\r{line}{end}")
        elif done % 25 == 0 or done == total:
            print(line, file=sys.stderr, flush=True)

    return tell


def load(folder: Path | None) -> Synthesizer:
    """A whole synthesizer from a folder of weights, None for the ones that ship."""
    from synfer_core.synthesizer import Synthesizer

    return Synthesizer.load(folder)


def backbones(folder: Path | None) -> dict[str, Backbone]:
    """The built-in model of a folder, by default the one that ships, and the exact renderer.

    Raises:
        WeightsError: A weight file is missing, damaged, or does not fit the others.
    """
    from synfer_core.faces.align import READ_SIZE
    from synfer_core.models import exact
    from synfer_core.synthesizer import DEFAULT_FOLDER, load_builtin

    return {
        "builtin": load_builtin(folder or DEFAULT_FOLDER),
        "facekit": exact.find(READ_SIZE),
    }


def chosen(known: Mapping[str, Backbone], name: str) -> Backbone:
    """A backbone by name.

    Raises:
        UnsupportedError: There is none of that name.
    """
    if name not in known:
        allowed = ", ".join(known)
        raise UnsupportedError(f"{name!r} is not here", field="--backbone", allowed=allowed)
    return known[name]


def write_json(path: Path | None, figures: dict[str, Any]) -> None:
    """Write figures, if there is a place for them."""
    if path:
        write_whole(path, json.dumps(figures, indent=2, allow_nan=False).encode() + b"\n")
